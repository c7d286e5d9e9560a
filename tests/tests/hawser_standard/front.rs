//! What the agent itself answers.

use harness::Docker;
use harness::http::Connection;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::scene::{Scene, refused_at_start, token};

#[test]
fn who_may_ask_and_for_what() {
    let mut scene = Scene::start(&["--access", "operate"]);
    let check = |method: &str, path: &str, lines: &str, status: u16, part: &str| {
        let answer = scene.ask(method, path, lines, "");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.head.status, status, "{method} {path}: {text}");
        assert!(text.contains(part), "{method} {path}: {text}");
    };
    check("GET", "/_hawser/health", "", 200, r#"{"status":"healthy"}"#);
    check("GET", "/_ping", "", 401, "Unauthorized\n");
    check(
        "GET",
        "/_ping",
        "X-Hawser-Token: wrong\r\n",
        401,
        "Unauthorized\n",
    );
    check("GET", "/_hawser/info", "", 401, "");
    check("GET", "/_hawser/nothing", &token(), 403, "");
    check("GET", "/_hawser/compose", &token(), 403, "authorization denied");
    check("GET", "/_ping", &token(), 200, "OK");
    check("GET", "/v1.44/containers/json?all=1", &token(), 200, "[]");
    check(
        "POST",
        "/containers/create",
        &token(),
        403,
        "authorization denied",
    );
    check(
        "POST",
        "/containers/none/start",
        &token(),
        404,
        "No such container",
    );
    check("GET", "/containers/none/json", &token(), 404, "No such container");
    let info = scene.get("/_hawser/info").expect(200).json();
    assert_eq!(info["mode"], "standard");
    assert_eq!(info["agentId"].as_str().unwrap().len(), 36);
    assert!(info["uptime"].as_u64().unwrap() > 0 && info["dockerVersion"] != "unknown");
    let log = scene.agent.log();
    let told = log.lines().filter(|line| line.contains("the server asked"));
    let told: Vec<_> = told
        .map(|line| line.contains("/containers/create") || line.contains("/none/start"))
        .collect();
    assert!(told.len() >= 2 && !log.contains(crate::scene::TOKEN), "{log}");
    // Docker may be gone for a while.
    scene.pair.socketd().crash();
    assert!(!scene.get("/info").expect(502).message().is_empty());
    assert_eq!(scene.ask("GET", "/_hawser/health", "", "").head.status, 503);
    scene.pair.restart_socketd();
    scene.get("/info").expect(200);
}

#[test]
fn guessing_ends() {
    let scene = Scene::start(&[]);
    for _ in 0..10 {
        assert_eq!(
            scene
                .ask("GET", "/info", "X-Hawser-Token: no\r\n", "")
                .head
                .status,
            401
        );
    }
    assert_eq!(scene.get("/info").head.status, 429);
    assert_eq!(scene.ask("GET", "/_hawser/health", "", "").head.status, 200);
}

#[test]
fn requests_that_go_on_are_let_finish() {
    let mut scene = Scene::start(&[]);
    scene.pair.docker().run("short", "sleep 1; exit 7");
    let mut waiting = Connection::open(&scene.address).unwrap();
    let idle = Connection::open(&scene.address).unwrap();
    let text = format!(
        "POST /containers/short/wait HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{}\r\n",
        token()
    );
    waiting.send_raw(text.as_bytes()).unwrap();
    let head = waiting.head(false).unwrap();
    scene.agent.signal(Signal::SIGTERM);
    assert_eq!(head.status, 200);
    assert!(waiting.body_line().unwrap().unwrap().contains("\"StatusCode\":7"));
    assert!(scene.agent.wait().success());
    drop(idle);
}

#[test]
fn what_cannot_work_is_said_at_start() {
    let check = refused_at_start;
    check(&[], "ALLOW_INSECURE_NO_AUTH");
    check(
        &[("TOKEN", ""), ("PORT", ""), ("HEARTBEAT_INTERVAL", "")],
        "ALLOW_INSECURE_NO_AUTH",
    );
    check(&[("DOCKHAND_SERVER_URL", "wss://hub/x")], "a token is needed");
    check(
        &[("DOCKHAND_SERVER_URL", "https://hub/x"), ("TOKEN", "t")],
        "begins with wss://",
    );
    check(&[("TOKEN_FILE", "/nonexistent")], "/nonexistent");
    check(&[("TOKEN", "t"), ("BIND_ADDRESS", "192.0.2.1")], "192.0.2.1:2376");
}

#[test]
fn without_a_token_no_page_may_ask() {
    let scene = Scene::start_with(&[], &[("TOKEN_FILE", "")]);
    let check = |lines: &str, status: u16| {
        let mut connection = Connection::open(&scene.address).unwrap();
        let text = format!("GET /_ping HTTP/1.1\r\n{lines}\r\n");
        connection.send_raw(text.as_bytes()).unwrap();
        assert_eq!(connection.answer(false).unwrap().head.status, status, "{lines}");
    };
    check("Host: 127.0.0.1\r\n", 200);
    check("Host: localhost\r\nOrigin: http://evil.example\r\n", 403);
    check("Host: evil.example\r\n", 403);
    // Any client of Docker's works.
    let docker = Docker::new(scene.address.clone());
    docker.get("/containers/json").expect(200);
    let made = json!({ "Image": harness::pair::IMAGE, "Cmd": ["true"] });
    docker.create_from("made", &made);
}
