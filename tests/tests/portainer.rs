//! The requests a Portainer sends when an environment is added and looked at, in its order, and what
//! it dereferences in the answers without looking.

use std::time::Duration;

use harness::{Connection, Docker, Pair, pace};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

fn is_hex_id(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|id| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn ask(docker: &Docker, path: &str) -> Value {
    let answer = docker.get(path).expect(200);
    assert_eq!(answer.head.header("content-encoding"), None, "{path}");
    answer.json()
}

#[test]
fn an_environment_is_added() {
    let pair = Pair::start();
    let docker = Docker::new(pair.tcp());
    docker.run("runs", "exec sleep 100000");
    docker.create("rests", "exit 0");
    for path in ["/_ping", "/v1.41/_ping", "/v1.45/_ping"] {
        let answer = docker.ask("HEAD", path, None).expect(200);
        assert_eq!(answer.head.header("api-version"), Some("1.51"));
        assert_eq!(answer.head.header("ostype"), Some("linux"));
        assert_eq!(answer.head.header("portainer-agent"), None);
        assert!(answer.body.is_empty());
        assert_eq!(docker.get(path).expect(200).body, b"OK");
    }
    for version in ["", "/v1.41", "/v1.45"] {
        snapshot(&docker, version);
    }
}

/// What is asked every five minutes, in its order.
fn snapshot(docker: &Docker, version: &str) {
    let info = ask(docker, &format!("{version}/info"));
    check_info(&info);
    let list = ask(docker, &format!("{version}/containers/json?all=1"));
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    for item in list {
        check_item(item);
    }
    for item in list.iter().filter(|item| item["State"] == "running") {
        check_inspect(&ask(
            docker,
            &format!("{version}/containers/{}/json", item["Id"].as_str().unwrap()),
        ));
    }
    let images = ask(docker, &format!("{version}/images/json"));
    for image in images.as_array().unwrap() {
        assert!(image["Id"].as_str().unwrap().starts_with("sha256:"));
        assert!(image["Created"].is_i64() && image["Size"].is_i64(), "{image}");
        assert!(
            image["RepoTags"].is_array() && image["RepoDigests"].is_array(),
            "{image}"
        );
        assert_eq!(list[0]["ImageID"], image["Id"]);
    }
    let volumes = ask(docker, &format!("{version}/volumes"));
    assert!(volumes["Volumes"].is_array(), "{volumes}");
    let networks = ask(docker, &format!("{version}/networks"));
    check_networks(&networks);
    check_version(&ask(docker, &format!("{version}/version")));
    assert!(ask(docker, &format!("{version}/plugins")).is_array());
}

fn check_info(info: &Value) {
    for field in [
        "ID",
        "ServerVersion",
        "OSType",
        "Driver",
        "LoggingDriver",
        "DockerRootDir",
        "Name",
        "Architecture",
        "OperatingSystem",
        "KernelVersion",
    ] {
        assert!(
            info[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}: {}",
            info[field]
        );
    }
    assert!(info["NCPU"].as_i64().unwrap() > 0 && info["MemTotal"].as_i64().unwrap() > 0);
    assert_eq!(info["Swarm"]["LocalNodeState"], "inactive");
    assert_eq!(info["Swarm"]["NodeID"], "");
    assert_eq!(info["Swarm"]["ControlAvailable"], false);
    for kind in ["Volume", "Network", "Log"] {
        assert!(info["Plugins"][kind].is_array(), "{kind}");
    }
    assert!(info["Runtimes"].is_object());
    assert_eq!(
        (info["Containers"].as_i64(), info["ContainersRunning"].as_i64()),
        (Some(2), Some(1))
    );
}

fn check_item(item: &Value) {
    assert!(is_hex_id(&item["Id"]), "{item}");
    assert!(item["Names"][0].as_str().unwrap().starts_with('/'));
    assert!(
        item["Created"].is_i64() && item["Ports"].is_array() && item["Mounts"].is_array(),
        "{item}"
    );
    assert!(
        item["Labels"].is_object() && item["NetworkSettings"]["Networks"].is_object(),
        "{item}"
    );
    assert!(
        item["HostConfig"]["NetworkMode"].is_string() && item["Command"].is_string(),
        "{item}"
    );
    let status = item["Status"].as_str().unwrap();
    let expected = if item["State"] == "running" {
        "Up "
    } else {
        "Created"
    };
    assert!(status.starts_with(expected), "{status}");
}

fn check_inspect(container: &Value) {
    assert!(container["HostConfig"].is_object());
    let requests = &container["HostConfig"]["DeviceRequests"];
    assert!(
        requests.is_null() || requests.as_array().is_some_and(Vec::is_empty),
        "{requests}"
    );
    assert!(container["Config"]["Labels"].is_object());
    assert!(container["Mounts"].is_array());
    assert!(container["Name"].as_str().unwrap().starts_with('/'));
    assert!(container["State"].get("Health").is_none(), "no probe has run");
    let log = container["HostConfig"]["LogConfig"]["Type"].as_str().unwrap();
    assert!(!log.is_empty() && log != "none", "{log}");
    for network in container["NetworkSettings"]["Networks"]
        .as_object()
        .unwrap()
        .values()
    {
        assert!(network["NetworkID"].is_string(), "{network}");
    }
}

fn check_networks(networks: &Value) {
    let mut names: Vec<&str> = Vec::new();
    for network in networks.as_array().unwrap() {
        names.push(network["Name"].as_str().unwrap());
        assert!(is_hex_id(&network["Id"]), "{network}");
        assert_eq!(network["Scope"], "local");
        for field in ["IPAM", "Options", "Labels"] {
            assert!(network[field].is_object(), "{field} of {network}");
        }
        let created = network["Created"].as_str().unwrap();
        assert!(created.len() >= 20 && created.contains('T'), "{created}");
    }
    names.sort_unstable();
    assert_eq!(names, ["bridge", "host", "none"]);
}

fn check_version(version: &Value) {
    assert_eq!(version["ApiVersion"], "1.51");
    assert_eq!(version["MinAPIVersion"], "1.24");
    assert!(version["Version"].is_string());
    for component in version["Components"].as_array().unwrap() {
        let name = component["Name"].as_str().unwrap();
        assert!(!name.to_lowercase().contains("podman"), "{name}");
        assert!(component["Version"].is_string());
        let details = component["Details"].as_object();
        assert!(
            details.is_none_or(|details| details.values().all(Value::is_string)),
            "{component}"
        );
    }
}

/// A name filter that is not honoured makes the create form delete somebody else's container.
#[test]
fn the_create_form_asks_whether_a_name_is_taken() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.create("foobar", "exit 0");
    let count = |pattern: &str| {
        let path =
            format!("/v1.41/containers/json?all=true&filters=%7B%22name%22%3A%5B%22{pattern}%22%5D%7D");
        ask(&docker, &path).as_array().unwrap().len()
    };
    assert_eq!(count("%5E%2Ffoo%24"), 0);
    assert_eq!(count("%5E%2Ffoobar%24"), 1);
    assert_eq!(count("foo"), 1);
    let answer = docker.get("/volumes/nosuch").expect(404);
    assert!(!answer.message().is_empty());
}

