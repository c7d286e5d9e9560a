//! Sockets that somebody else opened before socketd starts, and keeps while it is started again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::binaries::binaries;
use harness::{Address, Docker, Pair, pace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Time for a daemon to do something.
const SOON: Duration = Duration::from_secs(20);

/// Hands over what it has as standard input and output, as systemd does, and becomes the program.
const HAND_OVER: &str = "exec 3<&0 4>&1 </dev/null >/dev/null; export LISTEN_PID=$$; exec \"$@\"";

/// socketd, started with sockets.
struct Activated {
    child: Child,
}

impl Activated {
    /// Names for both sockets; a number that is no process's where they are meant for somebody else.
    fn start(sockets: [OwnedFd; 2], names: &str, arguments: &[&str]) -> Self {
        let [first, second] = sockets;
        let child = Command::new("/bin/sh")
            .args(["-c", HAND_OVER, "sh"])
            .arg(&binaries().socketd)
            .args(["serve"])
            .args(arguments)
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", names)
            .stdin(Stdio::from(first))
            .stdout(Stdio::from(second))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child }
    }

    fn end(mut self) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that socketd's user can walk down to, and a bridge.
struct Scene {
    pair: Pair,
    unix: UnixListener,
    tcp: TcpListener,
}

impl Scene {
    fn new() -> Self {
        let pair = Pair::start_empty();
        let unix = UnixListener::bind(pair.dir().join("activated.sock")).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { pair, unix, tcp }
    }

    fn path(&self) -> PathBuf {
        self.pair.dir().join("activated.sock")
    }

    fn start(&self, names: &str, listen: &[&str]) -> Activated {
        let sockets = [
            self.unix.try_clone().unwrap().into(),
            self.tcp.try_clone().unwrap().into(),
        ];
        let bridge = self.pair.dir().join("run/bridge");
        let mut arguments = vec!["--bridge-dir", bridge.to_str().unwrap()];
        for url in listen {
            arguments.extend(["--listen", url]);
        }
        Activated::start(sockets, names, &arguments)
    }

    fn over_unix(&self) -> Docker {
        Docker::new(Address::Unix(self.path()))
    }

    fn over_tcp(&self) -> Docker {
        Docker::new(Address::Tcp(self.tcp.local_addr().unwrap().to_string()))
    }
}

#[test]
fn sockets_are_asked_for_by_name_or_address_with_the_usual_options() {
    let scene = Scene::new();
    let socketd = scene.start("docker:lan", &["fd://docker?access=read", "fd://"]);
    scene.over_unix().get("/containers/json").expect(200);
    let refused = scene.over_unix().post("/containers/web/start").expect(403);
    assert!(refused.message().contains("authorization denied"), "{refused}");
    scene.over_tcp().post("/containers/web/start").expect(404);
    socketd.end();
    assert!(scene.path().exists(), "it belongs to whoever made it");

    let address = format!("unix://{}?access=none", scene.path().display());
    let socketd = scene.start("a:a", &["fd://a", &address]);
    scene.over_tcp().get("/containers/json").expect(200);
    scene.over_unix().get("/containers/json").expect(403);
    socketd.end();
}

#[test]
fn nobody_is_refused_while_socketd_is_started_again() {
    let scene = Scene::new();
    let over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let last = thread::scope(|scope| {
        for client in [
            scene.over_unix(),
            scene.over_tcp(),
            scene.over_unix(),
            scene.over_tcp(),
        ] {
            let (over, answered) = (&over, &answered);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    client.get("/containers/json").expect(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..4 {
            let before = answered.load(Ordering::Relaxed);
            let socketd = scene.start("docker:docker", &["fd://docker"]);
            pace::until("all are answered", SOON, || {
                (answered.load(Ordering::Relaxed) > before + 40).then_some(())
            });
            socketd.end();
        }
        over.store(true, Ordering::Relaxed);
        // Whoever has asked already has to be answered.
        scene.start("docker:docker", &["fd://docker"])
    });
    last.end();
    assert!(answered.into_inner() > 160);
}

#[track_caller]
fn check_refused(sockets: [OwnedFd; 2], names: &str, listen: &[&str], sentence: &str) {
    let mut arguments = vec!["--bridge-dir", "/nowhere"];
    for url in listen {
        arguments.extend(["--listen", url]);
    }
    let mut socketd = Activated::start(sockets, names, &arguments);
    let mut log = String::new();
    socketd
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert_eq!(socketd.child.wait().unwrap().code(), Some(1), "{log}");
    assert!(log.contains(sentence), "{log}");
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let tcp = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let open = || OwnedFd::from(TcpListener::bind("0.0.0.0:0").unwrap());
    let udp = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    let file = || OwnedFd::from(fs::File::open("/dev/null").unwrap());
    check_refused(
        [tcp(), udp()],
        "a:b",
        &["fd://"],
        "descriptor 4 (b) is no listening stream socket",
    );
    check_refused(
        [file(), tcp()],
        "a:b",
        &["fd://"],
        "descriptor 3 (a) is no listening stream socket",
    );
    check_refused(
        [tcp(), tcp()],
        "a:b",
        &["fd://a"],
        "no listener asks for it: add fd://b",
    );
    check_refused(
        [tcp(), tcp()],
        "a:b",
        &["fd://a", "fd://", "fd://c"],
        "fd://c: no such socket",
    );
    check_refused(
        [tcp(), open()],
        "a:b",
        &["fd://"],
        "can be reached from other machines",
    );
    check_refused(
        [tcp(), tcp()],
        "a",
        &["fd://"],
        "LISTEN_FDNAMES has 1 names for 2 sockets",
    );
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let output = Command::new(&binaries().socketd)
        .args(["serve", "--bridge-dir", "/nowhere", "--listen", "fd://"])
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("fd://: this process was started without sockets"),
        "{log}"
    );
}

/// The program that is made to try such a service, from Debian's package systemd.
#[test]
fn systemd_s_own_activation_starts_it() {
    let program = Path::new("/usr/bin/systemd-socket-activate");
    assert!(program.exists(), "install it (apt-get install systemd)");
    let pair = Pair::start_empty();
    let path = pair.dir().join("systemd.sock");
    let mut child = Command::new(program)
        .arg(format!("--listen={}", path.display()))
        .arg("--fdname=docker")
        .arg(&binaries().socketd)
        .args(["serve", "--listen", "fd://docker", "--bridge-dir"])
        .arg(pair.dir().join("run/bridge"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    pace::until("the socket is there", SOON, || path.exists().then_some(()));
    let client = Docker::new(Address::Unix(path));
    client.get("/containers/json").expect(200);
    client.get("/_ping").expect(200);
    child.kill().unwrap();
    child.wait().unwrap();
}
