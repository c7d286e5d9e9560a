//! Everything ends, as with the machine, and begins again: the `docker` command shows every event there ever was.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::{Cli, Pair, pace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Time for what was killed to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(10);

/// The command sends whole seconds: what happens in the one that runs is not shown until it is over.
fn let_the_second_pass() {
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let begin = second();
    pace::until("the second passes", GONE_LIMIT, || {
        (second() > begin).then_some(())
    });
}

/// Lines of `docker events` from the beginning to now.
fn events(cli: &Cli, filters: &[&str]) -> Vec<String> {
    let mut command = vec![
        "events",
        "--since",
        "0",
        "--until",
        "0s",
        "--format",
        "{{json .}}",
    ];
    command.extend(filters.iter().flat_map(|filter| ["--filter", *filter]));
    cli.run(&command).lines().map(str::to_owned).collect()
}

/// Kills everything at once: both daemons, the shim of the container that runs, the container.
fn pull_the_plug(pair: &mut Pair) {
    let init = pair.docker().inspect("runs")["State"]["Pid"].as_i64().unwrap();
    let init = i32::try_from(init).unwrap();
    let status = fs::read_to_string(format!("/proc/{init}/status")).unwrap();
    let shim = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap();
    let shim = shim.trim().parse().unwrap();
    pair.bridge().crash();
    pair.socketd().crash();
    for pid in [shim, init] {
        // A shim takes its container with it: what is gone already is as it should be.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    pace::until("what was killed is gone", GONE_LIMIT, || {
        let gone = |pid: i32| !Path::new(&format!("/proc/{pid}")).exists();
        (gone(shim) && gone(init)).then_some(())
    });
}

#[test]
fn every_event_ever_is_there_after_everything_was_killed() {
    let mut pair = Pair::start();
    let cli = Cli::of(&pair);
    cli.run(&[
        "run",
        "-d",
        "--name",
        "runs",
        "--label",
        "team=a",
        "--stop-timeout",
        "1",
        "bb",
        "/bin/sleep",
        "100000",
    ]);
    cli.run(&["run", "-d", "--name", "ended", "bb", "/bin/sh", "-c", "exit 3"]);
    cli.run(&["wait", "ended"]);
    cli.run(&["rename", "ended", "done"]);
    cli.run(&["rm", "done"]);
    let_the_second_pass();
    let mut before = events(&cli, &[]);
    for _ in 0..2 {
        pull_the_plug(&mut pair);
        pair.restart_socketd();
        pair.restart_bridge();
        let_the_second_pass();
        let after = events(&cli, &[]);
        assert_eq!(after[..before.len()], before);
        // What the end did to the container that ran is found, once, and comes last.
        let found = &after[before.len()..];
        let deaths = found.iter().filter(|line| line.contains(r#""Action":"die""#));
        assert_eq!(deaths.count(), 1, "{found:?}");
        let of_it = |line: &String| line.contains(r#""name":"runs""#) || line.contains(r#""Type":"network""#);
        assert!(found.iter().all(of_it), "{found:?}");
        cli.run(&["start", "runs"]);
        let_the_second_pass();
        before = events(&cli, &[]);
    }
    let all = |part: &str| -> Vec<_> {
        before
            .iter()
            .filter(|line| line.contains(part))
            .cloned()
            .collect()
    };
    for (filters, part) in [
        (["event=die"].as_slice(), r#""Action":"die""#),
        (&["type=image"], r#""Type":"image""#),
        (&["type=container", "event=rename"], r#""Action":"rename""#),
        (&["label=team=a"], r#""team":"a""#),
        (&["container=done"], r#""name":"done""#),
    ] {
        let passed = events(&cli, filters);
        assert_eq!(passed, all(part), "{filters:?}");
        assert!(!passed.is_empty(), "{filters:?}");
    }
}
