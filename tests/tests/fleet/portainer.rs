//! What a Portainer asks when an environment is added and its pages are looked at, by a port of the node's and by its
//! endpoint: the same answers as without a coordinator.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use harness::{Answer, Connection, pace};
use serde_json::{Value, json};

use crate::scene::LIMIT;
use crate::standing::Standing;

/// One way to a Docker, as a client without any library goes it.
#[derive(Debug)]
struct Door {
    name: &'static str,
    address: harness::Address,
    prefix: String,
    /// Header lines that are shown each time.
    shown: String,
}

impl Door {
    /// Directly, by a port, and by the endpoint.
    fn all(standing: &Standing) -> [Self; 3] {
        let door = |name, place: String, prefix, shown| Self {
            name,
            address: harness::Address::Tcp(place),
            prefix,
            shown,
        };
        let harness::Address::Tcp(directly) = standing.pair().tcp() else {
            panic!("a TCP address was asked for")
        };
        let key = format!("Authorization: Bearer {}\r\n", standing.scene.key());
        let prefix = format!("/nodes/{}/docker", standing.id);
        [
            door("directly", directly, String::new(), String::new()),
            door("by a port", standing.port(), String::new(), String::new()),
            door("by the endpoint", standing.users.clone(), prefix, key),
        ]
    }

    /// Sends a request, with these header lines and a host without a name, as its WebSocket handler does.
    fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> Connection {
        let mut connection = Connection::open(&self.address).unwrap();
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/json\r\n"
        };
        let request = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\n\
             {lines}{kind}{}\r\n{body}",
            self.prefix,
            body.len(),
            self.shown
        );
        connection.send_raw(request.as_bytes()).unwrap();
        connection
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.send(method, path, "", body).answer(method == "HEAD");
        answer.unwrap_or_else(|error| panic!("{}: {method} {path}: {error}", self.name))
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value, status: u16) -> Answer {
        self.ask("POST", path, &body.to_string()).expect(status)
    }
}

/// Everything that is the same each time: the status, headers, and what the body says.
fn told(answer: &Answer) -> (u16, BTreeMap<String, String>, Value) {
    let mut headers: BTreeMap<String, String> = answer.head.headers.iter().cloned().collect();
    headers.remove("date");
    // A moment has as many digits as it needs; the body is compared as a whole.
    if let Some(length) = headers.get_mut("content-length") {
        length.clear();
    }
    let mut body = match serde_json::from_slice(&answer.body) {
        Ok(body) => body,
        Err(_) => Value::from(answer.body.clone()),
    };
    without_clock(&mut body);
    (answer.status, headers, body)
}

/// Takes the clock out of an answer: how long ago, and which moment it is.
fn without_clock(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(without_clock),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "SystemTime" => *value = Value::Null,
                    "Status" if value.is_string() => {
                        let text = value.as_str().unwrap_or_default();
                        *value = text.split(' ').next().into();
                    }
                    _ => without_clock(value),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn a_portainer() {
    let standing = Standing::start();
    let docker = standing.pair().docker();
    let id = docker.run("runs", "echo out; echo err >&2; exec sleep 100000");
    docker.create("rests", "exit 0");
    pace::until("both lines", LIMIT, || {
        let logs = docker.get("/containers/runs/logs?stdout=1&stderr=1").expect(200);
        (logs.body.iter().filter(|byte| **byte == b'\n').count() == 2).then_some(())
    });
    let doors = Door::all(&standing);
    let image = docker.inspect("runs")["Image"].as_str().unwrap().to_owned();
    looked_at(&doors, &id, &image);
    measured(&doors, &id);
    for door in &doors {
        made_and_removed(door);
        console(door, &id);
    }
}

/// What is asked with a version and without.
const SNAPSHOT: &[&str] = &[
    "/_ping",
    "/info",
    "/version",
    "/containers/json?all=1",
    "/containers/json?all=true&filters=%7B%22name%22%3A%5B%22%5E%2Frun%24%22%5D%7D",
    "/images/json",
    "/volumes",
    "/networks",
    "/plugins",
];

/// What pages ask, and what is not there.
const PAGES: &[&str] = &[
    "/containers/ID/json",
    "/containers/ID/json?size=1",
    "/containers/ID/top",
    "/containers/ID/logs?stdout=1&stderr=1&tail=100",
    "/containers/ID/logs?stdout=1&stderr=1&tail=100&timestamps=1",
    "/containers/ID/logs?stdout=1&since=4000000000",
    "/containers/nosuch/json",
    "/containers/json?filters=nonsense",
    "/images/IMAGE/json",
    "/images/IMAGE/history",
    "/images/docker.io/library/nosuch:1/json",
    "/networks/bridge",
    "/volumes?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D",
    "/volumes/nosuch",
    "/events?since=0&until=NOW",
    "/swarm",
    "/services",
    "/nodes",
    "/nosuch",
    "/v1.99/info",
    "/v1.2/info",
];

/// What changes nothing here.
const WITHOUT_EFFECT: &[(&str, &str, &str)] = &[
    ("HEAD", "/_ping", ""),
    ("HEAD", "/v1.45/_ping", ""),
    ("POST", "/images/create?fromImage=docker.io/nginx:latest", "{}"),
    ("POST", "/containers/nosuch/start", "{}"),
    ("POST", "/containers/runs/start", "{}"),
    (
        "POST",
        "/containers/create?name=runs",
        "{\"Image\":\"bb:latest\"}",
    ),
    ("POST", "/containers/create?name=a", "nonsense"),
    ("DELETE", "/containers/runs?v=0", ""),
    ("DELETE", "/images/nosuch?force=false", ""),
    ("PUT", "/containers/json", ""),
];

/// A snapshot and every page, each answer down to its headers.
fn looked_at(doors: &[Door], id: &str, image: &str) {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    for version in ["", "/v1.41", "/v1.45"] {
        for path in SNAPSHOT {
            is_the_same(doors, "GET", &format!("{version}{path}"), "");
        }
    }
    for path in PAGES {
        let path = path.replace("ID", id).replace("IMAGE", image);
        is_the_same(doors, "GET", &path.replace("NOW", &now), "");
    }
    for (method, path, body) in WITHOUT_EFFECT {
        is_the_same(doors, method, path, body);
    }
}

#[track_caller]
fn is_the_same(doors: &[Door], method: &str, path: &str, body: &str) {
    let expected = told(&doors[0].ask(method, path, body));
    for door in &doors[1..] {
        let seen = told(&door.ask(method, path, body));
        assert_eq!(seen, expected, "{}: {method} {path}", door.name);
    }
}

/// What it measures has the same fields.
fn measured(doors: &[Door], id: &str) {
    let fields = |door: &Door| {
        let path = format!("/v1.41/containers/{id}/stats?stream=false");
        let answer = door.ask("GET", &path, "").expect(200).json();
        assert!(
            answer["precpu_stats"]["system_cpu_usage"].as_u64().unwrap() > 0,
            "{answer}"
        );
        let mut names = Vec::new();
        named(&answer, "", &mut names);
        names
    };
    let expected = fields(&doors[0]);
    for door in &doors[1..] {
        assert_eq!(fields(door), expected, "{}", door.name);
    }
}

/// The places of all that is in a value.
fn named(value: &Value, place: &str, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                named(value, &format!("{place}/{name}"), names);
            }
        }
        _ => names.push(place.to_owned()),
    }
}

