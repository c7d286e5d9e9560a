//! The program, started as root, on a stock bridge that admits root alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use wire::v1::{Opcode, Request, Status};

use super::bridge::StockBridge;
use super::{UUID_1, running};
use crate::program::{Program, Room, fetch, need_root, unix_url};

/// How long anything here may take.
const SOON: Duration = Duration::from_secs(10);

/// A bridge that admits root, socketd on it, and its dialer.
struct House {
    bridge: StockBridge,
    program: Program,
    socket: PathBuf,
    dialer: i32,
    _room: Room,
}

impl House {
    fn new(name: &str) -> Self {
        need_root();
        let bridge = StockBridge::with(vec![running("c", UUID_1)]);
        bridge.admit_root_only();
        let room = Room::new(name);
        let socket = room.0.join("own/docker.sock");
        let address = bridge.address();
        // With a descriptor that whoever started it forgot.
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                "exec \"$0\" \"$@\" 7</dev/null",
                env!("CARGO_BIN_EXE_socketd"),
            ])
            .args(["serve", "--log-format", "json", "--bridge", &address])
            .args(["--listen", &unix_url(&socket)]);
        let mut program = Program::run(command);
        program.listening();
        let dialer = only_child(program.child.id());
        Self {
            bridge,
            program,
            socket,
            dialer,
            _room: room,
        }
    }

    fn fetch(&self, path: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        fetch(&mut stream, path)
    }

    fn list(&self) -> String {
        self.fetch("/containers/json")
    }

    /// What ends with the dialer.
    fn life(&self) -> Life {
        let pid = rustix::process::Pid::from_raw(self.dialer).unwrap();
        Life(pidfd_open(pid, PidfdFlags::empty()).unwrap())
    }

    fn signal_dialer(&self, signal: Signal) {
        kill(Pid::from_raw(self.dialer), signal).unwrap();
    }
}

/// A process that may be nobody's child.
struct Life(OwnedFd);

impl Life {
    fn is_over_within(&self, time: Duration) -> bool {
        let mut ended = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut ended, Some(&Timespec::try_from(time).unwrap())).unwrap() == 1
    }
}

fn status(pid: impl std::fmt::Display) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| {
            let words: Vec<&str> = value.split_whitespace().collect();
            (name.to_owned(), words.join(" "))
        })
        .collect()
}

fn only_child(parent: u32) -> i32 {
    let parent = parent.to_string();
    let names = fs::read_dir("/proc").unwrap();
    let all = names.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<i32>().ok());
    let children: Vec<i32> = all
        .filter(|pid| status(pid).get("PPid") == Some(&parent))
        .collect();
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}

/// What the bridge says to a connection of this user's.
fn told_to(bridge: &StockBridge, user: u32) -> Vec<u8> {
    let address = bridge.socket();
    let other = std::thread::spawn(move || {
        // Of this thread alone.
        let group = rustix::fs::Gid::from_raw(user);
        let user = rustix::fs::Uid::from_raw(user);
        set_thread_res_gid(group, group, group).unwrap();
        set_thread_res_uid(user, user, user).unwrap();
        let mut stream = UnixStream::connect_addr(&address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        // Who is not admitted is told so before the request is read.
        let _ = stream.write_all(&Request::Ping.to_frame().unwrap());
        let mut told = vec![0; 12];
        stream.read_exact(&mut told).unwrap();
        told
    });
    other.join().unwrap()
}

#[test]
fn a_bridge_that_admits_root_alone_is_reached() {
    let house = House::new("dialer-reached");
    for _ in 0..3 {
        let list = house.list();
        assert!(list.starts_with("HTTP/1.1 200 "), "{list}");
        assert!(list.contains(r#""Names":["/c"]"#), "{list}");
    }
    assert!(house.bridge.count(Opcode::ListContainers) > 0);
    // socketd itself would not be admitted.
    assert_eq!(status(house.program.child.id())["Uid"], "60750 60750 60750 60750");
    assert_eq!(told_to(&house.bridge, 60750), Status::Forbidden.to_frame());
    assert_ne!(told_to(&house.bridge, 0), Status::Forbidden.to_frame());
}

#[test]
fn the_dialer_has_a_user_and_nothing_else() {
    let house = House::new("dialer-bare");
    let status = status(house.dialer);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!(status["Name"], "socketd-dialer");
    assert_eq!(status["Uid"], "0 0 0 0");
    assert_eq!(status["Groups"], "");
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2", "a filter is in force");
    assert_eq!(status["Threads"], "1");

    let proc = PathBuf::from(format!("/proc/{}", house.dialer));
    assert_eq!(fs::read(proc.join("environ")).unwrap(), b"");
    assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), PathBuf::from("/"));
    let address = house.bridge.address();
    let arguments = fs::read_to_string(proc.join("cmdline")).unwrap();
    assert_eq!(arguments, format!("socketd\0dial\0{address}\0"));
    // One socket, three times over.
    let open = fs::read_dir(proc.join("fd")).unwrap();
    let mut open: Vec<_> = open
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(open.len(), 3, "{open:?}");
    open.dedup();
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].to_str().unwrap().starts_with("socket:"), "{open:?}");

    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let check = |name: &str, expected: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let both: Vec<&str> = line.split_whitespace().take(2).collect();
        assert_eq!(both, [expected; 2], "{name}");
    };
    check("Max file size", "0");
    check("Max core file size", "0");
    check("Max processes", "0");
    check("Max open files", "64");
    check("Max address space", "67108864");
}

