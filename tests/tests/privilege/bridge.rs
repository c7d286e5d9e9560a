//! The root side: the powers that it uses, by name, and what else it has let go of.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use harness::binaries::binaries;
use harness::daemon::Daemon;
use harness::{Pair, pace, pair};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::Process;

/// Longer than a start takes.
const LIMIT: Duration = Duration::from_secs(20);

/// `chown`, `dac_override`, `fowner`, `kill`, `sys_ptrace` and `sys_resource`: bits 0, 1, 3, 5, 19 and 24.
const KEPT: u64 = 0x0108_002b;

/// The threads that read what peers send.
const FENCED: [&str; 3] = ["watch", "control", "session"];

#[test]
fn the_bridge_has_the_powers_that_it_uses() {
    let mut pair = Pair::start_empty();
    // A session is served by a thread of its own.
    let _session = UnixStream::connect(pair.bridge_socket("watch")).unwrap();
    let bridge = Process(pair.bridge().pid());
    pace::until("somebody is served", LIMIT, || {
        let names: Vec<String> = bridge.threads().into_iter().map(Process::name).collect();
        names.contains(&"session".to_owned()).then_some(())
    });
    let ours = Process(std::process::id().cast_signed()).status();
    let bounding = &ours["CapBnd"];
    // A machine may have given root fewer.
    let kept = KEPT & u64::from_str_radix(&ours["CapPrm"], 16).unwrap();
    let kept = format!("{kept:016x}");
    let mut fenced = 0;
    for thread in bridge.threads() {
        let status = thread.status();
        let name = &status["Name"];
        for (set, expected) in [
            ("CapEff", kept.as_str()),
            ("CapPrm", kept.as_str()),
            ("CapInh", "0000000000000000"),
            ("CapAmb", "0000000000000000"),
            ("CapBnd", bounding.as_str()),
        ] {
            assert_eq!(status[set], expected, "{set} of {name}");
        }
        assert_eq!(status["Uid"], "0\t0\t0\t0");
        assert_eq!(status["Gid"], "0\t0\t0\t0");
        let walls = (status["Seccomp"].as_str(), status["NoNewPrivs"].as_str());
        let reads = FENCED.contains(&name.as_str());
        assert_eq!(walls, if reads { ("2", "1") } else { ("0", "0") }, "{name}");
        fenced += usize::from(reads);
    }
    assert!(fenced >= 3, "both doors, and a session");
}

#[test]
fn what_it_was_started_with_is_gone() {
    let dir = pair::new_dir();
    fs::write(dir.join("secret"), "of somebody else").unwrap();
    let secret = File::open(dir.join("secret")).unwrap();
    fcntl(&secret, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let arguments = ["serve", "--state-dir", dir.to_str().unwrap()];
    let mut bridge = Daemon::spawn("the bridge", &binaries().bridge, &arguments);
    drop(secret);
    pace::until("the bridge answers", LIMIT, || {
        UnixStream::connect(dir.join("run/bridge/control.sock")).ok()
    });
    let process = Process(bridge.pid());
    let descriptors = process.descriptors();
    assert_eq!(descriptors[&0].to_str(), Some("/dev/null"));
    let inherited = descriptors.values().find(|target| **target == dir.join("secret"));
    assert_eq!(inherited, None, "{descriptors:?}");
    // What containers inherit is as it was.
    let ours = Process(std::process::id().cast_signed());
    for name in ["Max core file size", "Max open files"] {
        assert_eq!(process.limit(name), ours.limit(name), "{name}");
    }
    bridge.end();
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_bridge_s_sockets_are_for_socketd_alone() {
    let mut pair = Pair::start_empty();
    let status = Process(pair.socketd().pid()).status();
    let group: u32 = status["Gid"].split_whitespace().next().unwrap().parse().unwrap();
    for name in ["watch", "control"] {
        let socket = fs::metadata(pair.bridge_socket(name)).unwrap();
        assert_eq!(socket.uid(), 0, "{name}");
        assert_eq!(socket.gid(), group, "{name}");
        assert_eq!(
            socket.permissions().mode() & 0o007,
            0,
            "{name} is open to everybody"
        );
    }
    let private = fs::metadata(pair.dir().join("bridge")).unwrap();
    assert_eq!(private.permissions().mode() & 0o777, 0o700);
    assert_eq!(private.uid(), 0);
}

#[test]
fn a_socketd_that_the_filter_ended_is_told_as_such() {
    let dir = pair::new_dir();
    let arguments = ["up", "--state-dir", dir.to_str().unwrap(), "--listen"];
    let url = format!("unix://{}", dir.join("own/docker.sock").display());
    let arguments = [&arguments[..], &[url.as_str()]].concat();
    let mut bridge = Daemon::spawn("up", &binaries().bridge, &arguments);
    while bridge.line(LIMIT).is_some_and(|line| !line.contains("docker -H")) {}
    let front = Process(bridge.pid())
        .children()
        .into_iter()
        .find(|child| child.name() == "socketd");
    // As the kernel does.
    kill(Pid::from_raw(front.unwrap().0), Signal::SIGSYS).unwrap();
    assert_eq!(bridge.wait().code(), Some(1));
    let log = bridge.log();
    let said =
        log.contains("socketd ended: the kernel stopped it at a system call that serving does not take");
    if !said {
        let _ = std::io::stderr().write_all(log.as_bytes());
    }
    assert!(said, "it says why");
    fs::remove_dir_all(dir).unwrap();
}
