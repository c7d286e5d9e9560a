//! `socketd doctor` and `socketd status` beside a real pair: what they say while all is well, and of what is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use harness::Pair;
use harness::binaries::{self, binaries};
use nix::sys::signal::Signal;
use seccompiler::{apply_filter, sock_filter};
use serde_json::Value;

/// A user who is nobody on any machine.
const STRANGER: u32 = 61_234;

/// What was found: exit code and text.
struct Said {
    code: i32,
    text: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(error, "", "{output:?}");
        Self {
            code: output.status.code().unwrap(),
            text: String::from_utf8(output.stdout.clone()).unwrap(),
        }
    }

    /// The lines of one check, with the verdict before them.
    fn rows(&self, check: &str) -> Vec<&str> {
        let of_it = |line: &&str| line.split_whitespace().nth(1) == Some(check);
        self.text.lines().filter(of_it).collect()
    }

    #[track_caller]
    fn check(&self, check: &str, verdict: &str, part: &str) {
        let rows = self.rows(check);
        let fits = |row: &&str| row.starts_with(&format!("{verdict} ")) && row.contains(part);
        assert!(
            rows.iter().any(fits),
            "{check}, {verdict}, {part}:\n{}",
            self.text
        );
    }
}

/// The arguments that lead to a pair.
fn whereabouts(pair: &Pair) -> [String; 4] {
    let sockets = pair.dir().join("run/bridge");
    [
        "--bridge-dir".to_owned(),
        sockets.display().to_string(),
        "--listen".to_owned(),
        pair.unix().to_string(),
    ]
}

fn ask(word: &str, arguments: &[String]) -> Said {
    Said::of(
        &Command::new(&binaries().socketd)
            .arg(word)
            .args(arguments)
            .output()
            .unwrap(),
    )
}

#[test]
fn all_is_well() {
    let pair = Pair::start();
    let docker = pair.docker();
    docker.run("web", "exec sleep 100000");
    docker.create("rest", "true");
    let mut arguments = whereabouts(&pair).to_vec();
    arguments.extend(["--listen".to_owned(), pair.tcp().to_string()]);
    let said = ask("doctor", &arguments);
    assert_eq!(said.code, 0, "{}", said.text);
    said.check("bridge", "ok", "version 0.");
    said.check("sockets", "ok", "group 60750, mode 0660");
    said.check("state", "ok", "root's, mode 0700");
    said.check("listeners", "ok", "held by socketd (pid ");
    said.check("journal", "ok", "events 1 to ");
    assert_eq!(said.rows("socketd").len(), 2, "{}", said.text);
    let said = ask("status", &arguments);
    assert_eq!(said.code, 0, "{}", said.text);
    assert!(said.text.contains("1 running, 1 stopped"), "{}", said.text);
    assert!(said.text.contains("container rest create"), "{}", said.text);
    assert!(said.text.contains(" KiB, events 1 to "), "{}", said.text);
}

#[test]
fn programs_are_told_the_same() {
    let pair = Pair::start_empty();
    let mut arguments = whereabouts(&pair).to_vec();
    arguments.extend(["--format".to_owned(), "json".to_owned()]);
    let found: Value = serde_json::from_str(&ask("doctor", &arguments).text).unwrap();
    assert_eq!(found["verdict"], "ok");
    let findings = found["findings"].as_array().unwrap();
    assert!(findings.iter().any(|found| found["check"] == "pidfd"), "{found}");
    let found: Value = serde_json::from_str(&ask("status", &arguments).text).unwrap();
    assert_eq!(found["status"], "running");
    assert_eq!(found["containers"]["running"], 0);
    assert_eq!(found["bridge"]["running"], true);
    assert_eq!(found["listeners"][0]["answer"], "answers");
}

#[test]
fn what_has_ended_is_told() {
    let mut pair = Pair::start_empty();
    let arguments = whereabouts(&pair);
    pair.socketd().crash();
    let said = ask("status", &arguments);
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("socketd         not running"), "{}", said.text);
    let said = ask("doctor", &arguments);
    assert_eq!(said.code, 1, "{}", said.text);
    said.check("socketd", "wrong", "nobody answers");
    said.check("bridge", "ok", "");
    pair.bridge().signal(Signal::SIGTERM);
    pair.bridge().wait();
    assert_eq!(ask("status", &arguments).code, 3);
    pair.restart_socketd();
    let said = ask("status", &arguments);
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("does not reach the bridge"), "{}", said.text);
    ask("doctor", &arguments).check("bridge", "wrong", "not running");
}

