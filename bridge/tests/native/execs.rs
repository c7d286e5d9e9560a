//! Further processes of containers that run.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use bridge::runtime::{ExecOrder, ExecRun, Runtime, RuntimeError};
use bridge::shim::control::connect_to;
use bridge::shim::record::{self, Ask, AskKind};
use nix::libc;
use wire::container::Exit;
use wire::{ContainerId, ExecSpec};

use crate::scene::{DEADLINE, Scene};

fn shell(script: &str) -> ExecSpec {
    ExecSpec {
        arguments: ["sh", "-c", script].map(str::to_owned).to_vec(),
        attach_stdout: true,
        attach_stderr: true,
        ..ExecSpec::default()
    }
}

fn try_exec(scene: &Scene, id: &ContainerId, name: &str, spec: &ExecSpec) -> Result<ExecRun, RuntimeError> {
    let order = ExecOrder {
        id: name,
        spec,
        detach: false,
    };
    scene.runtime.exec(id, order)
}

fn text_of(stream: OwnedFd) -> String {
    let mut bytes = Vec::new();
    // A terminal whose other side is gone ends with an error.
    let _ = File::from(stream).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs it to its end: how it ended, what it wrote to its output and to its error.
fn run(scene: &mut Scene, id: &ContainerId, spec: &ExecSpec) -> (Exit, String, String) {
    let ExecRun { started, streams } = try_exec(scene, id, "it", spec).unwrap();
    assert_eq!((started.output, started.error), (true, true));
    let mut texts = streams.into_iter().map(text_of);
    let (output, error) = (texts.next().unwrap(), texts.next().unwrap());
    assert!(texts.next().is_none());
    (scene.exec_end("it"), output, error)
}

fn output(scene: &mut Scene, id: &ContainerId, spec: &ExecSpec) -> String {
    let (exit, output, error) = run(scene, id, spec);
    assert_eq!(exit, Exit::default(), "{output} {error}");
    output
}

fn sleeper(scene: &mut Scene) -> ContainerId {
    scene.start(Scene::command(&["sleep", "600"])).0
}

/// The shim of a container, and what it holds.
fn shim_of(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn descriptors_of(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn codes_and_streams() {
    let mut scene = Scene::new();
    let id = sleeper(&mut scene);
    let (exit, output, error) = run(&mut scene, &id, &shell("echo one; echo two >&2; exit 42"));
    assert_eq!(
        (exit.code, output.as_str(), error.as_str()),
        (42, "one\n", "two\n")
    );
    let (exit, ..) = run(&mut scene, &id, &shell("kill -9 $$"));
    assert_eq!(exit.code, 137);
    // What it writes is its own, and no part of the container's log.
    assert_eq!(scene.log(&id), (String::new(), String::new()));
}

#[test]
fn commands_that_are_not_there_or_cannot_be_executed() {
    let mut scene = Scene::new();
    let id = sleeper(&mut scene);
    for (command, expected) in [
        ("nothing", "127 executable file not found in $PATH"),
        ("/no/thing", "127 stat /no/thing: no such file or directory"),
        ("/etc/plain", "126 permission denied"),
        ("/bin/garbage", "126 exec format error"),
        ("/bin/orphan", "127 no such file or directory"),
    ] {
        let spec = ExecSpec {
            arguments: vec![command.to_owned()],
            ..ExecSpec::default()
        };
        let words = match try_exec(&scene, &id, "it", &spec) {
            Err(RuntimeError::CommandNotFound { reason, .. }) => format!("127 {reason}"),
            Err(RuntimeError::CommandNotExecutable { reason, .. }) => format!("126 {reason}"),
            other => panic!("{command}: {other:?}"),
        };
        assert_eq!(words, expected, "{command}");
    }
    let mut refused = shell("true");
    refused.user = "eve".to_owned();
    assert!(matches!(
        try_exec(&scene, &id, "it", &refused),
        Err(RuntimeError::NoSuchUser(_))
    ));
    let mut refused = shell("true");
    refused.env = vec!["A=".to_owned() + &"x".repeat(200_000)];
    assert!(matches!(
        try_exec(&scene, &id, "it", &refused),
        Err(RuntimeError::InvalidSpec(_))
    ));
}

#[test]
fn user_environment_and_directory() {
    let mut scene = Scene::new();
    let mut spec = Scene::command(&["sleep", "600"]);
    spec.process.env = vec!["A=container".to_owned(), "B=container".to_owned()];
    spec.process.working_dir = "/var".to_owned();
    let (id, _) = scene.start(spec);
    let mut spec = shell("echo $(id -u) $(id -G) $HOME $A $B $(pwd)");
    assert_eq!(
        output(&mut scene, &id, &spec),
        "0 0 /root container container /var\n"
    );
    spec.user = "ana".to_owned();
    spec.env = vec!["B=own".to_owned()];
    spec.working_dir = "/home".to_owned();
    assert_eq!(
        output(&mut scene, &id, &spec),
        "1000 100 10 /home/ana container own /home\n"
    );
    spec.working_dir = "/not/there".to_owned();
    assert!(try_exec(&scene, &id, "it", &spec).is_err());
}

#[test]
fn it_is_where_the_first_process_is_and_no_more() {
    let mut scene = Scene::new();
    let mut spec = Scene::command(&["sleep", "600"]);
    spec.resources.memory_bytes = 64 << 20;
    let (id, _) = scene.start(spec);
    let compare = "for n in mnt net uts ipc pid cgroup; do \
         test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo $n differs; done; \
         test \"$(cat /proc/1/cgroup)\" = \"$(cat /proc/self/cgroup)\" || echo groups differ; \
         for f in Seccomp: CapEff: CapBnd: NoNewPrivs:; do \
         test \"$(grep $f /proc/1/status)\" = \"$(grep $f /proc/self/status)\" || echo $f differs; done; \
         test \"$(grep files /proc/1/limits)\" = \"$(grep files /proc/self/limits)\" || echo limits differ; \
         ls /proc/self/fd | wc -l; ps | grep -c shim";
    // Three streams and the directory that `ls` reads; and `grep` finds itself.
    let found = output(&mut scene, &id, &shell(compare));
    assert_eq!(found.lines().next(), Some("4"), "{found}");
    let mut spec = shell("grep CapEff /proc/self/status");
    assert!(output(&mut scene, &id, &spec).contains("00000000a80425fb"));
    spec.privileged = true;
    let bound = fs::read_to_string("/proc/self/status").unwrap();
    let all = bound
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:\t"))
        .unwrap();
    assert!(output(&mut scene, &id, &spec).contains(all));
}

#[test]
fn a_terminal_has_a_size_and_an_end() {
    let mut scene = Scene::new();
    let id = sleeper(&mut scene);
    let mut spec = shell("tty; stty size; read line; echo got $line; stty size; exit 5");
    spec.tty = true;
    spec.attach_stdin = true;
    (spec.rows, spec.columns) = (33, 99);
    let ExecRun { started, streams } = try_exec(&scene, &id, "it", &spec).unwrap();
    assert!(started.terminal && !started.input && !started.output);
    let [master]: [OwnedFd; 1] = streams.try_into().unwrap();
    bridge::sys::terminal::set_size(&master, 20, 40).unwrap();
    let mut terminal = File::from(master.try_clone().unwrap());
    terminal.write_all(b"word\n").unwrap();
    let text = text_of(master);
    assert!(text.contains("/dev/pts/0"), "{text}");
    assert!(text.contains("got word\r\n20 40\r\n"), "{text}");
    assert_eq!(scene.exec_end("it").code, 5);
    // Nobody at its master any more: it is hung up.
    let ExecRun { streams, .. } = try_exec(&scene, &id, "hung", &spec).unwrap();
    drop(streams);
    let code = scene.exec_end("hung").code;
    assert!(code == 129 || code == 5, "{code}");
}

#[test]
fn standard_input_ends_with_its_writer() {
    let mut scene = Scene::new();
    let id = sleeper(&mut scene);
    let mut spec = shell("cat; echo end");
    spec.attach_stdin = true;
    let ExecRun { started, streams } = try_exec(&scene, &id, "it", &spec).unwrap();
    assert!(started.input && started.output && started.error);
    let [input, output, _error]: [OwnedFd; 3] = streams.try_into().unwrap();
    let mut input = File::from(input);
    input.write_all(b"word\n").unwrap();
    drop(input);
    assert_eq!(text_of(output), "word\nend\n");
    assert_eq!(scene.exec_end("it").code, 0);
}

#[test]
fn detached_it_runs_without_anybody() {
    let mut scene = Scene::new();
    let id = sleeper(&mut scene);
    for tty in [false, true] {
        let mut spec = shell("head -c 100000 /dev/zero; exit 7");
        spec.tty = tty;
        let order = ExecOrder {
            id: "it",
            spec: &spec,
            detach: true,
        };
        let ExecRun { started, streams } = scene.runtime.exec(&id, order).unwrap();
        assert!(started.pid > 0 && streams.is_empty());
        assert_eq!(scene.exec_end("it").code, 7);
    }
}

#[test]
fn signals_reach_it_and_not_what_has_ended() {
    let mut scene = Scene::new();
    let id = sleeper(&mut scene);
    try_exec(&scene, &id, "it", &shell("exec sleep 600")).unwrap();
    assert!(matches!(
        scene.runtime.signal_exec(&id, "it", 999),
        Err(RuntimeError::InvalidSpec(_))
    ));
    scene.runtime.signal_exec(&id, "it", libc::SIGTERM).unwrap();
    assert_eq!(scene.exec_end("it").code, 143);
    scene.runtime.signal_exec(&id, "it", libc::SIGTERM).unwrap();
}

#[test]
fn the_end_of_the_container_is_the_end_of_all() {
    let mut scene = Scene::new();
    let id = sleeper(&mut scene);
    for name in ["one", "two"] {
        try_exec(&scene, &id, name, &shell("exec sleep 600")).unwrap();
    }
    scene.runtime.signal(&id, libc::SIGKILL).unwrap();
    for name in ["one", "two"] {
        assert_eq!(scene.exec_end(name).code, 137);
    }
    assert_eq!(scene.end(&id).code, 137);
    assert!(matches!(
        try_exec(&scene, &id, "late", &shell("true")),
        Err(RuntimeError::NotRunning)
    ));
    // A shim that was killed tells nothing, and that is told.
    let (id, started) = scene.start(Scene::command(&["sleep", "600"]));
    try_exec(&scene, &id, "three", &shell("exec sleep 600")).unwrap();
    let shim = i32::try_from(shim_of(started.pid)).unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(shim),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert!(scene.exec_end("three").unknown);
    assert!(scene.end(&id).unknown);
}

#[test]
fn a_new_bridge_leaves_it_running() {
    let mut scene = Scene::new();
    let id = sleeper(&mut scene);
    let run = try_exec(&scene, &id, "it", &shell("exec sleep 600")).unwrap();
    scene.restart();
    assert!(bridge::sys::pidfd::start_ticks(run.started.pid).is_ok());
    assert_eq!(output(&mut scene, &id, &shell("echo still here")), "still here\n");
}

#[test]
fn a_hundred_leave_nothing_behind() {
    let mut scene = Scene::new();
    let (id, started) = scene.start(Scene::command(&["sleep", "600"]));
    let shim = shim_of(started.pid);
    let children = || fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
    let alone = children();
    output(&mut scene, &id, &shell("true"));
    // The first one may be remembered still, so this is the most that may be left.
    let most = descriptors_of(shim);
    for round in 0..50 {
        assert_eq!(run(&mut scene, &id, &shell("exit 3")).0.code, 3, "{round}");
    }
    let runs: Vec<ExecRun> = (0..50)
        .map(|at| try_exec(&scene, &id, &format!("{at}"), &shell("exec sleep 600")).unwrap())
        .collect();
    for at in 0..50 {
        scene
            .runtime
            .signal_exec(&id, &format!("{at}"), libc::SIGKILL)
            .unwrap();
        assert_eq!(scene.exec_end(&format!("{at}")).code, 137);
    }
    drop(runs);
    // The last answer of the shim comes before it forgets the process.
    let deadline = std::time::Instant::now() + DEADLINE;
    while descriptors_of(shim) > most || children() != alone {
        assert!(std::time::Instant::now() < deadline, "{}", descriptors_of(shim));
        std::thread::yield_now();
    }
}

/// A start can hang in the container, here in a frozen group. Nothing else waits for it, and it is
/// given up when nobody waits for it any more.
#[test]
fn a_start_that_hangs_keeps_nobody_waiting() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("echo ready; sleep 600");
    spec.process.tty = true;
    let (id, started) = scene.start(spec);
    scene.await_output(&id, "ready");
    let Some(group) = Scene::groups(&id)
        .into_iter()
        .find(|group| group.join("freezer.state").exists() || group.join("cgroup.freeze").exists())
    else {
        panic!("this kernel freezes no groups");
    };
    let freeze = |frozen: bool| {
        let (file, word) = match (group.join("freezer.state").exists(), frozen) {
            (true, true) => ("freezer.state", "FROZEN"),
            (true, false) => ("freezer.state", "THAWED"),
            (false, true) => ("cgroup.freeze", "1"),
            (false, false) => ("cgroup.freeze", "0"),
        };
        fs::write(group.join(file), word).unwrap();
    };
    freeze(true);
    let connection = connect_to(&scene.directory(&id)).unwrap();
    let ask = Ask {
        kind: AskKind::Exec,
        exec: shell("exec sleep 600"),
        ..Ask::default()
    };
    record::send_with(&connection, &ask, &[]).unwrap();
    scene.runtime.resize(&id, 10, 20).unwrap();
    drop(connection);
    scene.runtime.resize(&id, 20, 10).unwrap();
    freeze(false);
    let shim = shim_of(started.pid);
    let children = || fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
    let deadline = std::time::Instant::now() + DEADLINE;
    while children().split_whitespace().count() != 1 {
        assert!(std::time::Instant::now() < deadline, "{}", children());
        std::thread::yield_now();
    }
}
