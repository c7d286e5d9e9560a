//! The real `docker` command.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::{Pair, rootfs};

/// One `docker` that talks to one server.
#[derive(Debug, Clone)]
pub struct Cli {
    /// Where that listens, as `-H` takes it.
    pub address: String,
    /// What else goes before every order: `--config`, `--tlsverify`.
    pub options: Vec<String>,
}

impl Cli {
    /// One for this pair's unix socket.
    pub fn of(pair: &Pair) -> Self {
        Self::at(pair.unix().to_string())
    }

    /// One for whoever listens there.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            options: Vec::new(),
        }
    }

    /// A call, not yet made.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(&self.options).args(["-H", &self.address]);
        command.args(arguments);
        command
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .env("DOCKER_CLI_HINTS", "false");
        command
    }

    /// A call and what came of it.
    ///
    /// # Panics
    /// When there is no such command.
    #[track_caller]
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap_or_else(|error| {
            panic!("There is no docker command ({error}): install it (apt-get install docker.io).")
        })
    }

    /// What it prints where it succeeds.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {}: {error}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What it complains about where it fails.
    ///
    /// # Panics
    /// When it succeeds.
    #[track_caller]
    pub fn fail(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(
            !output.status.success(),
            "docker {} succeeds",
            arguments.join(" ")
        );
        String::from_utf8(output.stderr).unwrap()
    }

    /// Imports the image over standard input; gives its id.
    ///
    /// # Panics
    /// When it cannot.
    pub fn import(&self, reference: &str) -> String {
        let mut command = self.command(&["import", "-", reference]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("There is no docker command: install it (apt-get install docker.io).");
        child.stdin.take().unwrap().write_all(&rootfs::busybox()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
