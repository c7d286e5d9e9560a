//! Bridge and socketd together, in a directory of their own.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::binaries::binaries;
use crate::daemon::Daemon;
use crate::docker::Docker;
use crate::http::Address;
use crate::world::{self, World};
use crate::{leftovers, pace, rootfs};

/// Time for a daemon to answer.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The image every pair starts with.
pub const IMAGE: &str = "bb:latest";

/// A bridge and a socketd, running.
#[derive(Debug)]
pub struct Pair {
    dir: PathBuf,
    // Each is none until it runs: what half a pair leaves behind is cleared away like the rest.
    bridge: Option<Daemon>,
    socketd: Option<Daemon>,
    addresses: Vec<Address>,
    /// Further arguments of the bridge.
    arguments: Vec<String>,
    /// The world that both are in, where that is another than that of the run.
    world: Option<World>,
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
        Self::start_in(|_| {})
    }

    /// Starts both, with no image, in a directory that `prepare` sees first.
    ///
    /// # Panics
    /// When they do not start, or when this is not root.
    pub fn start_in(prepare: impl FnOnce(&Path)) -> Self {
        Self::start_as(&[], None, prepare)
    }

    /// Starts both, the bridge with further arguments.
    ///
    /// # Panics
    /// When they do not start, or when this is not root.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_as(arguments, None, |_| {})
    }

    /// The same, in this world.
    ///
    /// # Panics
    /// When they do not start, or when this is not root.
    pub fn start_in_world(world: World, arguments: &[&str]) -> Self {
        Self::start_as(arguments, Some(world), |_| {})
    }

    fn start_as(arguments: &[&str], world: Option<World>, prepare: impl FnOnce(&Path)) -> Self {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "This test starts real containers: run it as root (sudo -E cargo test)."
        );
        let mut pair = Self {
            dir: new_dir_in(world),
            bridge: None,
            socketd: None,
            addresses: Vec::new(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            world,
        };
        prepare(&pair.dir);
        pair.spawn_bridge();
        pair.restart_socketd();
        pair
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The bridge.
    ///
    /// # Panics
    /// Never: a pair that was started has one.
    pub fn bridge(&mut self) -> &mut Daemon {
        self.bridge.as_mut().unwrap()
    }

    /// The unprivileged side.
    ///
    /// # Panics
    /// Never: a pair that was started has one.
    pub fn socketd(&mut self) -> &mut Daemon {
        self.socketd.as_mut().unwrap()
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

    fn spawn_bridge(&mut self) {
        let dir = self.dir.as_os_str();
        let mut arguments: Vec<&OsStr> = vec!["serve".as_ref(), "--state-dir".as_ref(), dir];
        arguments.extend(self.arguments.iter().map(OsStr::new));
        let bridge = self.bridge.insert(Daemon::spawn_in(
            self.world,
            "the bridge",
            &binaries().bridge,
            &arguments,
        ));
        let socket = self.dir.join("run/bridge/control.sock");
        pace::until("the bridge answers", START_LIMIT, || {
            assert!(!bridge.has_ended(), "the bridge ended:\n{}", bridge.log());
            UnixStream::connect(&socket).ok()
        });
    }

    /// Starts the unprivileged side again after it was ended. Its unix socket is the same; its TCP
    /// port is another.
    pub fn restart_socketd(&mut self) {
        self.addresses = spawn_socketd(&self.dir, self.world, &mut self.socketd);
    }

    /// Starts the bridge again after it was ended.
    pub fn restart_bridge(&mut self) {
        self.spawn_bridge();
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
        let stopped = down_in(self.world, &self.dir);
        let mut log = String::new();
        for daemon in [&mut self.socketd, &mut self.bridge].into_iter().flatten() {
            daemon.end();
            log.push_str(&daemon.log());
        }
        let left = leftovers::remove(&self.dir, &ids);
        world::tidy_room();
        if thread::panicking() {
            // The first failure is the one to read; what the daemons said explains it.
            let _ = std::io::stderr().write_all(log.as_bytes());
        } else {
            assert!(stopped, "socketd-bridge down failed; the daemons' log:\n{log}");
            assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        }
    }
}

/// A directory for one pair.
pub fn new_dir() -> PathBuf {
    new_dir_in(None)
}

fn new_dir_in(world: Option<World>) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    world::new_dir(world, &format!("socketd-test-{}-{number}", std::process::id()))
}

/// Stops every container of a state directory, and whoever runs them.
pub fn down(dir: &Path) -> bool {
    down_in(None, dir)
}

fn down_in(world: Option<World>, dir: &Path) -> bool {
    let arguments = ["down".as_ref(), "--state-dir".as_ref(), dir.as_os_str()];
    let output = world::start(world, &binaries().bridge, &arguments).output();
    output.is_ok_and(|output| output.status.success())
}

fn spawn_socketd(dir: &Path, world: Option<World>, place: &mut Option<Daemon>) -> Vec<Address> {
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
    let socketd = place.insert(Daemon::spawn_in(
        world,
        "socketd",
        &binaries().socketd,
        &arguments,
    ));
    let mut addresses = Vec::new();
    // It prints where it listens, a line each, then an empty one.
    loop {
        let line = socketd.line(START_LIMIT);
        let line = line.unwrap_or_else(|| panic!("socketd ended:\n{}", socketd.log()));
        if line.is_empty() {
            return addresses;
        }
        addresses.push(line.parse().unwrap());
    }
}