/// What the buttons do, with the bodies that they send.
fn made_and_removed(door: &Door) {
    let empty = json!({});
    let body = json!({
        "Image": "bb:latest", "Cmd": ["/bin/sleep", "100000"], "User": "", "Env": [], "Labels": {}, "Volumes": {},
        "ExposedPorts": {}, "OpenStdin": false, "Tty": false, "StopTimeout": 1,
        "HostConfig": { "RestartPolicy": { "Name": "no" }, "Binds": [], "NetworkMode": "bridge", "Memory": 0 }
    });
    let made = door.post("/v1.41/containers/create?name=form", &body, 201).json();
    let path = |act: &str| format!("/v1.41/containers/{}{act}", made["Id"].as_str().unwrap());
    for (act, status) in [
        ("/start", 204),
        ("/start", 304),
        ("/pause", 204),
        ("/unpause", 204),
        ("/restart?t=0", 204),
        ("/rename?name=formed", 204),
        ("/kill", 204),
        ("/stop", 304),
    ] {
        if act == "/stop" {
            let waited = door.ask("POST", &path("/wait"), "").expect(200).json();
            assert_eq!(waited["StatusCode"], 137);
        }
        door.post(&path(act), &empty, status);
    }
    let policy = json!({ "RestartPolicy": { "Name": "unless-stopped" } });
    door.post(&path("/update"), &policy, 200);
    door.ask("DELETE", &path("?v=0&force=true"), "").expect(204);
    door.ask("DELETE", &path("?v=0&force=true"), "").expect(404);
}

/// Its console: a connection that becomes a stream, and a window whose size comes before it.
fn console(door: &Door, id: &str) {
    let body = json!({
        "id": id, "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": true, "User": "", "Cmd": ["sh"]
    });
    let made = door
        .post(&format!("/v1.41/containers/{id}/exec"), &body, 201)
        .json();
    let exec = made["Id"].as_str().unwrap();
    door.post(&format!("/v1.41/exec/{exec}/resize?h=31&w=101"), &json!({}), 200);
    let start = "{\"Tty\":true,\"Detach\":false}\n";
    let lines = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    let mut console = door.send("POST", &format!("/exec/{exec}/start"), lines, start);
    let head = console.head(false).unwrap();
    assert_eq!(head.status, 101, "{}", door.name);
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "tcp"),
        ("content-type", "application/vnd.docker.raw-stream"),
    ] {
        assert_eq!(head.header(name), Some(value), "{}", door.name);
    }
    console.send_raw(b"stty size; echo $((6*7)).\nexit 3\n").unwrap();
    let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = console.read_raw(&mut buffer) {
        shown.extend_from_slice(&buffer[..count]);
    }
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("31 101\r\n42.\r\n"), "{}: {shown:?}", door.name);
    let ended = door
        .ask("GET", &format!("/exec/{exec}/json"), "")
        .expect(200)
        .json();
    assert_eq!(
        (&ended["Running"], &ended["ExitCode"]),
        (&json!(false), &json!(3))
    );
}
