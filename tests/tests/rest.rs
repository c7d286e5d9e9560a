//! At rest nothing wakes: no process of ours runs for even a moment, so that a phone sleeps on.
//!
//! Looked at for twenty seconds, or for `SOCKETD_REST_SECONDS`.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use harness::droidspaces::Workspace;
use harness::{Connection, Docker, Pair, pace, pair};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than it takes until everything has settled.
const LIMIT: Duration = Duration::from_secs(30);

fn seconds() -> u64 {
    let asked = std::env::var("SOCKETD_REST_SECONDS").ok();
    asked.map_or(20, |text| text.parse().expect("SOCKETD_REST_SECONDS is a number"))
}

/// Threads of a process, and how often each was woken or made to give way.
fn switches(pid: i32) -> Vec<(String, u64)> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = fs::read_to_string(entry.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .trim()
                .to_owned()
        };
        let count = |name: &str| field(name).parse::<u64>().unwrap();
        let both = count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
        threads.push((format!("{} {} of {pid}", field("Name:"), field("Pid:")), both));
    }
    threads.sort();
    threads
}

fn all_switches(pids: &[i32]) -> Vec<(String, u64)> {
    pids.iter().flat_map(|&pid| switches(pid)).collect()
}

/// Somebody who writes every system call of these processes into a file.
struct Witness {
    strace: Child,
    /// Open, or the next thing it says would end it.
    _said: BufReader<ChildStderr>,
}

impl Witness {
    fn begin(pids: &[i32], file: &Path) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-o"]).arg(file).stderr(Stdio::piped());
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let mut strace = command
            .spawn()
            .expect("this test needs strace (apt-get install strace)");
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        // It says of each process, in a line, that it is attached to all of its threads.
        for pid in pids {
            let mut line = String::new();
            said.read_line(&mut line).unwrap();
            assert!(line.contains(&format!("Process {pid} attached")), "{line}");
        }
        Self { strace, _said: said }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.strace.id()).unwrap());
        let _ = kill(pid, Signal::SIGINT);
        let _ = self.strace.wait();
    }
}

/// Waits until none of these has run between two looks that lie apart, and no thread is there that is kept for a
/// while after it has read a file.
fn settle(look: impl Fn() -> Vec<(String, u64)>) {
    let mut before = look();
    let mut same = 0;
    pace::until("everything settles", LIMIT, || {
        let now = look();
        let reader = now.iter().any(|(name, _)| name.starts_with("tokio-rt-worker"));
        same = if now == before && !reader { same + 1 } else { 0 };
        before = now;
        // Looks are fifty milliseconds apart by then.
        (same > 20).then_some(())
    });
}

/// What the shims of a bridge are called.
fn shims(bridge: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{bridge}/task/{bridge}/children"));
    // Whoever starts programs is a thread of its own.
    let tasks = fs::read_dir(format!("/proc/{bridge}/task")).unwrap();
    let of_threads = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok());
    let all: String = children
        .into_iter()
        .chain(of_threads)
        .collect::<Vec<_>>()
        .join(" ");
    let mut pids: Vec<i32> = all.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    pids.sort_unstable();
    pids.dedup();
    let name = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    pids.retain(|pid| name(pid).trim() == "socketd-shim");
    pids
}

/// Clients that are there and say nothing: one between two requests, one that reads events, one that follows a log.
struct Idle {
    between: Connection,
    events: Connection,
    log: Connection,
}

impl Idle {
    fn begin(docker: &Docker, name: &str) -> Self {
        // The last that the container has to say.
        pace::until("the container says that it is up", LIMIT, || {
            let log = docker
                .get(&format!("/containers/{name}/logs?stdout=1"))
                .expect(200)
                .body;
            log.windows(2).any(|text| text == b"up").then_some(())
        });
        let mut between = docker.connect();
        assert_eq!(between.ask("GET", "/_ping", None).unwrap().status, 200);
        let reads = |path: &str| {
            let mut connection = docker.connect();
            connection.send("GET", path, None).unwrap();
            assert_eq!(connection.head(false).unwrap().status, 200);
            connection
        };
        Self {
            between,
            events: reads("/events"),
            log: reads(&format!("/containers/{name}/logs?follow=1&stdout=1&tail=0")),
        }
    }

    /// Waits for what must not come: anything.
    fn wait(&mut self) {
        let moment = Duration::from_millis(1);
        for (client, time) in [
            (&mut self.events, Duration::from_secs(seconds())),
            (&mut self.log, moment),
            (&mut self.between, moment),
        ] {
            client.patience(time).unwrap();
            let heard = client.read_raw(&mut [0; 64]);
            let silence = heard
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            assert!(silence, "something was said: {heard:?}");
        }
    }
}

/// Looks at processes while nothing happens: counts do not move, and no call is made.
fn sleeps(docker: &Docker, name: &str, (dir, pids): (&Path, &[i32])) {
    let mut idle = Idle::begin(docker, name);
    // Whoever looks on wakes them once, at the beginning.
    let file = dir.join("calls");
    let witness = Witness::begin(pids, &file);
    settle(|| all_switches(pids));
    let (before, calls) = (all_switches(pids), fs::read_to_string(&file).unwrap());
    idle.wait();
    assert_eq!(all_switches(pids), before, "woken while nothing happened");
    let more = fs::read_to_string(&file).unwrap();
    assert_eq!(more[calls.len()..].trim(), "", "calls while nothing happened");
    drop(witness);
    assert!(!calls.is_empty(), "whoever is looked on shows where it waits");
    fs::remove_file(file).unwrap();
}

#[test]
fn nothing_wakes_while_a_container_runs_and_clients_wait() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run("worker", "echo up; exec sleep 100000");
    let (bridge, socketd) = (pair.bridge().pid(), pair.socketd().pid());
    let mut pids = vec![bridge, socketd];
    pids.extend(shims(bridge));
    assert_eq!(pids.len(), 3);
    sleeps(&docker, "worker", (pair.dir(), &pids));
}

#[test]
fn nothing_wakes_over_a_phone_s_workspace() {
    let dir = pair::new_dir();
    let workspace = Workspace::new(&dir);
    let script = "trap 'exit 0' TERM\necho up\nwhile :; do sleep 1000 & wait; done";
    workspace
        .container("web")
        .rootfs(|rootfs| rootfs.init(script))
        .write();
    let (root, daemon) = (workspace.root().to_owned(), workspace.daemon_socket());
    let mut pair = Pair::start_with(&[
        "--runtime",
        "droidspaces",
        "--droidspaces-root",
        root.to_str().unwrap(),
        "--droidspaces-daemon",
        &daemon,
    ]);
    let docker = pair.docker();
    docker.post("/containers/web/start").expect(204);
    let pids = [pair.bridge().pid(), pair.socketd().pid()];
    sleeps(&docker, "web", (&dir, &pids));
    drop(pair);
    drop(workspace);
    fs::remove_dir_all(dir).unwrap();
}
