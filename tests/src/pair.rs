//! Bridge and socketd together, in a directory of their own.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::binaries::binaries;
use crate::daemon::Daemon;
use crate::docker::Docker;
use crate::http::Address;
use crate::{leftovers, pace, rootfs};

/// Time for a daemon to answer.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The image every pair starts with.
pub const IMAGE: &str = "bb:latest";

/// A bridge and a socketd, running.
#[derive(Debug)]
pub struct Pair {
    dir: PathBuf,
    bridge: Daemon,
    socketd: Daemon,
    addresses: Vec<Address>,
}

impl Pair {
    /// Starts both, with the image [`IMAGE`].
    ///
    /// # Panics
    /// When they do not start, or when this is not root.
    pub fn start() -> Self {
        let pair = Self::start_empty();
        pair.docker().import(IMAGE, &rootfs::busybox());
        pair
    }

    /// Starts both, with no image.
    ///
    /// # Panics
    /// When they do not start, or when this is not root.
    pub fn start_empty() -> Self {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "This test starts real containers: run it as root (sudo -E cargo test)."
        );
        let dir = new_dir();
        let bridge = spawn_bridge(&dir);
        let (socketd, addresses) = spawn_socketd(&dir);
        Self {
            dir,
            bridge,
            socketd,
            addresses,
        }
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The bridge.
    pub fn bridge(&mut self) -> &mut Daemon {
        &mut self.bridge
    }

    /// The unprivileged side.
    pub fn socketd(&mut self) -> &mut Daemon {
        &mut self.socketd
    }

    /// A client over the unix socket.
    pub fn docker(&self) -> Docker {
        Docker::new(self.unix())
    }

    /// The unix socket.
    ///
    /// # Panics
    /// Never: every pair has one.
    pub fn unix(&self) -> Address {
        self.addresses
            .iter()
            .find(|address| matches!(address, Address::Unix(_)))
            .unwrap()
            .clone()
    }

    /// The TCP address.
    ///
    /// # Panics
    /// Never: every pair has one.
    pub fn tcp(&self) -> Address {
        self.addresses
            .iter()
            .find(|address| matches!(address, Address::Tcp(_)))
            .unwrap()
            .clone()
    }

    /// One of the bridge's two sockets: `watch` or `control`.
    pub fn bridge_socket(&self, name: &str) -> PathBuf {
        self.dir.join(format!("run/bridge/{name}.sock"))
    }

    /// Starts the bridge again after it was ended.
    pub fn restart_bridge(&mut self) {
        self.bridge = spawn_bridge(&self.dir);
        let docker = self.docker();
        // The unprivileged side finds its way back by itself; its first request may still be refused.
        pace::until("socketd finds the bridge again", START_LIMIT, || {
            (docker.get("/info").status == 200).then_some(())
        });
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let ids = leftovers::container_ids(&self.dir);
        let stopped = down(&self.dir);
        self.socketd.signal(nix::sys::signal::Signal::SIGTERM);
        self.bridge.signal(nix::sys::signal::Signal::SIGTERM);
        self.socketd.wait();
        self.bridge.wait();
        let left = leftovers::remove(&self.dir, &ids);
        if thread::panicking() {
            // The first failure is the one to read; what the daemons said explains it.
            let say = |text: &str| std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            let _ = say(&format!(
                "bridge:\n{}\nsocketd:\n{}\n",
                self.bridge.log(),
                self.socketd.log()
            ));
        } else {
            assert!(
                stopped,
                "socketd-bridge down failed; the bridge's log:\n{}",
                self.bridge.log()
            );
            assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        }
    }
}

/// A directory for one pair.
pub fn new_dir() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("socketd-test-{}-{number}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    dir
}

/// Stops every container of a state directory, and whoever runs them.
pub fn down(dir: &Path) -> bool {
    let mut command = Command::new(&binaries().bridge);
    command.arg("down").arg("--state-dir").arg(dir);
    command.output().is_ok_and(|output| output.status.success())
}

fn spawn_bridge(dir: &Path) -> Daemon {
    let arguments = ["serve".as_ref(), "--state-dir".as_ref(), dir.as_os_str()];
    let mut bridge = Daemon::spawn("the bridge", &binaries().bridge, &arguments);
    let socket = dir.join("run/bridge/control.sock");
    pace::until("the bridge answers", START_LIMIT, || {
        assert!(!bridge.has_ended(), "the bridge ended:\n{}", bridge.log());
        UnixStream::connect(&socket).ok()
    });
    bridge
}

fn spawn_socketd(dir: &Path) -> (Daemon, Vec<Address>) {
    let unix = format!("unix://{}", dir.join("run/socketd/docker.sock").display());
    let bridge_dir = dir.join("run/bridge");
    let arguments = [
        "serve".as_ref(),
        // It ends with us, also where a test is killed.
        "--with-parent".as_ref(),
        "--bridge-dir".as_ref(),
        bridge_dir.as_os_str(),
        "--listen".as_ref(),
        unix.as_ref(),
        "--listen".as_ref(),
        "tcp://127.0.0.1:0".as_ref(),
    ];
    let socketd = Daemon::spawn("socketd", &binaries().socketd, &arguments);
    let mut addresses = Vec::new();
    // It prints where it listens, a line each, then an empty one.
    loop {
        let line = socketd.line(START_LIMIT);
        let line = line.unwrap_or_else(|| panic!("socketd ended:\n{}", socketd.log()));
        if line.is_empty() {
            return (socketd, addresses);
        }
        addresses.push(line.parse().unwrap());
    }
}
