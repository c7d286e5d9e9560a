//! A container's life through Docker's API, on the real pair.

use std::fs;
use std::time::Duration;

use harness::pair::IMAGE;
use harness::{Docker, Pair, pace};
use serde_json::{Value, json};

/// Ends with 3 when asked to.
const POLITE: &str = "trap 'exit 3' TERM; echo here; while :; do sleep 1000 & wait; done";
/// Never ends by itself, and as first process of its namespace hears nothing but SIGKILL.
const DEAF: &str = "exec sleep 100000";

fn status(docker: &Docker, name: &str) -> String {
    docker.inspect(name)["State"]["Status"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn from_image_to_nothing() {
    let pair = Pair::start();
    let docker = pair.docker();
    let id = docker.create("web", POLITE);
    assert_eq!(id.len(), 64);
    assert_eq!(status(&docker, "web"), "created");
    assert_eq!(docker.listed("web").unwrap()["Status"], "Created");
    assert_eq!(docker.get("/containers/json").json(), json!([]));

    docker.start("web");
    docker.post("/containers/web/start").expect(304);
    let running = docker.inspect("web");
    assert_eq!(running["State"]["Status"], "running");
    assert_eq!(running["State"]["Running"], true);
    let pid = running["State"]["Pid"].as_i64().unwrap();
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());
    let listed = docker.listed("web").unwrap();
    assert!(listed["Status"].as_str().unwrap().starts_with("Up "), "{listed}");
    assert_eq!(listed["State"], "running");
    assert_eq!(listed["Id"], id.as_str());
    docker.delete("/containers/web").expect(409);

    // A first process that has not set its trap yet does not get the signal at all.
    pace::until("the trap", Duration::from_secs(20), || {
        let log = docker.get("/containers/web/logs?stdout=1").expect(200).body;
        log.ends_with(b"here\n").then_some(())
    });
    docker.post("/containers/web/stop").expect(204);
    docker.post("/containers/web/stop").expect(304);
    let stopped = docker.inspect("web");
    assert_eq!(stopped["State"]["Status"], "exited");
    assert_eq!(stopped["State"]["ExitCode"], 3);
    assert_eq!(stopped["State"]["Pid"], 0);
    assert!(
        docker.listed("web").unwrap()["Status"]
            .as_str()
            .unwrap()
            .starts_with("Exited (3) ")
    );
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
    docker.post("/containers/web/kill").expect(409);

    docker.post("/containers/web/restart").expect(204);
    let again = docker.inspect("web")["State"]["Pid"].as_i64().unwrap();
    assert_ne!(again, pid);
    docker.post("/containers/web/kill").expect(204);
    assert_eq!(docker.wait("web"), 137);

    docker.post("/containers/web/rename?name=site").expect(204);
    docker.get("/containers/web/json").expect(404);
    assert_eq!(docker.inspect("site")["Name"], "/site");
    docker.start("site");
    docker.delete("/containers/site?force=1").expect(204);
    docker.get("/containers/site/json").expect(404);
    assert_eq!(docker.get("/containers/json?all=1").json(), json!([]));
}

#[test]
fn exit_codes() {
    let pair = Pair::start();
    let docker = pair.docker();
    let check = |name: &str, script: &str, expected: i64| {
        docker.run(name, script);
        assert_eq!(docker.wait(name), expected, "{script}");
        assert_eq!(docker.inspect(name)["State"]["ExitCode"], expected, "{script}");
    };
    check("zero", "exit 0", 0);
    check("seven", "exit 7", 7);
    check("most", "exit 255", 255);
    check("missing", "/no/such/program", 127);
    check("plain", "/etc/plain", 126);
}

#[test]
fn signals_reach_the_first_process() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run(
        "polite",
        "trap 'exit 11' USR1; while :; do sleep 1000 & wait; done",
    );
    // A first process that has not set its trap yet does not get the signal at all.
    let insist = |signal: &str| {
        let ended = || {
            docker.post(&format!("/containers/polite/kill?signal={signal}"));
            (docker.inspect("polite")["State"]["Running"] == false).then_some(())
        };
        pace::until("the trap", Duration::from_secs(20), ended);
        assert_eq!(docker.wait("polite"), 11);
    };
    insist("SIGUSR1");
    docker.start("polite");
    insist("10");

    docker.run("deaf", DEAF);
    docker.post("/containers/deaf/stop?t=0").expect(204);
    assert_eq!(docker.wait("deaf"), 137);
}

