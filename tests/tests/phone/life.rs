//! Daemons that run, come back, and leave containers alone.

use std::fs;

use harness::docker::Docker;
use harness::{pace, rootfs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::place::{LIMIT, Phone, Shell};

/// A container that does nothing, and the number of its process.
pub(crate) fn sleeper(docker: &Docker, name: &str) -> i64 {
    docker.import("bb:latest", &rootfs::busybox());
    let body = json!({"Image": "bb:latest", "Cmd": ["/bin/sleep", "100000"]});
    docker
        .post_json(&format!("/containers/create?name={name}"), &body)
        .expect(201);
    docker.post(&format!("/containers/{name}/start")).expect(204);
    pid(docker, name)
}

pub(crate) fn pid(docker: &Docker, name: &str) -> i64 {
    docker.inspect(name)["State"]["Pid"].as_i64().unwrap()
}

/// Kills a daemon as a crash would, and waits for another.
fn crash(phone: &Phone, note: &str) {
    let before = phone.process(note);
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    pace::until("another one runs", LIMIT, || {
        (phone.process(note) != before).then_some(())
    });
}

fn check(shell: Shell) {
    let phone = Phone::with_module(shell);
    assert_eq!(phone.list(), "");
    let docker = phone.docker();
    let init = sleeper(&docker, "web");
    assert_eq!(phone.list(), "web running\n");
    for note in ["bridge.pid", "socketd.pid"] {
        crash(&phone, note);
        pace::until("it answers again", LIMIT, || {
            (phone.list() == "web running\n").then_some(())
        });
        assert_eq!(pid(&docker, "web"), init);
    }
    let action = phone.script("adb/modules/socketd/action.sh", &[]);
    for expected in [
        "socketd 1.2.3",
        "The bridge (root) runs",
        "socketd (user 60750) runs",
        "tcp://127.0.0.1:2375",
    ] {
        assert!(action.contains(expected), "{expected}: {action}");
    }
    let log = fs::read_to_string(phone.own("log/bridge.log")).unwrap();
    assert!(
        log.contains("keep.sh: bridge ended with status 137; starting it again in 1 s"),
        "{log}"
    );
}

#[test]
fn daemons_come_back_and_containers_run_on() {
    check(Shell::Busybox);
}

#[test]
fn android_s_own_shell_and_tools_will_do() {
    check(Shell::Android);
}
