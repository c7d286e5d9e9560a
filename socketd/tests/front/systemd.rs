//! The program under a stand-in for systemd: a socket that hears what it is told.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io::Read, io::Write};

use nix::sys::signal::Signal;

use crate::program::{Program, Room, fetch, unix_url};
use crate::program_tls::{made, url};
use crate::stand_in::SOON;

/// Where it listens.
struct Systemd {
    socket: UnixDatagram,
    name: String,
}

impl Systemd {
    fn in_room(room: &Room) -> Self {
        let path = room.0.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Self::of(socket, path.to_str().unwrap().to_owned())
    }

    fn abstract_one(name: &str) -> Self {
        let name = format!("socketd-front-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self::of(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}"))
    }

    fn of(socket: UnixDatagram, name: String) -> Self {
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self { socket, name }
    }

    fn start(&self, arguments: &[&str], more: &[(&str, &str)]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_socketd"));
        command
            .args(["serve", "--bridge-dir", "/nonexistent", "--log-format", "json"])
            .args(arguments)
            .env("NOTIFY_SOCKET", &self.name);
        for (name, value) in more {
            command.env(name, value);
        }
        Program::run(command)
    }

    fn heard(&self) -> String {
        let mut text = [0; 4096];
        let count = self.socket.recv(&mut text).unwrap();
        String::from_utf8(text[..count].to_vec()).unwrap()
    }
}

#[test]
fn it_is_told_of_the_beginning_and_the_end() {
    for abstract_one in [false, true] {
        let room = Room::new(&format!("notify-{abstract_one}"));
        let systemd = match abstract_one {
            true => Systemd::abstract_one("ends"),
            false => Systemd::in_room(&room),
        };
        let socket = room.0.join("own/docker.sock");
        let program = systemd.start(&["--listen", &unix_url(&socket)], &[]);
        let expected = format!("READY=1\nSTATUS=Serving on {}\n", unix_url(&socket));
        assert_eq!(systemd.heard(), expected);
        // Ready means that clients are answered.
        let mut stream = UnixStream::connect(&socket).unwrap();
        assert!(fetch(&mut stream, "/_ping").ends_with("OK"));
        program.signal(Signal::SIGTERM);
        assert!(systemd.heard().starts_with("STOPPING=1\nSTATUS="));
        assert_eq!(program.end().0, Some(0));
    }
}

#[test]
fn it_hears_twice_in_its_time_that_all_is_well_where_it_asks() {
    let room = Room::new("watchdog");
    let systemd = Systemd::in_room(&room);
    let listen = unix_url(&room.0.join("own/docker.sock"));
    let time = Duration::from_millis(400);
    let microseconds = time.as_micros().to_string();
    let program = systemd.start(&["--listen", &listen], &[("WATCHDOG_USEC", &microseconds)]);
    assert!(systemd.heard().starts_with("READY=1\n"));
    assert_eq!(systemd.heard(), "WATCHDOG=1\n");
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(systemd.heard(), "WATCHDOG=1\n");
    }
    assert!(begun.elapsed() >= time, "{:?}", begun.elapsed());
    program.signal(Signal::SIGTERM);
    program.end();
    while !systemd.heard().starts_with("STOPPING=1\n") {}

    // One that is meant for another process.
    let more = [("WATCHDOG_USEC", microseconds.as_str()), ("WATCHDOG_PID", "1")];
    let program = systemd.start(&["--listen", &listen], &more);
    assert!(systemd.heard().starts_with("READY=1\n"));
    systemd.socket.set_read_timeout(Some(time)).unwrap();
    assert!(systemd.socket.recv(&mut [0; 64]).is_err());
    drop(program);
}

