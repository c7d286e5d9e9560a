//! How the agent comes in: what it says, TLS, proxies, and how it behaves where it is not welcome.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::daemon::Daemon;
use harness::dockhand::{Certificates, Options, PATH};
use harness::{Address, Agent, Dockhand, Proxy, pace, pair};
use sha2::{Digest, Sha256};

use crate::engine::{self, Engine};

const LIMIT: Duration = Duration::from_secs(20);

/// A folder with an engine in it that says who it is and no more.
struct Place {
    dir: PathBuf,
    engine: Address,
}

impl Place {
    fn new() -> Self {
        let dir = pair::new_dir();
        let engine = Engine::start(&dir.join("engine.sock"), |_, out| engine::version(out));
        Self {
            engine: engine.address(),
            dir,
        }
    }

    fn agent(&self, server: &Dockhand, token: &str) -> Agent {
        Agent::new(self.engine.clone(), &server.url(), token, &self.dir.join("agent"))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.dir));
    }
}

/// Waits until it says when it will try again, and gives that in seconds.
#[track_caller]
fn delay(agent: &mut Daemon) -> f64 {
    pace::until("it gives up for now", LIMIT, || {
        assert!(!agent.has_ended(), "{}", agent.log());
        let log = agent.log();
        let (_, rest) = log.rsplit_once("next attempt in ")?;
        rest.split_once(" s")?.0.parse().ok()
    })
}

#[test]
fn what_it_says_of_itself() {
    let place = Place::new();
    let server = Dockhand::start(Options::quick());
    let token = server.make_token(1);
    let how = place.agent(&server, &token).with("AGENT_NAME", "a \"name\"");
    let mut agent = how.start();
    server.connected(1);
    let seen = server.seen();
    let hello = &seen.hellos[0].hello;
    assert_eq!(hello["protocol"], "1.0");
    assert_eq!(hello["agentName"], "a \"name\"");
    assert_eq!(hello["dockerVersion"], "28.0.0");
    assert_eq!(hello["token"], token.as_str());
    let mut hash = String::new();
    for byte in Sha256::digest(&token) {
        write!(hash, "{byte:02x}").unwrap();
    }
    assert_eq!(hello["tokenHash"], hash.as_str());
    assert!(!hello["version"].as_str().unwrap().starts_with('v'));
    // The request for a WebSocket carries nothing that is secret, and asks for nothing special.
    for (name, value) in &seen.attempts[0].headers {
        assert!(!value.contains(&token), "{name}: {value}");
        assert!(
            !matches!(
                name.as_str(),
                "origin" | "authorization" | "sec-websocket-protocol" | "sec-websocket-extensions"
            ),
            "{name}: {value}"
        );
    }
    assert!(!agent.log().contains(&token), "{}", agent.log());
    // It says goodbye.
    assert!(agent.end().success());
    server.until("its goodbye", |seen| {
        seen.ends
            .iter()
            .any(|end| end.how.starts_with("1001"))
            .then_some(())
    });
    // It stays who it is.
    let _agent = how.start();
    server.until("it is back", |seen| (seen.welcomes() == 2).then_some(()));
    let seen = server.seen();
    assert_eq!(seen.hellos[0].hello["agentId"], seen.hellos[1].hello["agentId"]);
}

/// It does not hammer: each attempt with a wrong token locks everybody out who comes from the same address.
#[test]
fn a_wrong_token_is_not_tried_again_soon() {
    let place = Place::new();
    let server = Dockhand::start(Options::quick());
    server.make_token(1);
    let mut agent = place.agent(&server, "hawser_wrong").start();
    let first = delay(&mut agent);
    assert!(first >= 60.0, "{first} s");
    assert!(agent.log().contains("Invalid token"), "{}", agent.log());
    agent.end();
    let mut agent = place.agent(&server, "hawser_wrong").start();
    let second = delay(&mut agent);
    assert!(second >= 300.0, "{second} s");
    assert!(
        agent.log().contains("Too many failed attempts"),
        "{}",
        agent.log()
    );
    assert_eq!(server.seen().attempts.len(), 2);
    // It can be ended all the same.
    assert!(agent.end().success());
}

