//! What users see of a real container by REST and by WebSockets.

use std::fs;

use harness::{Docker, pace};
use serde_json::{Value, json};

use crate::scene::LIMIT;
use crate::socket::Socket;
use crate::standing::Standing;

#[test]
fn by_rest() {
    let mut standing = Standing::start();
    let docker = standing.pair().docker();
    docker.run(
        "web",
        "echo one; echo two >&2; trap 'exit 5' TERM; while :; do sleep 0.1; done",
    );
    looked_at(&standing);
    ran(&standing);
    log_cut(&mut standing);
    acts(&standing);
}

/// Its log, and what it uses.
fn looked_at(standing: &Standing) {
    let admin = standing.scene.admin();
    let logs = pace::until("both lines", LIMIT, || {
        let logs = admin.get(&standing.at("web/logs")).expect(200).json()["logs"]["logs"].clone();
        (logs.as_array().unwrap().len() == 2).then_some(logs)
    });
    let mut lines: Vec<&str> = logs
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one\n", "two\n"]);
    let used = admin.get(&standing.at("web/stats")).expect(200).json()["stats"].clone();
    for name in ["pids", "memory_bytes", "cpu_nanoseconds_total"] {
        assert!(used[name].as_u64().unwrap() > 0, "{name}: {used}");
    }
    assert!(used["cpu_percent"].is_f64(), "{used}");
    for path in ["nosuch/logs", "nosuch/stats", "nosuch/status"] {
        admin.get(&standing.at(path)).expect(404);
    }
}

/// Commands in it: what they write, what they end with, and those that there are not.
fn ran(standing: &Standing) {
    let admin = standing.scene.admin();
    let run = |body: &Value, status: u16| {
        let answer = admin.post_json(&standing.at("web/exec"), body);
        answer.expect(status).json()
    };
    let script = "echo out $NAME; id -u; pwd; echo err >&2; exit 3";
    let body = json!({
        "command": ["sh", "-c", script], "env": ["NAME=value"], "user": "1000", "working_dir": "/tmp"
    });
    let ran = run(&body, 200);
    assert_eq!(
        [&ran["stdout"], &ran["stderr"], &ran["exit_code"]],
        [&json!("out value\n1000\n/tmp\n"), &json!("err\n"), &json!(3)]
    );
    // As Docker has it: a shell's number, and words where output is looked for.
    let refused = run(&json!({ "command": ["nosuch"] }), 200);
    assert_eq!(refused["exit_code"], 127);
    let said = refused["stdout"].as_str().unwrap();
    assert!(said.contains("nosuch"), "{said}");
    run(&json!({ "command": [] }), 400);
    run(&json!({ "command": ["true"], "timeout_seconds": 0 }), 400);
    let late = run(&json!({ "command": ["sleep", "100"], "timeout_seconds": 1 }), 504);
    assert!(late["error"]["message"].is_string(), "{late}");
    let nowhere = admin.post_json(&standing.at("nosuch/exec"), &json!({ "command": ["true"] }));
    nowhere.expect(404);
}

/// Lines of a log come as they are written. Whoever goes away takes the stream with him, down to the node's Docker.
fn log_cut(standing: &mut Standing) {
    let docker = standing.pair().docker();
    let id = docker.run("ticks", "while :; do echo tick; sleep 0.05; done");
    let mut following = standing.scene.admin().connect();
    let path = standing.at("ticks/logs?follow=true&tail=0");
    following.send("GET", &path, None).unwrap();
    assert_eq!(following.head(false).unwrap().status, 200);
    for _ in 0..3 {
        let line: Value = serde_json::from_str(&following.body_line().unwrap().unwrap()).unwrap();
        assert_eq!(line, json!({ "stream": "stdout", "line": "tick\n" }));
    }
    let pid = standing.scene.pair.socketd().pid();
    // Its log is a file of that container's.
    let is_open = || {
        let mut links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        links.any(|link| {
            let target = link.and_then(|link| fs::read_link(link.path()));
            target.is_ok_and(|target| target.to_string_lossy().contains(&id))
        })
    };
    assert!(is_open());
    drop(following);
    pace::until("the node's Docker is left alone", LIMIT, || {
        (!is_open()).then_some(())
    });
    docker.delete("/containers/ticks?force=1").expect(204);
}