#[test]
fn waiting_for_the_next_exit_and_for_removal() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.create("job", "exit 5");
    for (condition, then) in [("next-exit", "start"), ("not-running", ""), ("removed", "remove")] {
        let mut waiting = docker.connect();
        waiting
            .send(
                "POST",
                &format!("/containers/job/wait?condition={condition}"),
                None,
            )
            .unwrap();
        // The head comes before the container ends, so that a client can start it in between.
        let head = waiting.head(false).unwrap();
        assert_eq!(head.status, 200);
        match then {
            "start" => docker.start("job"),
            "remove" => drop(docker.delete("/containers/job").expect(204)),
            _ => {}
        }
        let answer: Value = serde_json::from_reader(&mut waiting).unwrap();
        assert_eq!(answer["StatusCode"], 5, "{condition}");
    }
}

#[test]
fn auto_remove() {
    let pair = Pair::start();
    let docker = pair.docker();
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/sh", "-c", "exit 6"], "HostConfig": { "AutoRemove": true }
    });
    // It goes with its end: whoever waits may look before the one and after the other only.
    for _ in 0..20 {
        docker.create_from("brief", &body);
        let mut waiting = docker.connect();
        waiting
            .send("POST", "/containers/brief/wait?condition=removed", None)
            .unwrap();
        waiting.head(false).unwrap();
        docker.start("brief");
        let answer: Value = serde_json::from_reader(&mut waiting).unwrap();
        assert_eq!(answer["StatusCode"], 6);
        docker.get("/containers/brief/json").expect(404);
    }
}

fn with_policy(name: &str, retries: u32, script: &str) -> Value {
    let policy = json!({ "Name": name, "MaximumRetryCount": retries });
    json!({
        "Image": IMAGE, "Cmd": ["/bin/sh", "-c", script], "HostConfig": { "RestartPolicy": policy }
    })
}

fn is(event: &Value, action: &str) -> bool {
    event["Action"] == action
}

#[test]
fn on_failure_gives_up_after_its_count() {
    let pair = Pair::start();
    let docker = pair.docker();
    let mut events = docker.follow("");
    docker.create_from("flaky", &with_policy("on-failure", 2, "exit 9"));
    docker.start("flaky");
    let mut ends = 0;
    while ends < 3 {
        ends += usize::from(is(&events.event().unwrap(), "die"));
    }
    assert_eq!(docker.wait("flaky"), 9);
    let state = docker.inspect("flaky");
    assert_eq!(state["RestartCount"], 2);
    assert_eq!(state["State"]["Status"], "exited");
}

#[test]
fn on_failure_is_content_with_success() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.create_from("fine", &with_policy("on-failure", 5, "exit 0"));
    docker.start("fine");
    assert_eq!(docker.wait("fine"), 0);
    assert_eq!(docker.inspect("fine")["RestartCount"], 0);
}

#[test]
fn always_starts_again_until_stopped() {
    for policy in ["always", "unless-stopped"] {
        let pair = Pair::start();
        let docker = pair.docker();
        let mut events = docker.follow("");
        docker.create_from("loop", &with_policy(policy, 0, "exec sleep 100000"));
        docker.start("loop");
        events.up_to(|event| is(event, "start"));
        let first = docker.inspect("loop")["State"]["Pid"].as_i64().unwrap();
        // Somebody else's doing: a kill through the API would count as meant.
        let first = nix::unistd::Pid::from_raw(i32::try_from(first).unwrap());
        nix::sys::signal::kill(first, nix::sys::signal::Signal::SIGKILL).unwrap();
        events.up_to(|event| is(event, "die"));
        events.up_to(|event| is(event, "start"));
        let second = docker.inspect("loop");
        assert_ne!(second["State"]["Pid"], first.as_raw(), "{policy}");
        assert_eq!(second["RestartCount"], 1, "{policy}");

        docker.post("/containers/loop/stop?t=0").expect(204);
        events.up_to(|event| is(event, "stop"));
        assert_eq!(status(&docker, "loop"), "exited", "{policy}");
    }
}

