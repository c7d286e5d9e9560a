//! What the machine itself can ask an agent that dials: whether Docker is there, and the server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::daemon::Daemon;
use harness::dockhand::Options;
use harness::{Address, Agent, Docker, Dockhand, pace, pair};
use serde_json::json;

use crate::engine::{self, Engine};

const LIMIT: Duration = Duration::from_secs(20);

/// A folder with an engine's socket in it. Gone when dropped.
struct Place {
    dir: PathBuf,
    socket: PathBuf,
    engine: Address,
}

impl Place {
    fn new() -> Self {
        let dir = pair::new_dir();
        let socket = dir.join("engine.sock");
        let engine = Engine::start(&socket, |path, out| match path {
            "/_ping" => engine::sized(out, "text/plain", b"OK"),
            _ => engine::version(out),
        });
        Self {
            dir,
            socket,
            engine: engine.address(),
        }
    }

    fn agent(&self, server: &Dockhand, token: &str, name: &str) -> Agent {
        let dir = Path::new(&self.dir).join(name);
        Agent::new(self.engine.clone(), &server.url(), token, &dir).with("AGENT_NAME", name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Where its health check listens.
#[track_caller]
fn address(agent: &Daemon) -> SocketAddr {
    pace::until("its health check listens", LIMIT, || {
        let log = agent.log();
        let (_, rest) = log.split_once("the health check listens address=")?;
        rest.split_once('\n')?.0.parse().ok()
    })
}

#[test]
fn before_and_after() {
    let place = Place::new();
    // One that is not let in, and one that is.
    let server = Dockhand::start(Options::quick());
    let stranger = place.agent(&server, "hawser_wrong", "stranger").start();
    let before = Docker::new(Address::Tcp(address(&stranger).to_string()));
    let status = |connected: bool| json!({ "status": "healthy", "mode": "edge", "connected": connected });
    assert_eq!(before.get("/_hawser/health").expect(200).json(), status(false));
    server.until("it was refused", |seen| (seen.hellos.len() == 1).then_some(()));
    assert_eq!(before.get("/_hawser/health").expect(200).json(), status(false));
    drop(stranger);
    // That one locks out everybody for a while who comes from this address.
    let server = Dockhand::start(Options::quick());
    let token = server.make_token(1);
    let agent = place.agent(&server, &token, "box").start();
    let listens = address(&agent);
    assert!(
        listens.ip().is_loopback(),
        "whoever is near can ask it at {listens}"
    );
    let health = Docker::new(Address::Tcp(listens.to_string()));
    let connected = |expected: bool| {
        pace::until("it says whether it is connected", LIMIT, || {
            let told = health.get("/_hawser/health").expect(200).json();
            (told == status(expected)).then_some(())
        });
    };
    server.connected(1);
    connected(true);
    let info = health.get("/_hawser/info").expect(200).json();
    assert_eq!(info["agentId"], server.seen().hellos[0].hello["agentId"]);
    assert_eq!(
        (
            &info["agentName"],
            &info["dockerVersion"],
            &info["mode"],
            &info["connected"]
        ),
        (&json!("box"), &json!("28.0.0"), &json!("edge"), &json!(true))
    );
    drop(server);
    connected(false);
}

/// It is for looking, and only at the agent: neither Docker nor compose is behind it.
#[test]
fn it_tells_and_does_nothing() {
    let place = Place::new();
    let server = Dockhand::start(Options::quick());
    let agent = place.agent(&server, "hawser_wrong", "box").start();
    let health = Docker::new(Address::Tcp(address(&agent).to_string()));
    for (method, path, status) in [
        ("GET", "/_hawser/health", 200),
        ("HEAD", "/_hawser/info", 200),
        ("POST", "/_hawser/health", 404),
        ("POST", "/_hawser/compose", 404),
        ("GET", "/containers/json", 404),
        ("GET", "/_ping", 404),
        ("GET", "/", 404),
    ] {
        let mut connection = health.connect();
        connection.send(method, path, None).unwrap();
        let answer = connection.answer(method == "HEAD").unwrap();
        assert_eq!(answer.head.status, status, "{method} {path}");
    }
    fs::remove_file(&place.socket).unwrap();
    let answer = health.get("/_hawser/health").expect(503);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.starts_with("Docker unhealthy: "), "{text}");
    let info = health.get("/_hawser/info").expect(200).json();
    assert_eq!(info["dockerVersion"], "unknown");
}

/// Where it listens is said; where it cannot, the agent is an agent all the same.
#[test]
fn an_address_of_its_own() {
    let place = Place::new();
    let server = Dockhand::start(Options::quick());
    let tokens = [server.make_token(1), server.make_token(2)];
    let one = place
        .agent(&server, &tokens[0], "one")
        .with("BIND_ADDRESS", "127.0.0.2");
    let one = one.start();
    let listens = address(&one);
    assert_eq!(listens.ip().to_string(), "127.0.0.2");
    let two = place.agent(&server, &tokens[1], "two");
    let two = two
        .with("BIND_ADDRESS", "127.0.0.2")
        .with("PORT", &listens.port().to_string())
        .start();
    server.connected(2).get("/version").expect(200);
    pace::until("it says that there is none", LIMIT, || {
        two.log().contains("there is no health check").then_some(())
    });
}
