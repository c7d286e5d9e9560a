//! A pair, an agent in front of it, and whoever asks that.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use harness::daemon::Daemon;
use harness::http::{Address, Answer, Connection};
use harness::{Cli, Pair, binaries, pace};
use serde_json::{Value, json};

/// What both ends know.
pub(crate) const TOKEN: &str = "tok-3n";

/// Time for an agent to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Everything a test needs. What it started ends with it, the agent first.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) agent: Daemon,
    pub(crate) address: Address,
    pub(crate) dir: PathBuf,
    pub(crate) pair: Pair,
}

impl Scene {
    /// An agent with further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// One with further variables too.
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let pair = Pair::start();
        let dir = pair.dir().join("agent");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("token"), format!("{TOKEN}\n")).unwrap();
        fs::create_dir(dir.join("client")).unwrap();
        let config = json!({ "HttpHeaders": { "X-Hawser-Token": TOKEN } });
        fs::write(dir.join("client/config.json"), config.to_string()).unwrap();
        let mut command = Command::new(binaries::fleet());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("DOCKER_SOCKET", pair.unix().to_string());
        command.env("TOKEN_FILE", dir.join("token"));
        command.env("BIND_ADDRESS", "127.0.0.1").env("PORT", "0");
        command.env("STACKS_DIR", dir.join("stacks"));
        command.env("STATE_DIR", dir.join("state"));
        command
            .args(["hawser"])
            .args(arguments)
            .envs(variables.iter().copied());
        let agent = Daemon::run("the agent", command);
        let address = pace::until("the agent listens", START_LIMIT, || {
            let log = agent.log();
            let (_, rest) = log.split_once("listening address=")?;
            let (address, _) = rest.split_once(' ')?;
            Some(Address::Tcp(address.parse().unwrap()))
        });
        Self {
            agent,
            address,
            dir,
            pair,
        }
    }

    /// Asks with these lines in the head.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let mut connection = Connection::open(&self.address).unwrap();
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: agent\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
        );
        connection.send_raw(text.as_bytes()).unwrap();
        connection
            .answer(method == "HEAD")
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Asks with the token.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &token(), "")
    }

    /// Has compose do something with the stack `st1`; gives the status and the reply.
    #[track_caller]
    pub(crate) fn compose(&self, operation: &str, fields: Value) -> (u16, Value) {
        let mut order = json!({ "operation": operation, "projectName": "st1" });
        order
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let answer = self.ask("POST", "/_hawser/compose", &token(), &order.to_string());
        (answer.head.status, answer.json())
    }

    /// A call of the `docker` command that shows the token.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.cli().command(arguments);
        command.env("DOCKER_CONFIG", self.dir.join("client"));
        command
    }

    /// What such a call prints where it succeeds.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {}: {error}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The `docker` command without the token.
    pub(crate) fn cli(&self) -> Cli {
        Cli::at(self.address.to_string())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Before what it asks goes.
        self.agent.end();
    }
}

/// The line with the token.
pub(crate) fn token() -> String {
    format!("X-Hawser-Token: {TOKEN}\r\n")
}

/// Checks that an agent with these variables does not start, and says why in one line that has this in it.
#[track_caller]
pub(crate) fn refused_at_start(variables: &[(&str, &str)], part: &str) {
    let dir = harness::pair::new_dir();
    let mut command = Command::new(binaries::fleet());
    command
        .env_clear()
        .arg("hawser")
        .arg("--state-dir")
        .arg(&dir)
        .envs(variables.iter().copied());
    let mut agent = Daemon::run("the agent", command);
    assert_eq!(agent.wait().code(), Some(1), "{variables:?}: {}", agent.log());
    let log = pace::until(part, START_LIMIT, || {
        Some(agent.log()).filter(|log| log.contains(part))
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    fs::remove_dir_all(dir).unwrap();
}
