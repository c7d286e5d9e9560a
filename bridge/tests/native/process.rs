//! The command: finding it, who it is, what it is given; and what happens without its shim.

use std::fs;

use bridge::runtime::{Runtime, RuntimeError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wire::spec::{NetworkMode, Spec};

use crate::scene::Scene;

fn parent(pid: u32) -> i32 {
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

#[test]
fn commands_that_are_not_there_or_cannot_be_executed() {
    let mut scene = Scene::new();
    let mut check = |command: &str, expected: &str| {
        let failure = scene.failure(Scene::command(&[command]));
        let words = match &failure {
            RuntimeError::CommandNotFound { reason, .. } => format!("127 {reason}"),
            RuntimeError::CommandNotExecutable { reason, .. } => format!("126 {reason}"),
            other => panic!("{command}: {other:?}"),
        };
        assert_eq!(words, expected, "{command}");
    };
    check("nothing", "127 executable file not found in $PATH");
    check("/no/thing", "127 stat /no/thing: no such file or directory");
    check(
        "/etc/passwd/x",
        "127 stat /etc/passwd/x: no such file or directory",
    );
    check("/etc/plain", "126 permission denied");
    check("/etc", "126 permission denied");
    check("/bin/garbage", "126 exec format error");
    check("/bin/orphan", "127 no such file or directory");
}

#[test]
fn a_failed_start_leaves_nothing_in_the_way_of_the_next() {
    let mut scene = Scene::new();
    let id = scene.create(Scene::command(&["/late"]));
    scene.runtime.start(&id).expect_err("it is not there yet");
    assert_eq!(Scene::groups(&id), Vec::<std::path::PathBuf>::new());
    let upper = scene.directory(&id).join("upper/late");
    fs::write(&upper, "#!/bin/sh\nexit 9\n").unwrap();
    fs::set_permissions(&upper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    scene.runtime.start(&id).unwrap();
    assert_eq!(scene.end(&id).code, 9);
}

#[test]
fn users() {
    let mut scene = Scene::new();
    let mut check = |user: &str, added: &[&str], expected: &str| {
        let mut spec = Scene::shell("echo $(id -u) $(id -g) $(id -G) $HOME");
        user.clone_into(&mut spec.process.user);
        spec.security.groups_added = added.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(scene.output(spec).trim(), expected, "{user}");
    };
    check("", &[], "0 0 0 /root");
    check("ana", &[], "1000 100 100 10 /home/ana");
    check("1234:77", &["wheel"], "1234 77 77 10 /");
    let mut spec = Scene::shell("true");
    spec.process.user = "eve".to_owned();
    assert!(matches!(scene.failure(spec), RuntimeError::NoSuchUser(text)
        if text == "unable to find user eve: no matching entries in passwd file"));
}

#[test]
fn environment_name_and_directory() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("echo $A $PATH $HOSTNAME $(hostname) $(cat /etc/hostname) $(pwd) $TERM");
    spec.process.env = vec!["A=b c".to_owned()];
    spec.hostname = "box".to_owned();
    spec.process.working_dir = "/made/for/it".to_owned();
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(
        scene.output(spec),
        format!("b c {path} box box box /made/for/it\n")
    );
    let id = scene.create(Scene::command(&["hostname"]));
    scene.runtime.start(&id).unwrap();
    assert_eq!(scene.end(&id).code, 0);
    assert_eq!(scene.log(&id).0.trim(), id.hex().short());
}

#[test]
fn networks() {
    let mut scene = Scene::new();
    let interfaces = |mode| -> Spec {
        let mut spec = Scene::shell("readlink /proc/self/ns/net; ip link | grep -c UP");
        spec.network.mode = mode;
        spec
    };
    let host = fs::read_link("/proc/self/ns/net").unwrap();
    let own = scene.output(interfaces(NetworkMode::None));
    assert!(!own.contains(host.to_str().unwrap()), "{own}");
    assert_eq!(own.lines().nth(1), Some("1"), "loopback is up: {own}");
    assert!(
        scene
            .output(interfaces(NetworkMode::Host))
            .contains(host.to_str().unwrap())
    );
}

#[test]
fn a_terminal() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("tty; echo error >&2; test -t 0 && echo $TERM; echo console > /dev/console");
    spec.process.tty = true;
    let (id, _) = scene.start(spec);
    assert_eq!(scene.end(&id).code, 0);
    assert_eq!(scene.log(&id).0, "/dev/pts/0\r\nerror\r\nxterm\r\nconsole\r\n");
}

#[test]
fn standard_input() {
    let mut scene = Scene::new();
    assert_eq!(scene.output(Scene::shell("cat; echo end")), "end\n");
    let mut spec = Scene::shell("echo ready; cat");
    spec.process.open_stdin = true;
    let (id, _) = scene.start(spec);
    scene.await_output(&id, "ready");
    scene.runtime.signal(&id, 9).unwrap();
    assert_eq!(scene.end(&id).code, 137);
}

#[test]
fn a_small_init_reaps_and_passes_signals_on() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("trap 'exit 6' TERM; (sleep 0 &); echo pid $$; while :; do sleep 1; done");
    spec.process.init = true;
    spec.process.user = "ana".to_owned();
    let (id, _) = scene.start(spec);
    scene.await_output(&id, "pid 2");
    scene.runtime.signal(&id, nix::libc::SIGTERM).unwrap();
    assert_eq!(scene.end(&id).code, 6);
    let mut spec = Scene::command(&["nothing"]);
    spec.process.init = true;
    assert!(matches!(
        scene.failure(spec),
        RuntimeError::CommandNotFound { .. }
    ));
}

#[test]
fn without_its_shim_a_container_is_gone() {
    let mut scene = Scene::new();
    let (id, started) = scene.start(Scene::command(&["sleep", "600"]));
    kill(Pid::from_raw(parent(started.pid)), Signal::SIGKILL).unwrap();
    assert!(scene.end(&id).unknown);
    assert!(matches!(
        scene.runtime.signal(&id, 9),
        Err(RuntimeError::NotRunning)
    ));
    // Whoever inherits it may not have reaped it yet; it runs no more.
    assert!(bridge::sys::pidfd::start_ticks(started.pid).is_err());
    scene.runtime.start(&id).unwrap();
}

/// A command that leads back to the host's program (`/proc/self/exe`) must not make it writable.
#[test]
fn the_hosts_own_program_cannot_be_written() {
    let mut scene = Scene::new();
    let (_, started) = scene.start(Scene::command(&["sleep", "600"]));
    // A file that is being executed cannot be written anyway; this holds also when it ends.
    let exe = nix::sys::statvfs::statvfs(format!("/proc/{}/exe", parent(started.pid)).as_str()).unwrap();
    assert!(exe.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY));
}