#[test]
fn without_the_dialer_everything_says_so() {
    let house = House::new("dialer-killed");
    assert!(house.list().starts_with("HTTP/1.1 200 "));
    let life = house.life();
    house.signal_dialer(Signal::SIGKILL);
    assert!(life.is_over_within(SOON));
    for path in ["/containers/json", "/info", "/images/json", "/containers/json"] {
        let reply = house.fetch(path);
        assert!(reply.starts_with("HTTP/1.1 503 "), "{path}: {reply}");
        assert!(reply.contains("restart socketd"), "{path}: {reply}");
    }
    // Not even its entry in the list of processes is left.
    assert!(status(house.dialer).is_empty());
    house.program.signal(Signal::SIGTERM);
    let (code, log) = house.program.end();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("the dialer has ended").count(), 1, "{log}");
}

#[test]
fn a_bridge_that_is_away_is_away_and_comes_back() {
    let mut house = House::new("dialer-away");
    for _ in 0..2 {
        house.bridge.down();
        let reply = house.list();
        assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
        assert!(reply.contains("is not running"), "{reply}");
        house.bridge.up();
        assert!(house.list().starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn the_dialer_ends_with_socketd_however_that_ends() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let house = House::new(&format!("dialer-{signal}"));
        assert!(house.list().starts_with("HTTP/1.1 200 "));
        let life = house.life();
        house.program.signal(signal);
        assert!(life.is_over_within(SOON), "{signal}");
    }
}

#[test]
fn a_signal_for_the_whole_service_is_not_the_dialer_s_end() {
    let house = House::new("dialer-service");
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        house.signal_dialer(signal);
        assert!(house.list().starts_with("HTTP/1.1 200 "), "{signal}");
    }
    assert!(!house.life().is_over_within(Duration::ZERO));
}

#[test]
fn a_dialer_that_does_not_answer_is_late_and_forgotten_when_it_does() {
    let house = House::new("dialer-late");
    house.signal_dialer(Signal::SIGSTOP);
    let reply = house.list();
    assert!(reply.starts_with("HTTP/1.1 504 "), "{reply}");
    house.signal_dialer(Signal::SIGCONT);
    assert!(house.list().starts_with("HTTP/1.1 200 "));
}

#[test]
fn by_itself_it_does_nothing() {
    let check = |arguments: &[&str], code: i32, sentence: &str| {
        let program = Command::new(env!("CARGO_BIN_EXE_socketd"))
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(program.stderr).unwrap();
        assert_eq!(program.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    };
    check(&["dial", "dsap:@nobody"], 1, "started by `socketd serve`");
    check(&["dial", "nobody"], 2, "it must begin with dsap:");
    check(&["dial"], 2, "ADDRESS");
    check(&["dial", "dsap:@nobody", "dsap:@somebody"], 2, "ADDRESS");
}
