//! A server that says what it should not, in pieces that it should not: the agent goes on, or ends the connection and
//! dials again, and never falls.

use std::time::Duration;

use harness::dockhand::{Body, Manner, Options, PATH};
use harness::{Agent, Dockhand, dockhand::Line, pace};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use crate::scene::{Scene, Takes};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn messages_that_are_none() {
    let scene = Scene::start();
    let environment = scene.environment();
    for text in [
        "",
        "{",
        "[]",
        "null",
        "1",
        "\"request\"",
        "{}",
        "{\"type\":1}",
        "{\"type\":\"request\"}",
        "{\"type\":\"request\",\"requestId\":\"a\",\"method\":\"GET\"}",
        "{\"type\":\"request\",\"requestId\":1,\"method\":\"GET\",\"path\":\"/info\"}",
        "{\"type\":\"exec_start\"}",
        "{\"type\":\"exec_input\",\"execId\":\"a\"}",
        "{\"type\":\"stream_end\"}",
        "{\"type\":\"welcome\"}",
        "{\"type\":\"error\",\"message\":\"no\"}",
        "{\"type\":\"ping\"}",
        "{\"type\":\"pong\"}",
        "{\"type\":\"of tomorrow\",\"data\":[1,2]}",
        "{\"type\":\"ping\",\"type\":\"pong\"}",
    ] {
        for kind in [Data::Text, Data::Binary] {
            let frame = Frame::message(text.as_bytes().to_vec(), OpCode::Data(kind), true);
            scene.server.send_frame(1, frame);
        }
    }
    // A thousand brackets are no message either.
    let deep = "[".repeat(100_000);
    let deep = format!("{{\"type\":\"request\",\"requestId\":\"a\",\"body\":{deep}");
    scene
        .server
        .send_frame(1, Frame::message(deep, OpCode::Data(Data::Text), true));
    environment.get("/_ping").expect(200);
    assert_eq!(
        scene.server.seen().welcomes(),
        1,
        "{:?}",
        scene.server.seen().ends
    );
}

#[test]
fn requests_that_are_none() {
    let scene = Scene::start();
    let environment = scene.environment();
    let check = |message: Value| {
        // Whatever it answers, it does, and goes on.
        environment.tell(&message);
        environment.get("/_ping").expect(200);
    };
    for method in ["", "GET /", "G\r\nX: y", "\u{e4}"] {
        check(json!({ "type": "request", "requestId": "a", "method": method, "path": "/info" }));
    }
    for path in [
        "",
        "info",
        "http://example.com/info",
        "/info\r\nX: y",
        "/a b",
        "//",
        "/\u{0}",
        "/../../etc/passwd",
    ] {
        check(json!({ "type": "request", "requestId": "a", "method": "GET", "path": path }));
        check(
            json!({ "type": "request", "requestId": "b", "method": "GET", "path": path, "streaming": true }),
        );
    }
    for headers in [
        json!({ "a\r\nb": "c" }),
        json!({ "a": "b\r\nc: d" }),
        json!([1]),
        json!({ "a": 1 }),
    ] {
        check(
            json!({ "type": "request", "requestId": "a", "method": "GET", "path": "/info", "headers": headers }),
        );
    }
    // Base64 that is none; the same id twice.
    check(
        json!({ "type": "request", "requestId": "a", "method": "PUT", "path": "/containers/a/archive?path=/", "isBinary": true, "body": "***" }),
    );
    for _ in 0..2 {
        check(
            json!({ "type": "request", "requestId": "c", "method": "GET", "path": "/events", "streaming": true }),
        );
    }
    check(json!({ "type": "stream_end", "requestId": "c", "reason": "cancelled" }));
    // An upgrade is nothing that a request can have.
    let upgrade = json!({ "Connection": "Upgrade", "Upgrade": "tcp", "Host": "example.com" });
    scene.docker().run("web", "exec sleep 100000");
    let body = json!({ "AttachStdout": true, "Cmd": ["/bin/true"] });
    let made = environment
        .post_json("/containers/web/exec", body)
        .expect(201)
        .json();
    let exec = made["Id"].as_str().unwrap();
    environment.tell(&json!({
        "type": "request", "requestId": "d", "method": "POST", "path": format!("/exec/{exec}/start"),
        "headers": upgrade, "body": { "Detach": false, "Tty": false }
    }));
    scene.server.until("an answer to it", |seen| {
        let answer = seen.strays.iter().find(|message| message["requestId"] == "d")?;
        assert_ne!(answer["statusCode"], 101, "{answer}");
        Some(())
    });
    assert_eq!(scene.server.seen().welcomes(), 1);
}

