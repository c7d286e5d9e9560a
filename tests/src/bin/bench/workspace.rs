//! `bench droidspaces`: containers of a Droidspaces workspace beside as many of the embedded runtime, in
//! the same run, with 800 other processes on the machine; how soon what others do is told; what rest costs.
//! The command is the stand-in of the tests.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::droidspaces::Workspace;
use harness::{Docker, Pair, pair};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::load::{self, Figures};

/// Processes besides, as many as a phone has.
const OTHERS: usize = 800;
/// Configured containers of each scenario.
const SCENARIOS: [usize; 2] = [100, 1000];
/// How often both runtimes are measured in turn.
const ROUNDS: usize = 3;
/// How often a crash and a change are timed.
const TIMES: usize = 30;
/// Configured and running containers while nothing happens, and for how long.
const AT_REST: (usize, usize, Duration) = (50, 10, Duration::from_secs(60));

const LIST: &str = "/containers/json?all=1";

/// Processes that do nothing.
struct Others(Vec<Child>);

impl Others {
    fn start() -> Self {
        let sleep = |_| {
            let mut command = Command::new("sleep");
            command.arg("100000").stdin(Stdio::null()).stdout(Stdio::null());
            command.spawn().expect("sleep starts")
        };
        Self((0..OTHERS).map(sleep).collect())
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A workspace, the pair over it, and their folder.
struct Scene {
    pair: Option<Pair>,
    workspace: Option<Workspace>,
    dir: PathBuf,
}

impl Scene {
    fn new(containers: usize) -> Self {
        let dir = pair::new_dir();
        let workspace = Workspace::new(&dir);
        workspace.populate("bench", containers);
        let root = workspace.root().to_str().expect("a path").to_owned();
        let daemon = workspace.daemon_socket();
        let arguments = [
            "--runtime",
            "droidspaces",
            "--droidspaces-root",
            &root,
            "--droidspaces-daemon",
            &daemon,
        ];
        let begin = Instant::now();
        let pair = Pair::start_with(&arguments);
        let _ = writeln!(
            io::stderr(),
            "  ({containers} configured: bridge and socketd answered after {:.0} ms)",
            begin.elapsed().as_secs_f64() * 1000.0
        );
        Self {
            pair: Some(pair),
            workspace: Some(workspace),
            dir,
        }
    }

    fn pair(&mut self) -> &mut Pair {
        self.pair.as_mut().expect("it runs")
    }

    fn docker(&self) -> Docker {
        self.pair.as_ref().expect("it runs").docker()
    }

    fn workspace(&self) -> &Workspace {
        self.workspace.as_ref().expect("it is there")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.pair.take());
        drop(self.workspace.take());
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// All of it.
pub(crate) fn report(out: &mut impl Write) -> io::Result<()> {
    {
        let _others = Others::start();
        for containers in SCENARIOS {
            lists(out, containers)?;
        }
    }
    latencies(out)?;
    rest(out)
}

fn lists(out: &mut impl Write, containers: usize) -> io::Result<()> {
    let scene = Scene::new(containers);
    let embedded = Pair::start();
    for number in 0..containers {
        crate::make(&embedded.docker(), &format!("bench{number}"));
    }
    writeln!(
        out,
        "\n{containers} containers, none running, {OTHERS} other processes: {LIST}"
    )?;
    writeln!(
        out,
        "  {:<14}{:>6}{:>10}{:>10}{:>10}{:>10}",
        "runtime", "conn", "bytes", "req/s", "p50 us", "p99 us"
    )?;
    for connections in [1, 8] {
        let (mut ours, mut theirs) = (Figures::default(), Figures::default());
        for _ in 0..ROUNDS {
            ours.add(load::measure(&scene.docker().address(), LIST, connections));
            theirs.add(load::measure(&embedded.docker().address(), LIST, connections));
        }
        for (name, docker, figures) in [
            ("droidspaces", scene.docker(), &ours),
            ("embedded", embedded.docker(), &theirs),
        ] {
            let bytes = docker.get(LIST).expect(200).body.len();
            writeln!(
                out,
                "  {name:<14}{connections:>6}{bytes:>10}{:>10.0}{:>10.0}{:>10.0}",
                figures.rate(),
                figures.percentile_us(50),
                figures.percentile_us(99)
            )?;
        }
    }
    Ok(())
}

/// How long it takes from what somebody else does to the line at a reader of events.
fn latencies(out: &mut impl Write) -> io::Result<()> {
    let scene = Scene::new(20);
    let workspace = scene.workspace();
    let draft = workspace.container("crash");
    draft
        .rootfs(|rootfs| rootfs.init("while :; do sleep 1000; done"))
        .write();
    let mut follow = scene.docker().follow("");
    let mut up_to = |action: &str| {
        let is = |event: &Value| event["Type"] == "container" && event["Action"] == action;
        follow.up_to(is);
    };
    up_to("create");
    let (mut crashes, mut changes) = (Vec::new(), Vec::new());
    for number in 0..TIMES {
        assert!(workspace.run(&["--name=crash", "start"]).status.success());
        up_to("start");
        let pid = workspace.pid("crash").expect("it runs");
        let begin = Instant::now();
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        up_to("die");
        crashes.push(begin.elapsed());
        let begin = Instant::now();
        let draft = workspace.container(&format!("new{number}"));
        draft.rootfs_at(workspace.rootfs().path()).write();
        up_to("create");
        changes.push(begin.elapsed());
    }
    for (what, mut times) in [("a crash", crashes), ("a new configuration", changes)] {
        times.sort_unstable();
        let ms = |at: usize| times[at].as_secs_f64() * 1000.0;
        writeln!(
            out,
            "\n{what}, until its line is at a reader: median {:.2} ms, longest of {TIMES} {:.2} ms",
            ms(TIMES / 2),
            ms(TIMES - 1)
        )?;
    }
    Ok(())
}

/// Context switches of both daemons while nothing happens.
fn rest(out: &mut impl Write) -> io::Result<()> {
    let (configured, running, span) = AT_REST;
    let mut scene = Scene::new(configured - running);
    for number in 0..running {
        let name = format!("runs{number}");
        let draft = scene.workspace().container(&name);
        draft
            .rootfs(|rootfs| rootfs.init("while :; do sleep 1000; done"))
            .write();
        assert!(
            scene
                .workspace()
                .run(&[&format!("--name={name}"), "start"])
                .status
                .success()
        );
    }
    harness::pace::until("all of them run", Duration::from_secs(20), || {
        let answer = scene.docker().get("/containers/json").json();
        (answer.as_array()?.len() == running).then_some(())
    });
    // What a start has set going comes to its end.
    thread::park_timeout(Duration::from_secs(8));
    let daemons = [scene.pair().bridge().pid(), scene.pair().socketd().pid()];
    let before = daemons.map(switches);
    thread::park_timeout(span);
    let after = daemons.map(switches);
    writeln!(
        out,
        "\n{configured} configured, {running} running, {} s of rest: context switches of the bridge {}, of socketd {}",
        span.as_secs(),
        after[0] - before[0],
        after[1] - before[1]
    )
}

/// Context switches of every thread of a process so far.
fn switches(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    let of_one = |status: String| -> u64 {
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        lines
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum()
    };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("status")).ok())
        .map(of_one)
        .sum()
}
