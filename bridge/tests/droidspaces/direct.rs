//! Where the daemon cannot serve: a stand-in for the runtime's command, which executes what it is given.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::thread;

use bridge::runtime::RuntimeError;
use nix::libc;
use wire::ExecSpec;

use super::scene::{Scene, all, command, interactive, mebibyte};
use super::stand_in::{StandIn, name, run};

/// Where it is, until dropped.
struct StandInCommand(PathBuf);

impl StandInCommand {
    fn new() -> Self {
        let path = std::env::temp_dir().join(name());
        let text =
            "#!/bin/sh\n[ \"$1\" = '--name=a box' ] && [ \"$2\" = run ] || exit 99\nshift 2\nexec \"$@\"\n";
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o700)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Self(path)
    }
}

impl Drop for StandInCommand {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn with_input(arguments: &[&str]) -> ExecSpec {
    ExecSpec {
        attach_stdin: true,
        ..command(arguments)
    }
}

#[test]
fn standard_input_goes_to_the_command() {
    let (daemon, stand_in) = (StandIn::new(run), StandInCommand::new());
    let scene = Scene::with(&daemon.name, stand_in.0.clone());
    let mut ran = scene.start(
        "one",
        &with_input(&["/bin/sh", "-c", "cat; echo end >&2; exit 5"]),
    );
    let started = &ran.started;
    assert_eq!(
        (started.terminal, started.input, started.output, started.error),
        (false, true, true, true)
    );
    let (error, output) = (ran.streams.pop().unwrap(), ran.streams.pop().unwrap());
    let mut input = File::from(ran.streams.pop().unwrap());
    let typist = thread::spawn(move || input.write_all(&mebibyte()).unwrap());
    assert!(all(output) == mebibyte());
    assert_eq!(all(error), b"end\n");
    typist.join().unwrap();
    scene.expect_end("one", Some(5));
}

#[test]
fn without_a_daemon_the_command_does() {
    let stand_in = StandInCommand::new();
    let scene = Scene::with(&name(), stand_in.0.clone());
    let mut ran = scene.start("one", &command(&["/usr/bin/env"]));
    let shown = String::from_utf8(all(ran.streams.remove(0))).unwrap();
    scene.expect_end("one", Some(0));
    let names = |line: &str| line.split_once('=').unwrap().0.to_owned();
    let mut variables: Vec<String> = shown.lines().map(names).collect();
    // The stand-in is a shell, which adds one of its own.
    variables.retain(|variable| variable != "PWD");
    variables.sort();
    assert_eq!(variables, ["DS_NO_PROXY", "PATH"]);
    assert!(shown.contains("DS_NO_PROXY=1\n"));
}

#[test]
fn what_the_daemon_would_refuse_goes_to_the_command() {
    let (daemon, stand_in) = (StandIn::new(run), StandInCommand::new());
    let scene = Scene::with(&daemon.name, stand_in.0.clone());
    let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let mut asked = command(&["/bin/echo", "daemon"]);
    asked.arguments.extend(many.iter().cloned());
    let mut ran = scene.start("one", &asked);
    let shown = String::from_utf8(all(ran.streams.remove(0))).unwrap();
    assert_eq!(shown, format!("daemon {}\n", many.join(" ")));
    scene.expect_end("one", Some(0));
}

#[test]
fn a_terminal_is_its_own() {
    let stand_in = StandInCommand::new();
    let scene = Scene::with(&name(), stand_in.0.clone());
    let script = "stty size; read x < /dev/tty; echo \"<$x>\"; kill -INT $$";
    let mut ran = scene.start("one", &interactive(&["/bin/sh", "-c", script]));
    assert!(ran.started.terminal && ran.streams.len() == 1);
    let master = ran.streams.pop().unwrap();
    File::from(master.try_clone().unwrap())
        .write_all(b"hello\n")
        .unwrap();
    let shown = String::from_utf8(all(master)).unwrap();
    assert!(
        shown.contains("24 80\r\n") && shown.contains("<hello>\r\n"),
        "{shown:?}"
    );
    scene.expect_end("one", Some(128 + libc::SIGINT.unsigned_abs()));
}

#[test]
fn it_has_no_descriptor_of_ours() {
    let stand_in = StandInCommand::new();
    let scene = Scene::with(&name(), stand_in.0.clone());
    let mut ran = scene.start("one", &command(&["/bin/ls", "/proc/self/fd"]));
    // Three streams, and the one that the list is read through.
    assert_eq!(all(ran.streams.remove(0)), b"0\n1\n2\n3\n");
    scene.expect_end("one", Some(0));
}

#[test]
fn signals_go_to_the_command() {
    let stand_in = StandInCommand::new();
    let scene = Scene::with(&name(), stand_in.0.clone());
    for (id, signal) in [("a", libc::SIGUSR1), ("b", libc::SIGTERM), ("c", libc::SIGKILL)] {
        let _ran = scene.start(id, &with_input(&["/bin/cat"]));
        assert!(matches!(
            scene.execs.signal(id, 500),
            Err(RuntimeError::InvalidSpec(_))
        ));
        scene.execs.signal(id, signal).unwrap();
        scene.expect_end(id, Some(128 + signal.unsigned_abs()));
        scene.execs.signal(id, signal).unwrap();
    }
}

#[test]
fn a_command_that_is_not_there() {
    let stand_in = StandInCommand::new();
    fs::set_permissions(&stand_in.0, fs::Permissions::from_mode(0o600)).unwrap();
    for (path, expected) in [
        (PathBuf::from("/nowhere/command"), libc::ENOENT),
        (stand_in.0.clone(), libc::EACCES),
    ] {
        let scene = Scene::with(&name(), path);
        let Err(RuntimeError::System { error, .. }) = scene.try_start("one", &command(&["x"]), false) else {
            panic!("it was executed");
        };
        assert_eq!(error.raw_os_error(), Some(expected));
        assert_eq!(scene.heard(), None);
    }
}