/// What the create form sends: everything, mostly empty.
#[test]
fn the_create_form_s_body_is_understood() {
    let pair = Pair::start();
    let docker = pair.docker();
    let capabilities = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    let body = serde_json::json!({
        "Image": "bb:latest", "Cmd": ["/bin/sleep", "100000"], "User": "", "WorkingDir": "", "OpenStdin": false,
        "Tty": false, "Hostname": "", "Domainname": "", "MacAddress": "", "Env": [], "Labels": {}, "Volumes": {},
        "ExposedPorts": {},
        "NetworkingConfig": { "EndpointsConfig": {
            "bridge": { "IPAMConfig": { "IPv4Address": "", "IPv6Address": "" } }
        } },
        "HostConfig": {
            "PublishAllPorts": false, "PortBindings": {}, "AutoRemove": false, "Binds": [], "NetworkMode": "bridge",
            "Dns": [], "ExtraHosts": [], "RestartPolicy": { "Name": "no" }, "Privileged": false, "Init": false,
            "Runtime": "", "Devices": [], "Sysctls": {}, "ShmSize": 67_108_864, "DeviceRequests": [], "Memory": 0,
            "MemoryReservation": 0, "NanoCpus": 0, "CapAdd": capabilities, "CapDrop": ["SYS_ADMIN", "SYS_TIME"]
        }
    });
    docker.create_from("form", &body);
    docker.start("form");
    check_inspect(&docker.inspect("form"));
    check_item(&docker.listed("form").unwrap());
    docker.delete("/v1.41/containers/form?force=true&v=1").expect(204);
}

