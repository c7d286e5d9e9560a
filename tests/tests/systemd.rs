//! Both daemons, and the pair that `up` starts, under a stand-in for systemd: what they tell it, when.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::binaries::binaries;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Time for a daemon to say something.
const SOON: Duration = Duration::from_secs(20);

/// A state directory with systemd's socket beside it, and what runs there.
struct Scene {
    dir: PathBuf,
    socket: UnixDatagram,
    child: Option<Child>,
}

impl Scene {
    fn new() -> Self {
        let dir = harness::pair::new_dir();
        let socket = UnixDatagram::bind(dir.join("notify")).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self {
            dir,
            socket,
            child: None,
        }
    }

    fn start(&mut self, arguments: &[&str], watchdog: Option<Duration>) {
        let mut command = Command::new(&binaries().bridge);
        command
            .args(arguments)
            .arg("--state-dir")
            .arg(self.state())
            .env("NOTIFY_SOCKET", self.dir.join("notify"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(time) = watchdog {
            command.env("WATCHDOG_USEC", time.as_micros().to_string());
        }
        self.child = Some(command.spawn().unwrap());
    }

    fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    fn heard(&self) -> String {
        let mut text = [0; 4096];
        let count = self.socket.recv(&mut text).unwrap();
        String::from_utf8(text[..count].to_vec()).unwrap()
    }

    /// The next that is no sign of life.
    fn heard_besides(&self) -> String {
        loop {
            let heard = self.heard();
            if heard != "WATCHDOG=1\n" {
                return heard;
            }
        }
    }

    /// Ends it as systemd does.
    fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
        assert!(self.heard_besides().starts_with("STOPPING=1\nSTATUS="));
        child.wait().unwrap().code()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        harness::pair::down(&self.state());
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

#[test]
fn the_bridge_is_ready_when_it_answers_and_says_when_it_ends() {
    let mut scene = Scene::new();
    scene.start(&["serve"], None);
    let sockets = scene.state().join("run/bridge");
    let ready = scene.heard();
    assert_eq!(
        ready,
        format!("READY=1\nSTATUS=Answering in {}\n", sockets.display())
    );
    assert!(answers(&sockets.join("watch.sock")) && answers(&sockets.join("control.sock")));
    assert_eq!(scene.stop(), Some(0));
}

#[test]
fn the_bridge_says_that_it_lives_where_somebody_waits_for_it() {
    let mut scene = Scene::new();
    let time = Duration::from_millis(400);
    scene.start(&["serve"], Some(time));
    assert!(scene.heard().starts_with("READY=1\n"));
    assert_eq!(scene.heard(), "WATCHDOG=1\n");
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(scene.heard(), "WATCHDOG=1\n");
    }
    assert!(begun.elapsed() >= time, "{:?}", begun.elapsed());
    assert_eq!(scene.stop(), Some(0));
}

#[test]
fn up_is_ready_when_the_front_is_and_the_front_tells_nothing_itself() {
    let mut scene = Scene::new();
    let front = scene.dir.join("front/docker.sock");
    let listen = format!("unix://{}", front.display());
    scene.start(&["up", "--listen", &listen], Some(Duration::from_millis(400)));
    assert_eq!(scene.heard(), format!("READY=1\nSTATUS=Serving on {listen}\n"));
    assert!(answers(&front));
    assert_eq!(scene.heard(), "WATCHDOG=1\n");
    assert_eq!(scene.stop(), Some(0));
    assert!(!front.exists());
}