/// As somebody who is neither root nor socketd.
fn ask_as_a_stranger(word: &str, arguments: &[String]) -> Said {
    // The programs of a build may lie where only root may enter.
    let copy = std::env::temp_dir().join(format!("socketd-stranger-{}-{word}", std::process::id()));
    binaries::copy(&binaries().socketd, &copy);
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(&copy)
        .arg(word)
        .args(arguments)
        .uid(STRANGER)
        .gid(STRANGER)
        .output();
    fs::remove_file(&copy).unwrap();
    Said::of(&output.unwrap())
}

#[test]
fn a_stranger_is_told_that_it_cannot_be_told() {
    let pair = Pair::start_empty();
    let arguments = whereabouts(&pair);
    let said = ask_as_a_stranger("status", &arguments);
    assert_eq!(said.code, 4, "{}", said.text);
    assert!(said.text.contains("this user may not ask it"), "{}", said.text);
    let said = ask_as_a_stranger("doctor", &arguments);
    assert_eq!(said.code, 0, "{}", said.text);
    said.check("bridge", "unknown", "root may");
    said.check("sockets", "unknown", "Permission denied");
    said.check("pidfd", "ok", "");
}

/// A folder of its own, gone when dropped.
struct Room(std::path::PathBuf);

impl Room {
    fn new() -> Self {
        let dir = harness::pair::new_dir();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    let room = Room::new();
    let certs = room.path("certs");
    let made = Command::new(&binaries().socketd)
        .args(["certs", "init", &certs])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let key = Path::new(&certs).join("server-key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let config = room.path("socketd.toml");
    let text = format!(
        "[[listener]]\nurl = \"tcp://127.0.0.1:{port}\"\ntls = \"verify\"\nca = \"{certs}/ca.pem\"\n\
         cert = \"{certs}/server-cert.pem\"\nkey = \"{certs}/server-key.pem\"\n"
    );
    fs::write(&config, &text).unwrap();
    let arguments = ["--bridge-dir", &room.path("run/bridge"), "--config", &config].map(str::to_owned);
    let said = ask("doctor", &arguments);
    assert_eq!(said.code, 1);
    said.check("certificates", "wrong", "chgrp 60750 ");
    said.check("listeners", "wrong", &format!("(pid {})", std::process::id()));
    said.check("configuration", "ok", "1 listeners, 0 callers");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let said = ask("doctor", &arguments);
    said.check("certificates", "ok", "824 days from now");
    said.check("certificates", "fallback", "SIGHUP does not renew it");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    ask("doctor", &arguments).check("configuration", "wrong", "chmod 0644");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&config, "[[listener]]\nurl = \"tcp://0.0.0.0:1\"\n").unwrap();
    ask("doctor", &arguments).check("configuration", "wrong", "can be reached from other machines");
    drop(held);
}

/// What it says on a kernel that knows no system call above this number (of x86_64): a filter around one thread,
/// and all that it starts, answers so.
fn doctor_on_kernel(last: u32, room: &Room) -> Said {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    // Loads the number; above the last, ENOSYS; else goes on.
    let filter = vec![
        instruction(0x20, 0, 0, 0),
        instruction(0x25, 0, 1, last),
        instruction(0x06, 0, 0, 0x0005_0000 | 38),
        instruction(0x06, 0, 0, 0x7fff_0000),
    ];
    let mut command = Command::new(&binaries().socketd);
    command.args(["doctor", "--bridge-dir", &room.path("run/bridge")]);
    command.args(["--listen", "tcp://127.0.0.1:0"]);
    let asked = thread::spawn(move || {
        apply_filter(&filter).unwrap();
        command.output().unwrap()
    });
    Said::of(&asked.join().unwrap())
}

#[test]
fn an_old_kernel_s_ways_around_are_named() {
    let room = Room::new();
    let check = |last: u32, fallbacks: &[&str], there: &[&str]| {
        let said = doctor_on_kernel(last, &room);
        for name in fallbacks {
            said.check(name, "fallback", "");
        }
        for name in there {
            said.check(name, "ok", "");
        }
    };
    // Linux 4.14 and 3.10.
    check(
        332,
        &["pidfd", "openat2", "landlock"],
        &["statx", "memfd", "seccomp"],
    );
    check(
        313,
        &["pidfd", "openat2", "landlock", "statx", "memfd", "seccomp"],
        &["namespaces"],
    );
}
