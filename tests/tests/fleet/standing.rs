//! A coordinator and a node before it, both running on this machine, and the ways to the node's Docker.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use harness::daemon::Daemon;
use harness::{Cli, Pair, pace};
use serde_json::json;

use crate::scene::{LIMIT, Scene, listening, program};

/// All of it. What it says of a panic fails the test.
#[derive(Debug)]
pub(crate) struct Standing {
    // They end before the pair, which looks for what is left behind.
    pub(crate) node: Daemon,
    pub(crate) coordinator: Daemon,
    /// The node's.
    pub(crate) id: String,
    /// Where nodes dial.
    pub(crate) nodes: String,
    /// Where users ask.
    pub(crate) users: String,
    pub(crate) scene: Scene,
}

impl Standing {
    pub(crate) fn start() -> Self {
        let scene = Scene::start();
        let (coordinator, [nodes, users]) = scene.local_coordinator();
        let node = scene.node(Command::new(program()), &format!("http://{nodes}"));
        let id = scene.connected();
        Self {
            node,
            coordinator,
            id,
            nodes,
            users,
            scene,
        }
    }

    /// Starts the coordinator again where it was.
    pub(crate) fn start_again(&mut self) {
        let ports = [&self.nodes, &self.users].map(|address| address.rsplit(':').next().unwrap());
        let arguments = ["--grpc-port", ports[0], "--api-port", ports[1]];
        self.coordinator = self.scene.coordinator(Command::new(program()), &arguments);
        assert_eq!(
            listening(&self.coordinator),
            [self.nodes.clone(), self.users.clone()]
        );
    }

    pub(crate) fn pair(&self) -> &Pair {
        &self.scene.pair
    }

    /// What REST has of a container.
    pub(crate) fn at(&self, path: &str) -> String {
        let mark = if path.contains('?') { '&' } else { '?' };
        format!("/api/containers/{path}{mark}node_id={}", self.id)
    }

    /// The real `docker` command, by the node's endpoint, with a key.
    pub(crate) fn by_endpoint(&self) -> Cli {
        self.scene.by_endpoint(&self.users, &self.id)
    }

    /// A port that is the node's Docker.
    pub(crate) fn port(&self) -> String {
        let asked = json!({ "node_id": self.id, "address": "127.0.0.1:0" });
        let opened = self.scene.admin().post_json("/api/ports", &asked);
        let opened = opened.expect(201).json();
        opened["address"].as_str().unwrap().to_owned()
    }

    /// Every way there is, the first one without us.
    pub(crate) fn ways(&self) -> [(&'static str, Cli); 3] {
        [
            ("directly", Cli::of(self.pair())),
            ("by the endpoint", self.by_endpoint()),
            ("by a port", Cli::at(format!("tcp://{}", self.port()))),
        ]
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut log = String::new();
        for daemon in [&mut self.node, &mut self.coordinator] {
            if !daemon.has_ended() {
                daemon.end();
            }
            log.push_str(&daemon.log());
        }
        if thread::panicking() {
            // Into the captured output of the test that fails.
            let _ = std::io::stderr().write_all(log.as_bytes());
        } else {
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// A `docker` that runs, and what it writes.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(docker: &Cli, arguments: &[&str]) -> Self {
        let mut command = docker.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Writes to it, and says that this was all.
    pub(crate) fn feed(&mut self, input: &[u8]) {
        // It may have ended by itself.
        let _ = self.child.stdin.take().unwrap().write_all(input);
    }

    /// The same aside, for what it may answer before it has all.
    pub(crate) fn feed_aside(&mut self, input: String) -> JoinHandle<()> {
        let mut stdin = self.child.stdin.take().unwrap();
        thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        })
    }

    /// The next line; empty at the end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Lines up to and with the first that ends so.
    #[track_caller]
    pub(crate) fn up_to(&mut self, last: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while lines.last().is_none_or(|line| !line.ends_with(last)) {
            let line = self.line();
            assert!(!line.is_empty(), "it ends before {last:?}: {lines:?}");
            lines.push(line);
        }
        lines
    }

    /// Waits for its end: its exit code, what it still wrote, and what it complained about.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let (mut rest, mut said) = (String::new(), String::new());
        self.output.read_to_string(&mut rest).unwrap();
        let mut complaints = self.child.stderr.take().unwrap();
        complaints.read_to_string(&mut said).unwrap();
        let status = pace::until("docker ends", LIMIT, || self.child.try_wait().unwrap());
        (status.code(), rest, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
