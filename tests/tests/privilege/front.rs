//! The unprivileged side: no power, and walls around what is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use harness::binaries::{self, binaries};
use harness::daemon::Daemon;
use harness::{Address, Docker, Pair, pair};

use crate::process::Process;

/// Longer than a start takes.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn socketd_has_no_power() {
    let mut pair = Pair::start_empty();
    let process = Process(pair.socketd().pid());
    // Logs are read in threads of their own.
    assert_eq!(pair.docker().get("/containers/json").status, 200);
    for thread in process.threads() {
        let status = thread.status();
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status[set], "0000000000000000", "{set} of thread {thread:?}");
        }
        for ids in ["Uid", "Gid"] {
            let own: Vec<&str> = status[ids].split_whitespace().collect();
            assert_eq!(own.len(), 4);
            assert!(own.iter().all(|id| *id == own[0] && *id != "0"), "{ids}: {own:?}");
        }
        assert_eq!(status["Groups"], "", "no further group");
        assert_eq!(status["NoNewPrivs"], "1");
        assert_eq!(status["Seccomp"], "2", "a filter is in force");
    }
}

#[test]
fn socketd_may_use_little_of_the_machine() {
    let mut pair = Pair::start_empty();
    let process = Process(pair.socketd().pid());
    let none = ("0".to_owned(), "0".to_owned());
    for name in [
        "Max core file size",
        "Max file size",
        "Max locked memory",
        "Max msgqueue size",
    ] {
        assert_eq!(process.limit(name), none, "{name}");
    }
    for (name, most) in [
        ("Max open files", 4096),
        ("Max processes", 1024),
        ("Max data size", 2_147_483_648_u64),
    ] {
        let (soft, hard) = process.limit(name);
        assert_eq!(soft, hard, "{name}");
        assert!(
            hard.parse::<u64>().is_ok_and(|hard| hard <= most),
            "{name}: {hard}"
        );
    }
}

#[test]
fn socketd_holds_no_file_of_anybody_else() {
    let mut pair = Pair::start_empty();
    assert_eq!(pair.docker().get("/info").status, 200);
    let pid = pair.socketd().pid();
    for (number, target) in Process(pid).descriptors() {
        let target = target.to_str().unwrap().to_owned();
        // What it reads of itself for whoever measures it.
        let own = [format!("/proc/{pid}/fd"), format!("/proc/{pid}/statm")];
        let known = ["socket:", "pipe:", "anon_inode:[event"];
        assert!(
            own.contains(&target) || known.iter().any(|known| target.starts_with(known)),
            "{number}: {target}"
        );
    }
}

#[test]
fn socketd_has_no_network_where_nobody_comes_over_one() {
    let mut pair = Pair::start_empty();
    let ours = Process(std::process::id().cast_signed());
    assert_eq!(
        Process(pair.socketd().pid()).namespace("net"),
        ours.namespace("net"),
        "it listens on TCP"
    );
    let socket = pair.dir().join("run/alone/docker.sock");
    let mut alone = Daemon::spawn(
        "socketd",
        &binaries().socketd,
        &[
            "serve",
            "--with-parent",
            "--bridge-dir",
            pair.dir().join("run/bridge").to_str().unwrap(),
            "--listen",
            &format!("unix://{}", socket.display()),
        ],
    );
    assert!(alone.line(LIMIT).is_some());
    assert_eq!(alone.line(LIMIT).as_deref(), Some(""));
    let process = Process(alone.pid());
    assert_ne!(process.namespace("net"), ours.namespace("net"));
    assert_eq!(process.interfaces(), ["lo"]);
    let docker = Docker::new(Address::Unix(socket.clone()));
    assert_eq!(
        docker.get("/containers/json").status,
        200,
        "it reaches the bridge"
    );
    assert!(alone.end().success());
    assert!(!socket.exists(), "it takes its socket away");
}

/// On Linux 3.10: neither landlock nor `seccomp`.
#[test]
fn walls_that_a_kernel_lacks_are_named_and_the_others_stand() {
    let dir = pair::new_dir();
    let url = format!("unix://{}", dir.join("own/docker.sock").display());
    let program = binaries().socketd.to_str().unwrap();
    let arguments = [
        "linux-3.10",
        program,
        "serve",
        "--with-parent",
        "--bridge-dir",
        "/nonexistent",
    ];
    let arguments = [&arguments[..], &["--listen", &url]].concat();
    let mut old = Daemon::spawn("socketd", &binaries::world(), &arguments);
    assert_eq!(old.line(LIMIT), Some(url));
    assert_eq!(old.line(LIMIT).as_deref(), Some(""));
    let docker = Docker::new(Address::Unix(dir.join("own/docker.sock")));
    assert_eq!(docker.get("/_ping").status, 200);
    let status = Process(old.pid()).status();
    assert_eq!(status["CapEff"], "0000000000000000");
    assert_eq!(status["NoNewPrivs"], "1");
    assert!(old.end().success());
    for wall in ["no landlock", "no system call filters"] {
        assert_eq!(old.log().matches(wall).count(), 1, "{wall}: {}", old.log());
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn clients_need_the_socket_s_group() {
    let pair = Pair::start_empty();
    let Address::Unix(path) = pair.unix() else {
        panic!("a unix socket was asked for")
    };
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}