#[test]
fn it_waits_as_long_as_it_is_told() {
    let place = Place::new();
    let server = Dockhand::start(Options {
        connects_max: 2,
        connects_window: Duration::from_secs(3),
        retry_after: [4; 4],
        ..Options::quick()
    });
    let token = server.make_token(1);
    let mut agent = place.agent(&server, &token).start();
    for count in 1..=2 {
        server.until("it comes again", |seen| (seen.welcomes() == count).then_some(()));
        server.connected(1);
        server.cut_now(1);
        server.until("it is gone", |seen| (seen.ends.len() >= count).then_some(()));
    }
    server.until("it is back", |seen| (seen.welcomes() == 3).then_some(()));
    let seen = server.seen();
    let refused = seen
        .hellos
        .iter()
        .position(|hello| hello.outcome.contains("throttled"));
    // Where the machine was so slow that nobody was throttled, nothing can be said.
    if let Some(at) = refused {
        let waited = seen.hellos[at + 1].at.duration_since(seen.hellos[at].at);
        assert!(waited >= Duration::from_secs(4), "{waited:?}");
    }
    assert!(agent.end().success());
}

#[test]
fn what_tls_it_trusts() {
    let place = Place::new();
    let certificates = Certificates::make();
    let other = Certificates::make();
    let server = Dockhand::start(Options {
        tls: Some(certificates.clone()),
        ..Options::quick()
    });
    let token = server.make_token(1);
    let pin = |certificates: &Certificates| {
        let mut pin = String::new();
        for byte in Sha256::digest(certificates.certificate()) {
            write!(pin, "{byte:02x}").unwrap();
        }
        pin
    };
    let authority = place.file("ca.pem", certificates.authority());
    let stranger = place.file("other.pem", other.authority());
    let mut welcomes = 0;
    for (name, value, is_trusted) in [
        ("CA_CERT", authority.as_str(), true),
        ("CA_CERT", &stranger, false),
        ("TLS_PIN", &pin(&certificates), true),
        ("TLS_PIN", &pin(&other), false),
        ("TLS_SKIP_VERIFY", "1", true),
        // Whom the system trusts.
        ("LOG_LEVEL", "info", false),
    ] {
        let mut agent = place.agent(&server, &token).with(name, value).start();
        if is_trusted {
            welcomes += 1;
            server.until(name, |seen| (seen.welcomes() == welcomes).then_some(()));
        } else {
            delay(&mut agent);
        }
        assert!(agent.end().success());
    }
    assert_eq!(
        server.seen().attempts.len(),
        welcomes,
        "a stranger was told something"
    );
}

/// A name that only the proxy knows.
#[test]
fn through_a_proxy() {
    let place = Place::new();
    let server = Dockhand::start(Options::quick());
    let proxy = Proxy::to(server.address());
    let token = server.make_token(1);
    let url = format!("ws://dockhand.invalid:8080{PATH}");
    let agent = Agent::new(place.engine.clone(), &url, &token, &place.dir.join("agent"));
    let through = format!("http://ana:secret@{}", proxy.address);
    let _agent = agent.clone().with("HTTP_PROXY", &through).start();
    server.connected(1);
    let asked = proxy.asked.lock().unwrap().join("");
    assert!(
        asked.starts_with("CONNECT dockhand.invalid:8080 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.to_ascii_lowercase().contains("proxy-authorization: basic "),
        "{asked}"
    );
    assert!(!asked.contains(&token), "the proxy was told the token");
    // Nothing of it where it is not wanted.
    let count = server.seen().welcomes();
    let direct = Agent::new(place.engine.clone(), &url, &token, &place.dir.join("direct"));
    let mut direct = direct
        .with("HTTP_PROXY", &through)
        .with("NO_PROXY", "dockhand.invalid")
        .start();
    delay(&mut direct);
    assert_eq!(server.seen().welcomes(), count);
}
