//! What the real `docker` command says when socketd is asked to end while it streams.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use harness::{Cli, Pair, pace};
use nix::sys::signal::Signal;

/// Time for it to notice.
const LIMIT: Duration = Duration::from_secs(10);

/// A `docker` that runs, and what it writes.
struct Running {
    name: &'static str,
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(docker: &Cli, name: &'static str, arguments: &[&str]) -> Self {
        let mut command = docker.command(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { name, child, output }
    }

    /// It streams once it has shown something.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end, and says what it complained about.
    fn end(mut self) -> (&'static str, String) {
        pace::until(self.name, LIMIT, || self.child.try_wait().unwrap());
        let mut said = String::new();
        let mut complaints = self.child.stderr.take().unwrap();
        complaints.read_to_string(&mut said).unwrap();
        (self.name, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_command_sees_an_end_and_no_breaking_off() {
    let mut pair = Pair::start();
    let docker = Cli::of(&pair);
    let script = "echo up; while :; do sleep 1; echo more; done";
    pair.docker().run("web", script);
    // (`docker stats` of a container that is named never ends by itself, whatever its server does.)
    let mut all = [
        Running::start(&docker, "logs", &["logs", "-f", "web"]),
        Running::start(
            &docker,
            "attach",
            &["attach", "--no-stdin", "--sig-proxy=false", "web"],
        ),
        Running::start(&docker, "events", &["events", "--since", "1"]),
        Running::start(&docker, "exec", &["exec", "web", "/bin/sh", "-c", script]),
    ];
    for one in &mut all {
        assert!(!one.line().is_empty(), "{} ended at once", one.name);
    }
    pair.socketd().signal(Signal::SIGTERM);
    assert_eq!(pair.socketd().wait().code(), Some(0), "{}", pair.socketd().log());
    for one in all {
        let (name, complaint) = one.end();
        // Beside its stream `attach` waits for the container's exit code, which nobody can tell by now: that
        // answer breaks off, for an end in order would be one without a code.
        let waits = name == "attach";
        for word in ["reset", "unexpected EOF", "broken pipe"] {
            let expected = waits && word == "unexpected EOF";
            assert!(expected || !complaint.contains(word), "{name}: {complaint}");
        }
    }
    pair.restart_socketd();
    assert_eq!(
        docker.run(&["ps", "--format", "{{.Names}}"]),
        "web",
        "the container never noticed"
    );
}
