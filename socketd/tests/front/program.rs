//! The program itself: arguments, the loss of every power, listeners, and the end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// A directory of its own, gone when dropped.
pub(crate) struct Room(pub(crate) PathBuf);

impl Room {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("socketd-program-{}-{name}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program, killed when dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    log: BufReader<ChildStderr>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_socketd"));
        command
            .args(["serve", "--bridge-dir", "/nonexistent", "--log-format", "json"])
            .args(arguments);
        Self::run(command)
    }

    /// Whatever command becomes it.
    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command
            .env_remove("SOCKETD_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// The next line of the log.
    pub(crate) fn told(&mut self) -> serde_json::Value {
        let mut line = String::new();
        assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended");
        serde_json::from_str(&line).unwrap()
    }

    /// Reads the line of the log that names a listener, and answers its URL.
    pub(crate) fn listening(&mut self) -> String {
        let fields = self.told();
        assert_eq!(fields["message"], "listening", "{fields}");
        fields["url"].as_str().unwrap().to_owned()
    }

    /// Waits for its end: exit code and the rest of the log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn unix_url(path: &Path) -> String {
    format!("unix://{}", path.display())
}

fn ping(stream: &mut (impl Read + Write)) -> String {
    fetch(stream, "/_ping")
}

/// The whole answer, its head included.
pub(crate) fn fetch(stream: &mut (impl Read + Write), path: &str) -> String {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

pub(crate) fn need_root() {
    assert!(
        geteuid().is_root(),
        "this test needs root: it watches the program give it up"
    );
}

#[test]
fn root_is_given_up_for_good() {
    need_root();
    let room = Room::new("drop");
    let socket = room.0.join("own/docker.sock");
    let mut program = Program::start(&[
        "--listen",
        &unix_url(&socket),
        "--listen",
        "tcp://127.0.0.1:0",
        "--socket-group",
        "4711",
    ]);
    assert_eq!(program.listening(), unix_url(&socket));
    let tcp = program.listening();

    let proc = PathBuf::from(format!("/proc/{}", program.child.id()));
    let status = fs::read_to_string(proc.join("status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("Uid:"), "60750 60750 60750 60750");
    assert_eq!(field("Gid:"), "60750 60750 60750 60750");
    assert_eq!(field("Groups:"), "4711");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Threads:"), "1");
    // What is not dumpable belongs to root in /proc, whoever runs it.
    assert_eq!(fs::metadata(proc.join("environ")).unwrap().uid(), 0);

    let file = fs::metadata(&socket).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(
        (file.uid(), file.gid(), file.mode() & 0o777),
        (60750, 4711, 0o660)
    );
    let dir = fs::metadata(socket.parent().unwrap()).unwrap();
    assert_eq!((dir.uid(), dir.mode() & 0o777), (60750, 0o755));

    assert!(ping(&mut UnixStream::connect(&socket).unwrap()).ends_with("OK"));
    let address = tcp.strip_prefix("tcp://").unwrap();
    assert!(ping(&mut std::net::TcpStream::connect(address).unwrap()).ends_with("OK"));

    program.signal(Signal::SIGTERM);
    let (code, log) = program.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!socket.exists());
}

#[test]
fn another_user_may_be_asked_for() {
    need_root();
    let room = Room::new("user");
    let socket = room.0.join("own/docker.sock");
    let mut program = Program::start(&["--listen", &unix_url(&socket), "--user", "4321:1234"]);
    program.listening();
    let file = fs::metadata(&socket).unwrap();
    assert_eq!((file.uid(), file.gid()), (4321, 1234));
    program.signal(Signal::SIGINT);
    assert_eq!(program.end().0, Some(0));
}

#[test]
fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
    let room = Room::new("stale");
    fs::set_permissions(&room.0, fs::Permissions::from_mode(0o777)).unwrap();
    let socket = room.0.join("docker.sock");
    drop(UnixListener::bind(&socket).unwrap());
    // As if left by the user the program becomes.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    let mut program = Program::start(&["--listen", &unix_url(&socket)]);
    program.listening();
    assert!(ping(&mut UnixStream::connect(&socket).unwrap()).ends_with("OK"));

    let (code, log) = Program::start(&["--listen", &unix_url(&socket)]).end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("another process serves it already"), "{log}");
    assert!(ping(&mut UnixStream::connect(&socket).unwrap()).ends_with("OK"));
}

#[test]
fn a_file_in_the_way_is_left_alone() {
    let room = Room::new("file");
    let path = room.0.join("docker.sock");
    fs::write(&path, "precious").unwrap();
    let (code, log) = Program::start(&["--listen", &unix_url(&path)]).end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("not a socket"), "{log}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn wrong_arguments_are_code_2_and_a_sentence() {
    let check = |arguments: &[&str], sentence: &str| {
        let (code, log) = Program::start(arguments).end();
        assert_eq!(code, Some(2), "{arguments:?}: {log}");
        assert!(log.contains(sentence), "{arguments:?}: {log}");
    };
    check(&[], "--listen");
    check(
        &["--listen", "unix:///x", "--bridge", "dsap:@x"],
        "cannot be used with",
    );
    check(&["--listen", "tcp://0.0.0.0:2375"], "append ?insecure");
    check(&["--listen", "ftp://x"], "unix://, tcp:// or fd://");
    let tls = |options: &str| format!("tcp://127.0.0.1:0?{options}");
    check(
        &["--listen", &tls("tls=verify&cert=/c&key=/k")],
        "tls needs `ca` as well",
    );
    check(
        &["--listen", &tls("tls=server&cert=/c&key=k")],
        "needs an absolute path",
    );
    check(
        &["--listen", &tls("tls=verify&ca=/a&cert=/c&key=/k&insecure")],
        "contradict each other",
    );
    check(
        &["--listen", &tls("tsl=server")],
        "there is no option `tsl=server`",
    );
    check(&["--listen", "unix:///x", "--host-name", "a:1"], "without a port");
    check(
        &["--listen", "unix:///x", "--allow-origin", "a"],
        "https://HOST[:PORT]",
    );
    check(&["--listen", "unix:///x", "--user", "0"], "may be 0");
}

#[test]
fn an_unknown_group_stops_the_start() {
    let arguments = [
        "--listen",
        "unix:///nonexistent/x",
        "--socket-group",
        "no such group",
    ];
    let (code, log) = Program::start(&arguments).end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("/etc/group has no group"), "{log}");
}
