//! Being made, started, signalled, found again and removed.

use bridge::runtime::{Condition, Runtime, RuntimeError};
use nix::libc;
use wire::container::Exit;

use crate::scene::Scene;

fn code(code: u32) -> Exit {
    Exit {
        code,
        ..Exit::default()
    }
}

#[test]
fn exit_codes() {
    let mut scene = Scene::new();
    for expected in [0, 1, 42, 255] {
        assert_eq!(
            scene.run(Scene::shell(&format!("exit {expected}"))).exit,
            code(expected)
        );
    }
}

#[test]
fn output_and_error_are_logged_apart() {
    let mut scene = Scene::new();
    let outcome = scene.run(Scene::shell("echo one; echo two >&2; printf three"));
    assert_eq!(
        (outcome.output.as_str(), outcome.error.as_str()),
        ("one\nthree", "two\n")
    );
}

#[test]
fn signals_reach_the_first_process() {
    let mut scene = Scene::new();
    let (id, _) = scene.start(Scene::shell(
        "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 1; done",
    ));
    scene.await_output(&id, "ready");
    scene.runtime.signal(&id, libc::SIGTERM).unwrap();
    assert_eq!(scene.end(&id), code(7));
    assert!(matches!(
        scene.runtime.signal(&id, libc::SIGTERM),
        Err(RuntimeError::NotRunning)
    ));

    let (id, _) = scene.start(Scene::command(&["sleep", "600"]));
    assert!(matches!(
        scene.runtime.signal(&id, 999),
        Err(RuntimeError::InvalidSpec(_))
    ));
    scene.runtime.signal(&id, libc::SIGKILL).unwrap();
    assert_eq!(scene.end(&id), code(137));
}

#[test]
fn a_container_can_be_started_again_with_the_files_it_left() {
    let mut scene = Scene::new();
    let (id, _) = scene.start(Scene::shell("cat /kept; echo again > /kept"));
    assert_eq!(scene.end(&id), code(0));
    scene.runtime.start(&id).unwrap();
    assert_eq!(scene.end(&id), code(0));
    assert_eq!(scene.log(&id).0, "again\n");
}

#[test]
fn a_new_bridge_finds_what_runs_and_what_ended() {
    let mut scene = Scene::new();
    let never = scene.create(Scene::shell("exit 1"));
    let (running, started) = scene.start(Scene::shell(
        "trap 'exit 5' TERM; echo ready; while :; do sleep 1; done",
    ));
    scene.await_output(&running, "ready");
    let (ended, _) = scene.start(Scene::shell("exit 3"));
    assert_eq!(scene.end(&ended), code(3));
    let (ending, _) = scene.start(Scene::shell(
        "trap 'exit 4' TERM; echo ready; while :; do sleep 1; done",
    ));
    scene.await_output(&ending, "ready");
    let group = Scene::groups(&ending).pop().unwrap();
    let pid: i32 = std::fs::read_to_string(group.join("cgroup.procs"))
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    scene.restart_after(|| {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
        // Its groups go with the container, just before the note is left.
        while group.exists() {
            std::thread::yield_now();
        }
    });
    let condition = |id| {
        let found = scene.found.iter().find(|found| found.container.id == id).unwrap();
        assert_eq!(found.container.name, "test");
        found.condition.clone()
    };
    assert_eq!(condition(never), Condition::Created);
    assert_eq!(
        condition(running),
        Condition::Running {
            pid: started.pid,
            started_at: started.started_at,
            since_boot_ns: started.since_boot_ns,
            frozen: false,
        }
    );
    assert!(
        matches!(condition(ended), Condition::Exited { exit, finished_at, .. }
        if exit == code(3) && !finished_at.is_never())
    );
    match condition(ending) {
        Condition::Exited { exit, .. } => assert_eq!(exit, code(4)),
        // The note had not been left yet; then its end is told.
        Condition::Running { .. } => assert_eq!(scene.end(&ending), code(4)),
        Condition::Created => panic!("it ran"),
    }
    scene.runtime.signal(&running, libc::SIGTERM).unwrap();
    assert_eq!(scene.end(&running), code(5));
}
