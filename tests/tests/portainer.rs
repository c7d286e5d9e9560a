//! The requests a Portainer sends when an environment is added and looked at, in its order, and what
//! it dereferences in the answers without looking.

use harness::{Docker, Pair};
use serde_json::Value;

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
