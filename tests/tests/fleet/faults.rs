//! Wrong passwords, nodes that nobody knows, one that vanishes, and two that are one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::daemon::Daemon;
use harness::http::Connection;
use harness::pace;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use serde_json::{Value, json};

use crate::scene::{LIMIT, Scene, program};

/// How many addresses guess, and how often each may before nothing of it is looked at.
const SOURCES: u8 = 20;
/// As [`SOURCES`].
const GUESSES: usize = 10;

/// The status of what is asked by somebody at this address, who shows this as Bearer.
fn status(from: Ipv4Addr, to: &str, target: &str, shown: &str) -> u16 {
    let own = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(own.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(from, 0))).unwrap();
    let to: SocketAddrV4 = to.parse().unwrap();
    connect(own.as_raw_fd(), &SockaddrIn::from(to)).unwrap();
    let mut stream = TcpStream::from(own);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let asked = format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shown}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(asked.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn wrong_passwords_and_unknown_nodes() {
    let scene = Scene::start();
    let (coordinator, [nodes, users]) = scene.local_coordinator();
    let _node = scene.node(Command::new(program()), &format!("http://{nodes}"));
    let id = scene.connected();
    let mut took = Vec::new();
    for source in 2..2 + SOURCES {
        let from = Ipv4Addr::new(127, 0, 0, source);
        for guess in 0..GUESSES {
            let began = Instant::now();
            let shown = format!("{id}:guess{guess}");
            assert_eq!(status(from, &users, "/api/containers", &shown), 401);
            took.push(began.elapsed());
        }
        assert_eq!(status(from, &users, "/api/containers", &format!("{id}:x")), 429);
    }
    took.sort_unstable();
    let median = took[took.len() / 2];
    assert!(median < Duration::from_millis(100), "{took:?}");
    // Whoever is right is let in from elsewhere, and not from there.
    let shown = Command::new(program())
        .args(["node", "identity", "--credentials", "--state-dir"])
        .arg(scene.pair.dir().join("fleet/node"))
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let right = |from: [u8; 4], target: &str| status(from.into(), &users, target, shown.trim());
    assert_eq!(right([127, 0, 0, 2], "/api/containers"), 429);
    assert_eq!(right([127, 0, 0, 200], "/api/containers"), 200);
    // A node that there is not, or not for this one.
    assert_eq!(
        status([127, 0, 0, 201].into(), &users, "/api/containers", "nobody:x"),
        401
    );
    for target in [
        "/api/nodes/nobody",
        "/api/containers?node_id=nobody",
        "/nodes/nobody/docker/_ping",
    ] {
        assert_eq!(right([127, 0, 0, 200], target), 404, "{target}");
    }
    let admin = scene.admin();
    for (method, target) in [
        ("GET", "/api/nodes/nobody"),
        ("DELETE", "/api/nodes/nobody"),
        ("GET", "/api/containers?node_id=nobody"),
        ("GET", "/api/containers/web/status?node_id=nobody"),
        ("POST", "/api/containers/web/stop?node_id=nobody"),
        ("DELETE", "/api/containers/web?node_id=nobody"),
        ("GET", "/api/containers/web/logs?node_id=nobody"),
        ("GET", "/api/events?node_id=nobody"),
        ("GET", "/observe-containers?node_id=nobody"),
        ("GET", "/nodes/nobody/docker/_ping"),
        ("GET", "/nodes/nobody/docker/containers/json"),
        ("POST", "/nodes/nobody/docker/containers/web/stop"),
    ] {
        let seen = admin.ask(method, target, None);
        assert_eq!(seen.status, 404, "{method} {target} {seen}");
    }
    assert!(!coordinator.log().contains("panicked"), "{}", coordinator.log());
}

/// Asks at the admin socket for what stays open.
fn open(scene: &Scene, method: &str, target: &str, headers: &str, body: &str) -> Connection {
    let mut connection = scene.admin().connect();
    connection.patience(LIMIT).unwrap();
    let asked = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    connection.send_raw(asked.as_bytes()).unwrap();
    connection
}

const TCP: &str = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// One of everything that streams from the container `web`, and its target.
fn streams(scene: &Scene, id: &str) -> Vec<(String, Connection)> {
    let docker = format!("/nodes/{id}/docker");
    let made = scene.admin().post_json(
        &format!("{docker}/containers/web/exec"),
        &json!({ "Cmd": ["cat"], "AttachStdin": true, "AttachStdout": true }),
    );
    let exec = made.expect(201).json()["Id"].as_str().unwrap().to_owned();
    let streams = [
        (
            "GET",
            format!("{docker}/containers/web/logs?stdout=1&follow=1"),
            "",
            "",
            200,
        ),
        (
            "GET",
            format!("/api/containers/web/logs?follow=true&node_id={id}"),
            "",
            "",
            200,
        ),
        ("GET", format!("{docker}/events"), "", "", 200),
        (
            "POST",
            format!("{docker}/containers/web/attach?stream=1&stdout=1"),
            TCP,
            "",
            101,
        ),
        (
            "POST",
            format!("{docker}/exec/{exec}/start"),
            TCP,
            r#"{"Detach":false,"Tty":false}"#,
            101,
        ),
        (
            "GET",
            format!("/api/nodes/{id}/exec?container=web"),
            WEBSOCKET,
            "",
            101,
        ),
    ];
    let opened = streams.iter().map(|(method, target, headers, body, expected)| {
        let mut connection = open(scene, method, target, headers, body);
        let head = connection.head(false).unwrap();
        assert_eq!(head.status, *expected, "{target}");
        (target.clone(), connection)
    });
    opened.collect()
}

#[test]
fn a_node_that_vanishes() {
    let scene = Scene::start();
    let (coordinator, [nodes, _]) = scene.local_coordinator();
    let url = format!("http://{nodes}");
    let mut node = scene.node(Command::new(program()), &url);
    let id = scene.connected();
    scene
        .pair
        .docker()
        .run("web", "trap '' TERM; while :; do echo line; sleep 0.1; done");
    let docker = format!("/nodes/{id}/docker");
    // Those that stream, and those whose answer is yet to come.
    let mut streams = streams(&scene, &id);
    let requests = [
        ("POST", format!("{docker}/containers/web/stop?t=80")),
        ("POST", format!("/api/containers/web/stop?node_id={id}")),
    ];
    let mut requests: Vec<_> = requests
        .iter()
        .map(|(method, target)| (target, open(&scene, method, target, "", "")))
        .collect();
    // They are on their way once Docker was asked.
    pace::until("both are asked for", LIMIT, || {
        let asked = scene.admin().get(&format!("{docker}/containers/web/json"));
        (asked.status == 200).then_some(())
    });
    let began = Instant::now();
    node.crash();
    let mut rest = Vec::new();
    for (target, connection) in &mut streams {
        // To its end, or where it breaks off.
        let end = connection.read_to_end(&mut rest);
        let is_late = end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!is_late, "{target}");
    }
    for (target, connection) in &mut requests {
        assert_eq!(connection.answer(false).unwrap().status, 502, "{target}");
    }
    let lasted = began.elapsed();
    // At once, and not by any bound of time.
    assert!(lasted < Duration::from_secs(10), "{lasted:?}");
    let logs = format!("/api/containers/web/logs?node_id={id}");
    for target in [&logs, &format!("{docker}/_ping")] {
        assert_eq!(scene.admin().get(target).status, 502, "{target}");
    }
    let _node = scene.node(Command::new(program()), &url);
    assert_eq!(scene.connected(), id);
    pace::until("it answers again", LIMIT, || {
        (scene.admin().get(&logs).status == 200).then_some(())
    });
    assert!(!coordinator.log().contains("panicked"), "{}", coordinator.log());
}