/// Everything that is done with a container; what is so already is no error.
fn acts(standing: &Standing) {
    let admin = standing.scene.admin();
    let mut following = admin.connect();
    let path = standing.at("web/logs?follow=true&tail=0");
    following.send("GET", &path, None).unwrap();
    assert_eq!(following.head(false).unwrap().status, 200);
    let known = |expected: Value| {
        pace::until(&format!("{expected} is known"), LIMIT, || {
            let status = admin.get(&standing.at("web/status")).expect(200).json()["status"].clone();
            let seen = json!([status["status"], status["exit_code"]]);
            (seen == expected).then_some(())
        });
    };
    let act = |path: &str, status: u16| admin.post(&standing.at(path)).expect(status).json();
    known(json!(["running", 0]));
    let done = act("web/start", 200);
    assert_eq!(
        done["result"],
        json!({ "container_id": "web", "action": "start", "message": "Container started successfully" })
    );
    act("web/stop?t=20", 200);
    act("web/stop", 200);
    // The log of what runs no more has ended.
    assert_eq!(following.body_line().unwrap(), None);
    known(json!(["exited", 5]));
    let exec = admin.post_json(&standing.at("web/exec"), &json!({ "command": ["true"] }));
    exec.expect(409);
    act("web/restart?t=20", 200);
    known(json!(["running", 0]));
    for (path, status) in [
        ("web/stop?t=x", 400),
        ("web/stop?tt=1", 400),
        ("nosuch/start", 404),
        ("nosuch/stop", 404),
        ("nosuch/restart", 404),
    ] {
        let refused = act(path, status);
        assert!(refused["error"]["message"].is_string(), "{path}: {refused}");
    }
    let remove = |path: &str| admin.delete(&standing.at(path));
    let refused = remove("web").expect(409).json();
    let why = refused["error"]["detail"].as_str().unwrap();
    assert!(why.contains("cannot remove"), "{why}");
    remove("web?force=true").expect(200);
    remove("web?force=true").expect(404);
    pace::until("it is known to be gone", LIMIT, || {
        (admin.get(&standing.at("web/status")).status == 404).then_some(())
    });
}

#[test]
fn by_websocket() {
    let mut standing = Standing::start();
    standing.pair().docker().run("web", "exec sleep 100000");
    terminal(&standing);
    docker_s_own(&standing);
    observed(&mut standing);
}

/// A terminal, and a program without one.
fn terminal(standing: &Standing) {
    let key = standing.scene.key();
    let open = |key: Option<&str>, query: &str| {
        let path = format!("/api/nodes/{}/exec?{query}", standing.id);
        Socket::open(&standing.users, key, &path)
    };
    for (key, query, status) in [
        (None, "container=web", 401),
        (Some("nonsense"), "container=web", 401),
        (Some(key.as_str()), "container=nosuch", 404),
        (Some(&key), "", 400),
        (Some(&key), "container=web&rows=0", 400),
    ] {
        assert_eq!(open(key, query).err(), Some(status), "{query}");
    }
    let mut shell = open(Some(&key), "container=web&cmd=sh&cols=99&rows=44").unwrap();
    shell.expect("# ");
    shell.type_in("stty size\n");
    shell.expect("44 99\r\n");
    shell.type_in("echo rea''dy; read line; echo \"<$line>\"\n");
    shell.expect("ready\r\n");
    let line: String = ('a'..='z').chain('0'..='9').chain("äöü€".chars()).collect();
    for letter in line.chars() {
        shell.type_in(&letter.to_string());
    }
    shell.type_in("\n");
    shell.expect(&format!("<{line}>\r\n"));
    shell.say(&json!({ "resize": { "cols": 132, "rows": 40 } }));
    pace::until("the other size is there", LIMIT, || {
        shell.type_in("stty size; echo done.\n");
        shell.expect("done.\r\n").contains("40 132").then_some(())
    });
    shell.type_in("exit 7\n");
    let (_, code, reason) = shell.end();
    assert_eq!((code, reason.as_str()), (1000, "{\"exit_code\":7}"));

    let none = open(Some(&key), "container=web&cmd=nosuch").unwrap();
    let (said, code, reason) = none.end();
    assert!(said.contains("nosuch"), "{said}");
    assert_eq!((code, reason.as_str()), (1000, "{\"exit_code\":127}"));

    // Everything that goes in comes out, in its order; an empty message is the end of the input.
    let mut copy = open(Some(&key), "container=web&cmd=cat&tty=false").unwrap();
    let lines: Vec<String> = (0..2_000).map(|number| format!("line {number}\n")).collect();
    for line in &lines {
        copy.type_in(line);
    }
    copy.type_in("");
    let (shown, code, reason) = copy.end();
    assert!(shown == lines.concat(), "{} bytes come back", shown.len());
    assert_eq!((code, reason.as_str()), (1000, "{\"exit_code\":0}"));
}