#[test]
fn it_is_told_that_files_are_read_again() {
    let room = Room::new("reload");
    let systemd = Systemd::in_room(&room);
    let (dir, _) = made(&room, "certs");
    let program = systemd.start(&["--listen", &url(&dir)], &[]);
    let ready = systemd.heard();
    assert!(ready.starts_with("READY=1\n"));
    program.signal(Signal::SIGHUP);
    let reloading = systemd.heard();
    let (first, rest) = reloading.split_once('\n').unwrap();
    assert_eq!(first, "RELOADING=1");
    let microseconds = rest.trim().strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(microseconds.parse::<u64>().unwrap() > 0);
    assert_eq!(systemd.heard(), ready);
}

#[test]
fn nobody_there_is_no_reason_to_stop() {
    let room = Room::new("deaf");
    let name = room.0.join("notify").to_str().unwrap().to_owned();
    let (socket, _) = UnixDatagram::pair().unwrap();
    let systemd = Systemd::of(socket, name);
    let path = room.0.join("own/docker.sock");
    let mut program = systemd.start(&["--listen", &unix_url(&path)], &[("WATCHDOG_USEC", "1000")]);
    let warned = program.told();
    assert_eq!(warned["level"], "WARN", "{warned}");
    program.listening();
    assert!(fetch(&mut UnixStream::connect(&path).unwrap(), "/_ping").ends_with("OK"));
}

/// A bridge that takes questions and never answers.
fn deaf_bridge(room: &Room) -> UnixListener {
    let listener = UnixListener::bind(room.0.join("watch.sock")).unwrap();
    fs::set_permissions(room.0.join("watch.sock"), fs::Permissions::from_mode(0o777)).unwrap();
    listener
}

#[test]
fn asked_twice_it_ends_at_once() {
    let room = Room::new("twice");
    let bridge = deaf_bridge(&room);
    let systemd = Systemd::in_room(&room);
    let path = room.0.join("own/docker.sock");
    let mut command = Command::new(env!("CARGO_BIN_EXE_socketd"));
    command
        .arg("serve")
        .arg("--bridge-dir")
        .arg(&room.0)
        .args(["--log-format", "json", "--listen", &unix_url(&path)])
        .env("NOTIFY_SOCKET", &systemd.name);
    let program = Program::run(command);
    assert!(systemd.heard().starts_with("READY=1\n"));
    let mut stream = UnixStream::connect(&path).unwrap();
    write!(stream, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // The request runs once the bridge has it.
    let (mut asked, _) = bridge.accept().unwrap();
    asked.read_exact(&mut [0]).unwrap();
    program.signal(Signal::SIGTERM);
    assert!(systemd.heard().starts_with("STOPPING=1\n"));
    let begun = Instant::now();
    program.signal(Signal::SIGTERM);
    let (code, log) = program.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("asked twice"), "{log}");
    assert!(
        begun.elapsed() < socketd::limits::SHUTDOWN_MAX / 2,
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn observers_have_a_listener_of_their_own() {
    let room = Room::new("observers");
    let (api, observers) = (room.0.join("own/docker.sock"), room.0.join("own/metrics.sock"));
    let listens = [unix_url(&api), unix_url(&observers)];
    let mut program = Program::start(&["--listen", &listens[0], "--metrics-listen", &listens[1]]);
    program.listening();
    let said = program.told();
    assert_eq!(said["message"], "listening for observers", "{said}");
    let ask = |path: &std::path::Path, what: &str| fetch(&mut UnixStream::connect(path).unwrap(), what);
    let health = ask(&observers, "/_socketd/health");
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(health.contains("\"status\":\"degraded\""), "{health}");
    let metrics = ask(&observers, "/metrics");
    assert!(metrics.contains("\nsocketd_bridge_up 0\n"), "{metrics}");
    // What the kernel tells to a process without power.
    for name in ["process_resident_memory_bytes", "process_max_fds"] {
        assert!(metrics.contains(&format!("\n{name} ")), "{name} in {metrics}");
    }
    assert!(ask(&observers, "/_ping").starts_with("HTTP/1.1 404 "));
    assert!(ask(&api, "/metrics").starts_with("HTTP/1.1 200 "));
    program.signal(Signal::SIGTERM);
    assert_eq!(program.end().0, Some(0));
    assert!(!api.exists() && !observers.exists());
}