#[test]
fn swarm_is_not_served_and_says_so() {
    let pair = Pair::start_empty();
    let docker = pair.docker();
    for path in ["/swarm", "/services", "/nodes", "/tasks", "/secrets", "/configs"] {
        let answer = docker.get(path).expect(503);
        assert!(
            answer.message().starts_with("This node is not a swarm manager."),
            "{answer}"
        );
    }
}

/// Its websocket handler's request, byte for byte: no version, and a host without a name.
fn hijack(docker: &Docker, path: &str, body: &str) -> Connection {
    let mut connection = docker.connect();
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/json\r\n"
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\n\
         Connection: Upgrade\r\n{kind}Upgrade: tcp\r\n\r\n{body}",
        body.len()
    );
    connection.send_raw(request.as_bytes()).unwrap();
    let head = connection.head(false).unwrap();
    assert_eq!(head.status, 101, "anything else is an error to it");
    assert_eq!(
        head.header("content-type"),
        Some("application/vnd.docker.raw-stream")
    );
    assert_eq!(head.header("connection"), Some("Upgrade"));
    assert_eq!(head.header("upgrade"), Some("tcp"));
    connection
}

/// What a stream without framing holds up to and with `end`.
#[track_caller]
fn shown(connection: &mut Connection, end: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(end.as_bytes()) {
        let count = connection.read_raw(&mut byte).unwrap();
        let so_far = String::from_utf8_lossy(&seen);
        assert_eq!(count, 1, "the stream ends before {end:?}: {so_far}");
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

#[test]
fn the_console() {
    let pair = Pair::start();
    let docker = Docker::new(pair.tcp());
    docker.run("web", "exec sleep 100000");
    let container = ask(&docker, "/v1.41/containers/web/json");
    assert!(container["Config"]["Labels"].is_object(), "its keys are listed");
    let image = container["Image"].as_str().unwrap();
    let image = ask(&docker, &format!("/v1.41/images/{image}/json"));
    assert_eq!(image["Os"], "linux");
    let id = container["Id"].as_str().unwrap();
    let body = json!({
        "id": id, "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": true, "User": "",
        "Cmd": ["sh"]
    });
    let answer = docker.post_json(&format!("/v1.41/containers/{id}/exec"), &body);
    let answer = answer.expect(201).json();
    assert!(is_hex_id(&answer["Id"]), "{answer}");
    let exec = answer["Id"].as_str().unwrap();
    // The window's size comes before the start, which takes the way over a websocket.
    let resize = |size: &str| {
        let path = format!("/v1.41/exec/{exec}/resize?{size}");
        docker.post_json(&path, &json!({})).expect(200);
    };
    resize("h=31&w=101");
    let mut console = hijack(
        &docker,
        &format!("/exec/{exec}/start"),
        "{\"Tty\":true,\"Detach\":false}\n",
    );
    for line in [
        "export LANG=C.UTF-8",
        "export LC_ALL=C.UTF-8",
        "alias ls='ls --color=auto'",
    ] {
        console.send_raw(format!("{line}\n").as_bytes()).unwrap();
    }
    console.send_raw(b"stty size; echo do''ne.\n").unwrap();
    let text = shown(&mut console, "done.\r\n");
    assert!(text.contains("31 101"), "{text}");
    resize("h=40&w=132");
    console.send_raw(b"stty size; echo $LANG again.\n").unwrap();
    let text = shown(&mut console, "C.UTF-8 again.\r\n");
    assert!(text.contains("40 132"), "{text}");
    let running = |id: &str| ask(&docker, &format!("/exec/{id}/json"))["Running"] == true;
    assert!(running(exec));
    // Whoever closes the page ends the shell.
    drop(console);
    pace::until("the shell ends with the page", LIMIT, || {
        (!running(exec)).then_some(())
    });
}

#[test]
fn attaching_to_a_terminal() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.create_from(
        "web",
        &json!({ "Image": "bb:latest", "Cmd": ["/bin/sh"], "Tty": true, "OpenStdin": true, "StopTimeout": 1 }),
    );
    docker.start("web");
    let path = "/containers/web/attach?stdin=1&stdout=1&stderr=1&stream=1";
    let mut page = hijack(&docker, path, "");
    docker
        .post_json("/v1.41/containers/web/resize?h=33&w=99", &json!({}))
        .expect(200);
    page.send_raw(b"stty size; echo $((6 * 7)) done.\n").unwrap();
    let text = shown(&mut page, "42 done.\r\n");
    assert!(text.contains("33 99"), "{text}");
    drop(page);
    assert_eq!(docker.inspect("web")["State"]["Running"], true, "it was a look");
}

/// The lines of a log, as the page cuts them: eight bytes away at the start and after every newline.
fn cut(body: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        lines.push(String::from_utf8(line[8..].to_vec()).unwrap());
    }
    lines
}