/// The one node.
fn known(scene: &Scene) -> Value {
    scene.admin().get("/api/nodes").expect(200).json()["nodes"][0].clone()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn two_with_one_identity() {
    let scene = Scene::start();
    let (coordinator, [nodes, _]) = scene.local_coordinator();
    let url = format!("http://{nodes}");
    let first = scene.node(Command::new(program()), &url);
    let id = scene.connected();
    let before = known(&scene);
    let dir = scene.pair.dir().join("fleet");
    copy(&dir.join("node"), &dir.join("copy"));
    let mut command = Command::new(program());
    command
        .args(["node", "--coordinator", &url, "--allow-plain"])
        .args(["--docker", &scene.pair.unix().to_string(), "--state-dir"])
        .arg(dir.join("copy"))
        .env_clear();
    let second = Daemon::run("the copy", command);
    let loud = "another process with this node's identity is connected";
    for daemon in [&second, &coordinator] {
        pace::until("it is said aloud", LIMIT, || {
            daemon.log().contains(loud).then_some(())
        });
    }
    assert!(second.log().contains("ERROR"), "{}", second.log());
    let told = scene.admin().get("/api/events?after=0").expect(200).json();
    let refused = told["events"].as_array().unwrap().iter();
    let refused = refused.filter(|line| line["event"]["action"] == "refused");
    assert_eq!(refused.count(), 1, "{told}");
    // The first did not notice.
    assert_eq!(known(&scene)["connected_since"], before["connected_since"]);
    assert_eq!(scene.connected(), id);
    let ping = scene.admin().get(&format!("/nodes/{id}/docker/_ping"));
    assert_eq!(ping.status, 200);
    assert!(!first.log().contains(loud), "{}", first.log());
}