/// Too large for it: refused with a sentence, and the connection stays.
#[test]
fn a_message_that_is_too_large() {
    let scene = Scene::start_with(Options::quick(), |agent| agent.with("MAX_MESSAGE_SIZE_MB", "2"));
    let environment = scene.environment();
    for manner in [Manner::Text, Manner::Fragments(64 << 10)] {
        scene.server.speak(manner);
        let path = "/containers/web/archive?path=/tmp";
        let reply = environment.ask("PUT", path, Body::Binary(vec![0; 4 << 20]));
        assert_eq!(reply.status, 413, "{reply}");
        assert!(!reply.message().is_empty());
    }
    environment.get("/_ping").expect(200);
    assert_eq!(scene.server.seen().welcomes(), 1);
    let takes = Takes::of(scene.agent.pid());
    assert!(takes.most_kib < 32 << 10, "{takes:?}");
}

/// What breaks the rules of WebSocket ends the connection, and there is another.
#[test]
fn frames_that_break_the_rules() {
    let scene = Scene::start();
    let data = |kind: Data, text: &str, is_last| {
        Frame::message(text.as_bytes().to_vec(), OpCode::Data(kind), is_last)
    };
    let with = |opcode: OpCode, reserved: bool, is_last: bool, bytes: usize| {
        let header = FrameHeader {
            is_final: is_last,
            rsv1: reserved,
            opcode,
            ..FrameHeader::default()
        };
        Frame::from_payload(header, vec![b'x'; bytes].into())
    };
    let wrong = [
        vec![data(Data::Continue, "{}", true)],
        vec![
            data(Data::Text, "{\"ty", false),
            data(Data::Text, "pe\":1}", true),
        ],
        vec![with(OpCode::Data(Data::Reserved(3)), false, true, 2)],
        vec![with(OpCode::Control(Control::Reserved(11)), false, true, 2)],
        vec![with(OpCode::Data(Data::Text), true, true, 2)],
        vec![with(OpCode::Control(Control::Ping), false, false, 2)],
        vec![with(OpCode::Control(Control::Ping), false, true, 126)],
        vec![with(OpCode::Control(Control::Close), false, true, 1)],
    ];
    for (number, frames) in wrong.into_iter().enumerate() {
        let said = format!("{frames:?}");
        for frame in frames {
            scene.server.send_frame(1, frame);
        }
        scene
            .server
            .until(&said, |seen| (seen.ends.len() > number).then_some(()));
        scene.server.connected(1).get("/_ping").expect(200);
    }
}

/// Each cut at a byte instead of a message: nothing hangs, and the next connection works.
#[test]
fn cuts_at_every_byte() {
    let pair = harness::Pair::start();
    let server = Dockhand::start(Options::quick());
    let line = Line::to(server.address());
    let token = server.make_token(1);
    let url = format!("ws://{}{PATH}", line.address());
    let mut agent = Agent::new(pair.unix(), &url, &token, &pair.dir().join("agent")).start();
    server.connected(1).get("/_ping").expect(200);
    let quiet = Takes::of(agent.pid());
    for bytes in [0, 1, 7, 300] {
        for is_up in [true, false] {
            let count = line.count();
            if is_up {
                line.cut_after_up(bytes);
            } else {
                line.cut_after_down(bytes);
            }
            let environment = server.environment(1);
            // Meets the cut, if the pings have not.
            let _ = environment.begin("GET", "/info", Body::None);
            pace::until("it dials again", LIMIT, || (line.count() > count).then_some(()));
        }
    }
    let count = line.count();
    line.cut();
    pace::until("it dials again", LIMIT, || (line.count() > count).then_some(()));
    server.connected(1).get("/info").expect(200);
    let takes = Takes::of(agent.pid());
    assert!(
        takes.descriptors <= quiet.descriptors + 4 && takes.threads <= quiet.threads + 8,
        "{quiet:?}, then {takes:?}"
    );
    assert!(agent.end().success());
}