#[test]
fn the_log_page() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run(
        "web",
        "for i in $(seq 1 150); do echo line $i; done; echo oops >&2; exit 0",
    );
    docker.wait("web");
    let container = ask(&docker, "/v1.41/containers/web/json");
    assert_eq!(container["HostConfig"]["LogConfig"]["Type"], "json-file");
    assert_eq!(container["Config"]["Tty"], false);
    let path = "/v1.41/containers/web/logs?stdout=1&stderr=1&tail=100";
    // Every three seconds the same; an answer that did not end would hold the page.
    for _ in 0..3 {
        let answer = docker.get(path).expect(200);
        let mut lines = cut(&answer.body);
        assert_eq!(lines.len(), 100);
        lines.retain(|line| line != "oops\n");
        assert_eq!(lines.len(), 99);
        assert_eq!(lines.last().unwrap(), "line 150\n");
    }
    let answer = docker.get(&format!("{path}&timestamps=1")).expect(200);
    for line in cut(&answer.body) {
        // It takes 30 characters for the time and one for the space.
        assert_eq!((&line[29..31], &line[10..11]), ("Z ", "T"), "{line}");
    }
    assert!(
        docker
            .get(&format!("{path}&since=4000000000"))
            .expect(200)
            .body
            .is_empty()
    );
}

#[test]
fn the_page_of_what_it_uses() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run("web", "exec sleep 100000");
    let top = ask(&docker, "/v1.41/containers/web/top");
    let titles = top["Titles"].as_array().unwrap().len();
    for process in top["Processes"].as_array().unwrap() {
        assert_eq!(process.as_array().unwrap().len(), titles, "{top}");
    }
    let stats = ask(&docker, "/v1.41/containers/web/stats?stream=false");
    for place in [
        "/memory_stats/usage",
        "/cpu_stats/cpu_usage/total_usage",
        "/cpu_stats/system_cpu_usage",
        "/cpu_stats/online_cpus",
        "/precpu_stats/system_cpu_usage",
    ] {
        let found = stats.pointer(place).and_then(Value::as_u64);
        assert!(found.is_some_and(|number| number > 0), "{place}: {stats}");
    }
}
