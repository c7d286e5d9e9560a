//! Whether anything is left of those who followed a log and of processes that were started.

use std::fs;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use harness::{Connection, Docker, Pair, pace};

/// Who follows the log in each round.
const FOLLOWERS: usize = 100;
/// Processes that are started at a time in each round.
const EXECS: usize = 50;
/// Rounds before the first count: buffers and threads that are kept are there then.
const BEFORE: usize = 2;
/// Time for everything of a round to be gone.
const LIMIT: Duration = Duration::from_secs(60);
/// Looks, a twentieth of a second apart, that show the same once it is at rest: threads that are kept
/// in reserve for ten seconds are gone then.
const LOOKS: usize = 240;

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    threads: usize,
    children: usize,
}

impl Held {
    fn of(pid: i32) -> Self {
        let count = |folder: &str| {
            fs::read_dir(format!("/proc/{pid}/{folder}"))
                .expect("the process is gone")
                .count()
        };
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        Self {
            descriptors: count("fd"),
            threads: count("task"),
            children: children.map_or(0, |children| children.split_whitespace().count()),
        }
    }
}

pub(super) fn report(out: &mut impl Write, pair: &mut Pair, rounds: usize) -> io::Result<()> {
    let docker = pair.docker();
    super::run(&docker, "growth");
    let first = docker.inspect("growth")["State"]["Pid"]
        .as_i64()
        .expect("it runs");
    let shim = i32::try_from(super::status(i32::try_from(first).expect("a process id"), "PPid"))
        .expect("a process id");
    let processes = [
        ("bridge", pair.bridge().pid()),
        ("socketd", pair.socketd().pid()),
        ("shim", shim),
    ];
    (0..BEFORE).try_for_each(|_| round(&docker))?;
    let resident = |(_, pid): (&str, i32)| super::status(pid, "VmRSS");
    let (held, memory) = (at_rest(&processes), processes.map(resident));
    (0..rounds).try_for_each(|_| round(&docker))?;
    let (held_then, memory_then) = (at_rest(&processes), processes.map(resident));
    writeln!(
        out,
        "{rounds} rounds of {FOLLOWERS} followers of a log and {EXECS} execs at a time: before, after"
    )?;
    for (index, (name, _)) in processes.iter().enumerate() {
        let (a, b) = (held[index], held_then[index]);
        writeln!(
            out,
            "    {name:<8} descriptors {:>4} {:>4}   threads {:>3} {:>3}   children {:>3} {:>3}   \
             resident MiB {:>6.2} {:>6.2}",
            a.descriptors,
            b.descriptors,
            a.threads,
            b.threads,
            a.children,
            b.children,
            memory[index] as f64 / 1024.0,
            memory_then[index] as f64 / 1024.0
        )?;
    }
    super::remove(&docker, "growth");
    Ok(())
}

/// Followers come, processes come and go beside them, and the followers vanish.
fn round(docker: &Docker) -> io::Result<()> {
    let followers: Vec<Connection> = (0..FOLLOWERS)
        .map(|_| {
            let mut connection = docker.connect();
            connection.send("GET", "/containers/growth/logs?stdout=1&stderr=1&follow=1", None)?;
            assert_eq!(connection.head(false)?.status, 200);
            Ok(connection)
        })
        .collect::<io::Result<_>>()?;
    thread::scope(|scope| {
        for _ in 0..EXECS {
            scope.spawn(|| super::exec::life(docker, "growth"));
        }
    });
    drop(followers);
    Ok(())
}

/// What they hold once it no longer changes: who vanished is noticed a little later.
fn at_rest(processes: &[(&str, i32); 3]) -> [Held; 3] {
    let look = || processes.map(|(_, pid)| Held::of(pid));
    let mut last = look();
    let mut same = 0;
    pace::until("everything of a round is gone", LIMIT, || {
        let now = look();
        same = if std::mem::replace(&mut last, now) == now {
            same + 1
        } else {
            0
        };
        (same == LOOKS).then_some(last)
    })
}
