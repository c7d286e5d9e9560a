//! The server by itself: what a hello meets, pings, patience, limits.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use harness::Dockhand;
use harness::dockhand::{Body, Options, PATH};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// How long the server may be silent.
const LIMIT: Duration = Duration::from_secs(20);

/// The least of an agent.
struct Plain {
    socket: WebSocket<TcpStream>,
}

impl Plain {
    fn dial(server: &Dockhand) -> Self {
        Self::dial_from(server, None)
    }

    /// Says that it was passed on for somebody.
    fn dial_from(server: &Dockhand, passed_on_for: Option<&str>) -> Self {
        Self::try_dial(server.address(), PATH, passed_on_for).unwrap()
    }

    fn try_dial(address: SocketAddr, path: &str, passed_on_for: Option<&str>) -> Option<Self> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        if let Some(who) = passed_on_for {
            request
                .headers_mut()
                .insert("x-forwarded-for", who.parse().unwrap());
        }
        let (socket, _) = client(request, stream).ok()?;
        Some(Self { socket })
    }

    fn say(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).unwrap();
    }

    fn hello(&mut self, token: &str) {
        self.say(&json!({ "type": "hello", "version": "0.2.14", "protocol": "1.0", "token": token }));
    }

    /// The next message; a close frame as `code reason`; null where the line broke.
    fn hear(&mut self) -> Value {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).unwrap(),
                Ok(Message::Close(Some(frame))) => {
                    return format!("{} {}", u16::from(frame.code), frame.reason).into();
                }
                Ok(_) => {}
                Err(_) => return Value::Null,
            }
        }
    }

    /// The next message that is no ping.
    fn hear_more(&mut self) -> Value {
        loop {
            let heard = self.hear();
            if heard["type"] != "ping" {
                return heard;
            }
        }
    }

    /// A welcome one.
    fn welcome(server: &Dockhand, token: &str) -> Self {
        let mut plain = Self::dial(server);
        plain.hello(token);
        assert_eq!(
            plain.hear(),
            json!({ "type": "welcome", "serverId": "dockhand", "version": "1.0" })
        );
        plain
    }
}

fn quick() -> Dockhand {
    Dockhand::start(Options::quick())
}

#[track_caller]
fn check(server: &Dockhand, from: &str, hello: &Value, message: &str, close: &str) {
    let mut plain = Plain::dial_from(server, Some(from));
    plain.say(hello);
    assert_eq!(plain.hear(), json!({ "type": "error", "message": message }));
    assert_eq!(plain.hear(), close);
}

#[test]
fn what_a_hello_meets() {
    let server = quick();
    let token = server.make_token(1);
    let good = json!({ "type": "hello", "token": token });
    let bad = json!({ "type": "hello", "token": "hawser_no" });
    let none = json!({ "type": "hello" });
    check(
        &server,
        "192.0.2.1",
        &none,
        "No token provided",
        "1008 Missing token",
    );
    check(&server, "192.0.2.2", &bad, "Invalid token", "1008 Invalid token");
    // Whoever comes from there next, with whatever token.
    check(
        &server,
        "192.0.2.2, 192.0.2.9",
        &good,
        "Too many failed attempts",
        "1008 Rate limited",
    );
    server.break_next_check();
    check(
        &server,
        "192.0.2.3",
        &good,
        "Authentication failed",
        "1011 Auth error",
    );
    Plain::welcome(&server, &token);
}

#[test]
fn before_a_welcome_nothing_else_counts() {
    let server = Dockhand::start(Options::default());
    let token = server.make_token(1);
    let mut plain = Plain::dial(&server);
    let early = json!({ "type": "error", "message": "Not authenticated" });
    plain.say(&json!({ "type": "ping", "timestamp": 1 }));
    assert_eq!(plain.hear(), early);
    plain.hello(&token);
    // The token is still being looked at.
    plain.say(&json!({ "type": "metrics", "metrics": {} }));
    assert_eq!(plain.hear(), early);
    assert_eq!(plain.hear()["type"], "welcome");
    plain.say(&json!({ "type": "ping", "timestamp": 1 }));
    let pong = plain.hear();
    assert_eq!(pong["type"], "pong");
    assert!(
        pong["timestamp"].as_u64().unwrap() > 1_000_000_000_000,
        "milliseconds: {pong}"
    );
}

#[test]
fn only_one_path_has_a_websocket() {
    let server = quick();
    for path in [
        "/",
        "/api/hawser",
        "/api/hawser/connect/",
        "/api/hawser/connect?a=b",
    ] {
        assert!(
            Plain::try_dial(server.address(), path, None).is_none(),
            "{path} has one"
        );
    }
}

