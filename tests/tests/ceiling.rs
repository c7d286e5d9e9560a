//! What root forbids the bridge to do, asked for with the `docker` command.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::binaries::binaries;
use harness::daemon::Daemon;
use harness::pair::{IMAGE, new_dir};
use harness::{Cli, Pair, pace, rootfs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Time for a container to be started, or not.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A folder of root's, below others of root's, with a ceiling in it.
struct Place(PathBuf);

impl Place {
    fn new(ceiling: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = Path::new("/run").join(format!("socketd-ceiling-e2e-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("the tests run as root");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let place = Self(path);
        place.write(ceiling);
        place
    }

    fn write(&self, ceiling: &str) {
        fs::write(self.file(), ceiling).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn file(&self) -> String {
        self.at("bridge.toml")
    }

    fn at(&self, inner: &str) -> String {
        format!("{}/{inner}", self.0.display())
    }

    fn pair(&self) -> (Pair, Cli) {
        let pair = Pair::start_with(&["--ceiling", &self.file()]);
        pair.docker().import(IMAGE, &rootfs::busybox());
        let cli = Cli::of(&pair);
        (pair, cli)
    }

    /// Writes another ceiling and starts the bridge again.
    fn lower(&self, pair: &mut Pair, ceiling: &str) {
        self.write(ceiling);
        pair.bridge().end();
        pair.restart_bridge();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn check_denied(cli: &Cli, arguments: &[&str], key: &str) {
    let said = cli.fail(arguments);
    assert!(
        said.contains("authorization denied: the bridge's ceiling does not allow "),
        "{arguments:?}: {said}"
    );
    assert!(said.contains(&format!("({key})")), "{arguments:?}: {said}");
}

#[test]
fn powers() {
    let place = Place::new(
        "privileged = false\nhost_namespaces = false\nunconfined = false\nraised_limits = false\n\
         capabilities = [\"NET_ADMIN\"]\ndevices = [\"/dev/zero\"]\nsysctls = []\n",
    );
    let (pair, cli) = place.pair();
    for (options, key) in [
        ("--privileged", "privileged"),
        ("--network=host", "host_namespaces"),
        ("--security-opt=seccomp=unconfined", "unconfined"),
        ("--oom-score-adj=-500", "raised_limits"),
        ("--ulimit=rtprio=99", "raised_limits"),
        ("--cap-add=SYS_ADMIN", "capabilities"),
        ("--cap-add=ALL", "capabilities"),
        ("--device=/dev/full", "devices"),
        ("--sysctl=net.ipv4.ip_forward=1", "sysctls"),
    ] {
        check_denied(&cli, &["run", "--rm", options, "bb", "true"], key);
    }
    assert_eq!(cli.run(&["ps", "-aq"]), "", "nothing was made");
    let allowed = [
        "--cap-add=net_admin",
        "--cap-drop=ALL",
        "--device=/dev/zero",
        "--ulimit=nofile=64",
    ];
    for option in allowed {
        assert_eq!(
            cli.run(&["run", "--rm", option, "bb", "echo", "fine"]),
            "fine",
            "{option}"
        );
    }
    cli.run(&["run", "-d", "--name", "web", "bb", "/bin/sleep", "100000"]);
    check_denied(&cli, &["exec", "--privileged", "web", "true"], "privileged");
    assert_eq!(cli.run(&["exec", "web", "echo", "fine"]), "fine");
    drop(pair);
}

#[test]
fn sources() {
    let place = Place::new("");
    for folder in ["allowed", "secret", "public"] {
        fs::create_dir(place.at(folder)).unwrap();
        fs::write(place.at(&format!("{folder}/what")), folder).unwrap();
    }
    std::os::unix::fs::symlink("../secret", place.at("allowed/out")).unwrap();
    place.write(&format!(
        "binds = [{:?}]\nbinds_read_only = [{:?}]\nprivileged = false\n",
        place.at("allowed"),
        place.at("public")
    ));
    let (_pair, cli) = place.pair();
    let volume = |inner: &str, options: &str| format!("{}:/door{options}", place.at(inner));
    let read = |volume: &str| cli.run(&["run", "--rm", "-v", volume, "bb", "cat", "/door/what"]);
    assert_eq!(read(&volume("allowed", "")), "allowed");
    assert_eq!(read(&volume("public", ":ro")), "public");
    cli.run(&[
        "run",
        "--rm",
        "-v",
        &volume("allowed/new", ""),
        "bb",
        "touch",
        "/door/made",
    ]);
    assert!(Path::new(&place.at("allowed/new/made")).exists());
    for (volume, key) in [
        (volume("secret", ""), "binds"),
        (volume("secret", ":ro"), "binds"),
        (volume("allowed/out", ""), "binds"),
        (volume("allowed/../secret", ""), "binds"),
        (volume("public", ""), "binds_read_only"),
        ("/:/door".to_owned(), "binds"),
        ("/etc/shadow:/door:ro".to_owned(), "binds"),
    ] {
        check_denied(&cli, &["run", "--rm", "-v", &volume, "bb", "true"], key);
    }
    // One that was harmless when it was made.
    cli.run(&[
        "create",
        "--name",
        "later",
        "-v",
        &volume("allowed/turn", ""),
        "bb",
        "cat",
        "/door/what",
    ]);
    std::os::unix::fs::symlink("../secret", place.at("allowed/turn")).unwrap();
    check_denied(&cli, &["start", "-a", "later"], "binds");
    check_denied(&cli, &["cp", "later:/door/what", "-"], "binds");
}

#[test]
fn acts() {
    let place = Place::new("");
    let (mut pair, cli) = place.pair();
    cli.run(&["run", "-d", "--name", "web", "bb", "/bin/sleep", "100000"]);

    place.lower(&mut pair, "exec = false\nfiles = false\nimages = false\n");
    check_denied(&cli, &["exec", "web", "true"], "exec");
    check_denied(&cli, &["cp", "web:/etc/passwd", "-"], "files");
    check_denied(&cli, &["export", "-o", &place.at("tar"), "web"], "files");
    check_denied(&cli, &["commit", "web"], "files");
    check_denied(&cli, &["tag", "bb", "other"], "images");
    check_denied(&cli, &["rmi", "bb"], "images");
    assert!(cli.run(&["diff", "web"]).is_empty());
    cli.run(&["run", "--rm", "bb", "true"]);

    place.lower(&mut pair, "access = \"operate\"\n");
    check_denied(&cli, &["create", "bb", "true"], "access = \"operate\"");
    check_denied(&cli, &["rm", "-f", "web"], "access = \"operate\"");
    check_denied(&cli, &["rename", "web", "site"], "access = \"operate\"");
    check_denied(&cli, &["exec", "web", "true"], "access = \"operate\"");
    cli.run(&["restart", "-t", "0", "web"]);
    cli.run(&["pause", "web"]);
    cli.run(&["unpause", "web"]);

    place.lower(&mut pair, "access = \"read\"\n");
    check_denied(&cli, &["stop", "web"], "access = \"read\"");
    check_denied(&cli, &["kill", "web"], "access = \"read\"");
    assert_eq!(cli.run(&["ps", "--format", "{{.Names}}"]), "web");
    assert_eq!(
        cli.run(&["inspect", "web", "--format", "{{.State.Status}}"]),
        "running"
    );
    cli.run(&["logs", "web"]);
    cli.run(&["stats", "--no-stream", "web"]);
    // It runs still: `down`, at the end of every pair, is root's own and stops it all the same.
}

#[test]
fn lowering_it_keeps_what_was_made_from_starting() {
    let place = Place::new("");
    let (mut pair, cli) = place.pair();
    cli.run(&[
        "run",
        "-d",
        "--name",
        "old",
        "--privileged",
        "bb",
        "/bin/sleep",
        "100000",
    ]);
    cli.run(&[
        "run",
        "-d",
        "--name",
        "always",
        "--privileged",
        "--restart=always",
        "bb",
        "/bin/sleep",
        "100000",
    ]);
    let pid = cli.run(&["inspect", "always", "--format", "{{.State.Pid}}"]);
    place.write("privileged = false\n");
    pair.bridge().end();
    // Its end is found by the next bridge, which would start it again.
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
    pair.restart_bridge();
    let status = |name: &str| cli.run(&["inspect", name, "--format", "{{.State.Status}}"]);
    assert_eq!(status("old"), "running");
    check_denied(&cli, &["exec", "old", "true"], "privileged");
    check_denied(&cli, &["cp", "old:/etc/passwd", "-"], "privileged");
    check_denied(&cli, &["restart", "-t", "0", "old"], "privileged");
    assert_eq!(status("old"), "running");
    cli.run(&["stop", "-t", "0", "old"]);
    check_denied(&cli, &["start", "old"], "privileged");
    cli.run(&["rm", "old"]);
    let error = pace::until("a start is refused", START_LIMIT, || {
        let error = cli.run(&["inspect", "always", "--format", "{{.State.Error}}"]);
        (!error.is_empty()).then_some(error)
    });
    assert!(error.contains("does not allow privileged containers"), "{error}");
    assert_eq!(status("always"), "exited");
}

/// Starts a bridge that must not come up; says what it complains about.
fn complaint(arguments: &[&str]) -> String {
    let mut daemon = Daemon::spawn("the bridge", &binaries().bridge, arguments);
    assert_eq!(daemon.wait().code(), Some(1), "{}", daemon.log());
    // What it said last may still be on its way.
    pace::until("it says why", START_LIMIT, || {
        let log = daemon.log();
        log.contains("socketd-bridge: ").then_some(log)
    })
}

#[test]
fn with_a_wrong_file_nothing_starts() {
    let place = Place::new("privileged = flase\n");
    let dir = new_dir();
    let state = dir.to_str().unwrap();
    let serve = |file: &str| complaint(&["serve", "--state-dir", state, "--ceiling", file]);
    let said = serve(&place.file());
    assert!(said.contains("bridge.toml: line 1: "), "{said}");
    let said = serve(&place.at("missing.toml"));
    assert!(said.contains("missing.toml: No such file"), "{said}");
    place.write("");
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o666)).unwrap();
    let said = serve(&place.file());
    assert!(
        said.contains("must be root's and writable by nobody else"),
        "{said}"
    );
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_demo_is_under_it_too() {
    let place = Place::new("binds = []\n");
    let dir = new_dir();
    let state = dir.to_str().unwrap();
    let said = complaint(&[
        "up",
        "--demo",
        "--state-dir",
        state,
        "--ceiling",
        &place.file(),
        "--listen",
        // Of no folder, which might be made again when all is over.
        "tcp://127.0.0.1:0",
    ]);
    assert!(
        said.contains("cannot run the demo container: NotPermitted"),
        "{said}"
    );
    fs::remove_dir_all(dir).unwrap();
}