/// A WebSocket of Docker's own, by the node's endpoint.
fn docker_s_own(standing: &Standing) {
    let script = "while :; do echo tick; sleep 0.05; done";
    standing.pair().docker().run("ticks", script);
    let path = format!(
        "/nodes/{}/docker/containers/ticks/attach/ws?stream=1&stdout=1",
        standing.id
    );
    assert_eq!(Socket::open(&standing.users, None, &path).err(), Some(401));
    let mut attached = Socket::open(&standing.users, Some(&standing.scene.key()), &path).unwrap();
    attached.expect("tick\ntick\n");
    standing
        .pair()
        .docker()
        .delete("/containers/ticks?force=1")
        .expect(204);
    // It closes without a word.
    assert_eq!(attached.end().1, 1005);
}

/// One who observes the node, from its list on or behind a number.
fn observer(standing: &Standing, after: Option<u64>) -> Socket {
    let after = after.map_or(String::new(), |after| format!("&after={after}"));
    let path = format!("/observe-containers?node_id={}{after}", standing.id);
    Socket::open(&standing.users, Some(&standing.scene.key()), &path).unwrap()
}

/// Every container first, then each change; and again from any number on, also of a coordinator that was killed.
fn observed(standing: &mut Standing) {
    let stranger = Socket::open(&standing.users, None, "/observe-containers");
    assert_eq!(stranger.err(), Some(401));
    let docker = standing.pair().docker();
    let mut first = observer(standing, None);
    let told = life_observed(standing, &mut first);
    let numbers: Vec<u64> = told
        .iter()
        .map(|line| line["sequence"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");

    // From the middle on, and past what happens meanwhile.
    let at = numbers[numbers.len() / 2];
    let mut again = observer(standing, Some(at));
    life(&docker, "second");
    let rest = again.up_to(|line| is_of(line, "destroy", "second"));
    let live = first.up_to(|line| is_of(line, "destroy", "second"));
    let is_behind = |line: &Value| line["sequence"].as_u64() > Some(at);
    let mut expected: Vec<Value> = told.into_iter().filter(is_behind).collect();
    expected.extend(live);
    assert_eq!(rest, expected);

    drop((first, again));
    standing.coordinator.crash();
    life(&docker, "meanwhile");
    standing.start_again();
    let all = observer(standing, Some(at)).up_to(|line| is_of(line, "destroy", "meanwhile"));
    assert_eq!(all[..expected.len()], expected);
    for action in ["create", "start", "die", "destroy"] {
        let count = all.iter().filter(|line| is_of(line, action, "meanwhile")).count();
        assert_eq!(count, 1, "{action}");
    }
}

/// What is there, and then what is told of one container's life, with its state each time.
fn life_observed(standing: &Standing, observer: &mut Socket) -> Vec<Value> {
    let whole = observer.json();
    assert_eq!(
        (&whole["node_id"], &whole["is_connected"]),
        (&json!(standing.id), &json!(true))
    );
    let mut containers = whole["containers"].as_array().unwrap().iter();
    let web = containers.find(|one| one["names"][0] == "web").unwrap();
    assert_eq!(web["state"], "running");
    let docker = standing.pair().docker();
    docker.run("first", "exit 3");
    docker.wait("first");
    let mut told = observer.up_to(|line| is_of(line, "die", "first"));
    let ended = &told.last().unwrap()["container"];
    assert_eq!(
        (&ended["state"], &ended["exit_code"]),
        (&json!("exited"), &json!(3))
    );
    docker.delete("/containers/first").expect(204);
    told.extend(observer.up_to(|line| is_of(line, "destroy", "first")));
    let gone = told.last().unwrap();
    assert_eq!(
        (&gone["container"], &gone["is_gone"]),
        (&Value::Null, &json!(true))
    );
    for action in ["create", "start"] {
        let line = told.iter().find(|line| is_of(line, action, "first"));
        // It is told as it is found then, which may be later than the event.
        let state = &line.unwrap_or_else(|| panic!("no {action}: {told:?}"))["container"]["state"];
        assert!(
            ["created", "running", "exited"].contains(&state.as_str().unwrap()),
            "{state}"
        );
    }
    assert!(told[0]["sequence"].as_u64() > whole["sequence"].as_u64());
    told
}

/// A container's, from its beginning to its end.
fn life(docker: &Docker, name: &str) {
    docker.run(name, "exit 3");
    docker.wait(name);
    docker.delete(&format!("/containers/{name}")).expect(204);
}

fn is_of(line: &Value, action: &str, name: &str) -> bool {
    line["event"]["action"] == action && line["event"]["attributes"]["name"] == name
}
