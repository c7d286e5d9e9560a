//! The agent that dials a server, as a program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries;
use crate::daemon::Daemon;
use crate::http::Address;

/// Hawser's variables that whoever runs the tests may have set.
const VARIABLES: &[&str] = &[
    "AGENT_ID",
    "AGENT_NAME",
    "BIND_ADDRESS",
    "CA_CERT",
    "DOCKER_HOST",
    "DOCKER_SOCKET",
    "DOCKHAND_SERVER_URL",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "PORT",
    "TLS_SKIP_VERIFY",
    "TOKEN",
    "TOKEN_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// An agent, not yet running: where it dials, what it asks, and who it is.
#[derive(Debug, Clone)]
pub struct Agent {
    docker: Address,
    url: String,
    dir: PathBuf,
    variables: Vec<(String, String)>,
}

impl Agent {
    /// One that keeps what it keeps in a folder, which is made.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(docker: Address, url: &str, token: &str, dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        let file = dir.join("token");
        fs::write(&file, format!("{token}\n")).unwrap();
        let agent = Self {
            docker,
            url: url.to_owned(),
            dir: dir.to_owned(),
            variables: Vec::new(),
        };
        agent
            .with("TOKEN_FILE", &file.display().to_string())
            // Health checks of many agents do not get in each other's way.
            .with("PORT", "0")
            // Twenty that look for compose at once would be all that a small machine does.
            .with("PATH", "/nowhere")
            .with("RECONNECT_DELAY", "1")
            .with("MAX_RECONNECT_DELAY", "1")
            .with("HEARTBEAT_INTERVAL", "1")
    }

    /// The same with one of Hawser's variables.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What it keeps.
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self) -> Daemon {
        let mut command = Command::new(binaries::fleet());
        command
            .args(["hawser", "--docker", &self.docker.to_string()])
            .args(["--server", &self.url])
            .arg("--state-dir")
            .arg(self.state());
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Daemon::run("the agent", command)
    }
}