#[test]
fn prune_takes_what_does_not_run() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run("stays", DEAF);
    let (one, two) = (docker.create("goes", "exit 0"), docker.run("ended", "exit 0"));
    docker.wait("ended");
    let mut pruned: Vec<Value> = docker.post("/containers/prune").expect(200).json()["ContainersDeleted"]
        .as_array()
        .unwrap()
        .clone();
    let mut expected = [one, two].map(Value::from);
    pruned.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!(pruned, expected);
    assert_eq!(
        docker
            .get("/containers/json?all=1")
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    docker.delete("/containers/stays?force=true").expect(204);
}

#[test]
fn names_ids_and_prefixes_lead_to_the_same() {
    let pair = Pair::start();
    let docker = pair.docker();
    let mut ids: Vec<String> = (0..17)
        .map(|number| docker.create(&format!("many{number}"), "exit 0"))
        .collect();
    for reference in ["many0", "/many0", ids[0].as_str(), &ids[0][..12]] {
        let answer = docker.get(&format!("/containers/{}/json", reference.trim_start_matches('/')));
        assert_eq!(answer.json()["Id"], ids[0].as_str(), "{reference}");
    }
    // Of seventeen ids, two begin with the same digit.
    ids.sort();
    let (one, _) = ids
        .iter()
        .zip(&ids[1..])
        .find(|(one, two)| one[..1] == two[..1])
        .unwrap();
    let answer = docker.get(&format!("/containers/{}/json", &one[..1])).expect(400);
    let message = answer.message().to_lowercase();
    assert!(
        message.contains("multiple ids found with provided prefix"),
        "{message}"
    );
}

#[test]
fn what_is_asked_for_is_what_runs() {
    let pair = Pair::start();
    let docker = pair.docker();
    let out = pair.dir().join("out");
    let shown = pair.dir().join("shown");
    fs::create_dir(&out).unwrap();
    fs::create_dir(&shown).unwrap();
    fs::write(shown.join("file"), "from the host").unwrap();
    std::os::unix::fs::chown(&out, Some(1000), Some(1000)).unwrap();
    let script = "exec > /out/report; hostname; pwd; id -u; id -g; echo $GREETING; cat /shown/file; echo; \
                  touch /shown/x 2>/dev/null || echo shown is read-only; \
                  touch /etc/x 2>/dev/null || echo root is read-only; \
                  touch /scratch/x && echo scratch is writable; \
                  test -e /sys/class/net/eth0 || echo no network; echo $$";
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/sh", "-c", script], "Hostname": "harbour", "WorkingDir": "/tmp",
        "User": "ana", "Env": ["GREETING=good day"],
        "HostConfig": {
            "Binds": [format!("{}:/out", out.display()), format!("{}:/shown:ro", shown.display())],
            "ReadonlyRootfs": true, "Tmpfs": { "/scratch": "mode=1777" }, "NetworkMode": "none"
        }
    });
    docker.create_from("report", &body);
    docker.start("report");
    assert_eq!(docker.wait("report"), 0);
    let report = fs::read_to_string(out.join("report")).unwrap();
    let expected = [
        "harbour",
        "/tmp",
        "1000",
        "1000",
        "good day",
        "from the host",
        "shown is read-only",
        "root is read-only",
        "scratch is writable",
        "no network",
        "1",
    ];
    assert_eq!(report.lines().collect::<Vec<_>>(), expected);
    assert!(!shown.join("x").exists());
}

#[test]
fn too_little_memory_is_told_as_such() {
    let pair = Pair::start();
    let docker = pair.docker();
    let memory = 16 << 20;
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"],
        "HostConfig": { "Memory": memory, "MemorySwap": memory }
    });
    let mut events = docker.follow("");
    docker.create_from("greedy", &body);
    docker.start("greedy");
    assert_eq!(docker.wait("greedy"), 137);
    assert_eq!(docker.inspect("greedy")["State"]["OOMKilled"], true);
    let seen = events.up_to(|event| is(event, "die"));
    assert!(seen.iter().any(|event| is(event, "oom")), "{seen:?}");
}
