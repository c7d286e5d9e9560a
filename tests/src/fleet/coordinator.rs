//! A coordinator as a program, with its state in a directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::daemon::Daemon;
use crate::docker::Docker;
use crate::http::Address;
use crate::{binaries, pace};

/// Time for it to listen.
const START_LIMIT: Duration = Duration::from_secs(90);

/// A coordinator that listens at ports of its own.
#[derive(Debug)]
pub struct Coordinator {
    daemon: Daemon,
    dir: PathBuf,
    nodes: String,
    users: String,
}

impl Coordinator {
    /// Starts one, without TLS.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn start(dir: &Path) -> Self {
        let mut command = Command::new(binaries::fleet());
        command.env_clear().env("PATH", "/nowhere");
        command.args([
            "coordinator",
            "--grpc-port",
            "0",
            "--api-port",
            "0",
            "--state-dir",
        ]);
        command.arg(dir);
        let daemon = Daemon::run("the coordinator", command);
        let log = pace::until("the coordinator listens", START_LIMIT, || {
            let log = daemon.log();
            log.contains(" users=").then_some(log)
        });
        let after = |name: &str| {
            let (_, rest) = log.split_once(name).unwrap();
            rest.split_whitespace().next().unwrap().to_owned()
        };
        Self {
            nodes: after(" nodes="),
            users: after(" users="),
            dir: dir.to_owned(),
            daemon,
        }
    }

    /// The process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.daemon.pid()
    }

    /// Where nodes dial: an address and a port.
    pub fn nodes(&self) -> &str {
        &self.nodes
    }

    /// Where users ask: an address and a port.
    pub fn users(&self) -> &str {
        &self.users
    }

    /// Whoever owns it, at its socket.
    pub fn admin(&self) -> Docker {
        Docker::new(Address::Unix(self.dir.join("admin.sock")))
    }

    /// What lets in a node, once.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn token(&self) -> String {
        token(&self.admin())
    }

    /// What lets a user do everything.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn key(&self, name: &str) -> String {
        let asked = json!({ "name": name, "access": "full" });
        let made = self.admin().post_json("/api/keys", &asked).expect(201);
        made.json()["key"].as_str().unwrap().to_owned()
    }
}

/// What lets in a node, once.
pub(super) fn token(admin: &Docker) -> String {
    let made = admin.post_json("/api/enrolments", &json!({})).expect(201);
    made.json()["token"].as_str().unwrap().to_owned()
}