#[test]
fn a_second_agent_replaces_the_first() {
    let server = quick();
    let token = server.make_token(1);
    let mut first = Plain::welcome(&server, &token);
    let call = server.environment(1).begin("GET", "/info", Body::None).unwrap();
    let mut second = Plain::welcome(&server, &token);
    assert_eq!(call.reply().unwrap_err(), "Connection replaced by new agent");
    assert_eq!(first.hear_more()["type"], "request");
    assert_eq!(first.hear_more(), Value::Null, "no close frame");
    server.revoke_token(1);
    // That leaves it connected.
    second.say(&json!({ "type": "ping" }));
    assert_eq!(second.hear_more()["type"], "pong");
    server.make_token(1);
    assert_eq!(second.hear_more(), "1000 Token regenerated");
    let token = server.make_token(2);
    let mut third = Plain::welcome(&server, &token);
    server.delete_environment(2);
    assert_eq!(third.hear_more(), "1000 Environment deleted");
}

#[test]
fn whoever_connects_too_often_is_throttled() {
    let server = Dockhand::start(Options {
        connects_max: 2,
        ..Options::quick()
    });
    let token = server.make_token(1);
    Plain::welcome(&server, &token);
    Plain::welcome(&server, &token);
    for seconds in [30, 60] {
        let mut plain = Plain::dial(&server);
        plain.hello(&token);
        let message = format!("Reconnection throttled. Retry after {seconds}s.");
        let expected = json!({ "type": "error", "message": message, "retryAfter": seconds });
        assert_eq!(plain.hear(), expected);
        assert_eq!(plain.hear(), "1008 Reconnection throttled");
    }
}

#[test]
fn an_agent_that_goes_silent_is_let_go() {
    let server = Dockhand::start(Options {
        sweep: Duration::from_millis(100),
        silence_max: Duration::from_millis(300),
        ..Options::quick()
    });
    let token = server.make_token(1);
    let mut plain = Plain::welcome(&server, &token);
    let begin = Instant::now();
    assert_eq!(plain.hear()["type"], "ping");
    assert_eq!(plain.hear_more(), "1001 Connection timeout");
    assert!(begin.elapsed() > Duration::from_millis(250), "too early");
    // A word now and then is enough.
    let mut plain = Plain::welcome(&server, &token);
    for _ in 0..10 {
        let ping = plain.hear();
        assert_eq!(ping["type"], "ping");
        plain.say(&json!({ "type": "pong", "timestamp": ping["timestamp"] }));
    }
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let server = quick();
    let token = server.make_token(1);
    let mut plain = Plain::welcome(&server, &token);
    for text in ["", "{", "[1]", "null", "\"hello\"", "{\"type\":\"\"}", "{}"] {
        plain.socket.send(Message::text(text)).unwrap();
    }
    plain
        .socket
        .send(Message::binary(&b"{\"type\":\"ping\"}"[..]))
        .unwrap();
    assert_eq!(plain.hear_more()["type"], "pong");
    let seen = server.seen();
    assert_eq!((seen.unparseable, seen.unknown.len()), (5, 2), "{seen:?}");
}

#[test]
fn what_is_too_large_ends_the_connection() {
    let server = Dockhand::start(Options {
        message_bytes_max: 1000,
        ..Options::quick()
    });
    let token = server.make_token(1);
    let mut plain = Plain::welcome(&server, &token);
    let _ = plain.socket.send(Message::text("x".repeat(1001)));
    assert_eq!(plain.hear_more(), "1009 ");
}

/// Answers that its runtime throws at, and what is waited for in vain.
#[test]
fn what_an_answer_may_be() {
    let server = Dockhand::start(Options {
        request_limit: Duration::from_millis(500),
        ..Options::quick()
    });
    let token = server.make_token(1);
    let mut plain = Plain::welcome(&server, &token);
    let environment = server.environment(1);
    let mut check = |mut answer: Value, expected: Result<u16, &str>| {
        let call = environment.begin("GET", "/x", Body::None).unwrap();
        answer["requestId"] = call.id.clone().into();
        assert_eq!(plain.hear_more()["requestId"], answer["requestId"]);
        plain.say(&answer);
        let found = call.reply();
        match expected {
            Ok(status) => assert_eq!(found.unwrap().status, status, "{answer}"),
            Err(why) => assert!(found.as_ref().unwrap_err().contains(why), "{answer}: {found:?}"),
        }
    };
    let response = |status: u16| json!({ "type": "response", "statusCode": status, "headers": {} });
    let mut with_body = response(204);
    with_body["body"] = "".into();
    check(response(204), Ok(204));
    check(response(304), Ok(304));
    check(with_body, Err("Invalid response status code 204"));
    check(response(101), Err("101"));
    check(response(600), Err("600"));
    check(response(599), Ok(599));
    // It does not end the wait.
    check(json!({ "type": "error", "error": "no" }), Err("timed out"));
    let mut wrong = response(200);
    wrong["isBinary"] = true.into();
    wrong["body"] = "***".into();
    check(wrong, Err("base64"));
}
