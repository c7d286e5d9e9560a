//! Who is not let in, whatever they claim to be.

use std::process::Command;
use std::thread;

use harness::Pair;
use harness::binaries::hostile_front;
use nix::sched::{CloneFlags, unshare};

/// The front's number, of user and group.
const FRONT: &str = "60750";

/// What both doors say to somebody with these options, from a process namespace of its own where asked.
fn knock(pair: &Pair, new_processes: bool, options: &[&str]) -> Vec<String> {
    let mut command = Command::new(hostile_front());
    command
        .args(["--knock", "1"])
        .args(options)
        .arg("--dir")
        .arg(pair.dir().join("run/bridge"));
    let output = thread::spawn(move || {
        if new_processes {
            // For the children of this thread alone.
            unshare(CloneFlags::CLONE_NEWPID).unwrap();
        }
        command.output().unwrap()
    });
    let output = output.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn check(pair: &Pair, new_processes: bool, options: &[&str], expected: &str) {
    let said = knock(pair, new_processes, options);
    let all = said.iter().all(|said| said.starts_with(expected));
    assert!(
        all && said.len() == 2,
        "{options:?}: {said:?}, and not {expected}"
    );
}

#[test]
fn who_is_let_in() {
    let pair = Pair::start_empty();
    let front = ["--uid", FRONT, "--gid", FRONT];
    let root_without_group = ["--gid", "0"];
    check(&pair, false, &front, "answered");
    check(&pair, false, &root_without_group, "answered");
    // The file system says it first, the gate again.
    check(&pair, false, &["--uid", "1000", "--gid", "1000"], "unreachable");
    check(&pair, false, &["--uid", "1000", "--gid", FRONT], "refused");
    check(&pair, false, &["--uid", "4294967294", "--gid", FRONT], "refused");
    // Root's number, and the front's, in a container.
    check(&pair, true, &[], "refused");
    check(&pair, true, &front, "refused");
    check(&pair, false, &["--new-users", "1"], "refused");
    check(
        &pair,
        false,
        &["--uid", FRONT, "--gid", FRONT, "--new-users", "1"],
        "refused",
    );
    check(&pair, false, &front, "answered");
}
