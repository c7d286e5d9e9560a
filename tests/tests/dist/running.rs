//! The programs of a package at work over a workspace of Droidspaces: those for another processor too, in an
//! emulator of programs (qemu-user).
//!
//! That one has neither filters of system calls nor landlock, and makes no namespaces: what confines the
//! daemons is missing and said to be, as on a kernel without it, and containers are started from outside.

use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::daemon::Daemon;
use harness::droidspaces::{Rootfs, Workspace};
use harness::{Address, Cli, Docker, leftovers, pace, pair};

use super::{dist, has_tool};

/// Time for a daemon to answer; an emulator takes its own.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Containers that are configured, as many as people have at most.
const CONTAINERS: usize = 50;
/// KiB that each may keep resident with those, on a system with pages of 4 KiB.
const BRIDGE_KIB_MAX: u64 = 4 << 10;
/// The same of socketd.
const SOCKETD_KIB_MAX: u64 = 8 << 10;

/// Both programs of one architecture, running.
struct Packaged {
    dir: PathBuf,
    // In the order in which they end.
    socketd: Option<Daemon>,
    bridge: Option<Daemon>,
    workspace: Option<Workspace>,
    address: Option<Address>,
}

impl Packaged {
    fn start(programs: &Path) -> Self {
        let dir = pair::new_dir();
        let workspace = Workspace::new(&dir.join("workspace"));
        workspace.populate("box", CONTAINERS - 1);
        let running = workspace.container("web").rootfs(idle);
        running.write();
        let mut packaged = Self {
            dir,
            socketd: None,
            bridge: None,
            workspace: Some(workspace),
            address: None,
        };
        packaged.start_bridge(programs);
        packaged.start_socketd(programs);
        packaged
    }

    fn start_bridge(&mut self, programs: &Path) {
        let workspace = self.workspace.as_ref().unwrap();
        let (state, root) = (self.state(), workspace.root().to_str().unwrap().to_owned());
        let socket = workspace.daemon_socket();
        let arguments = ["serve", "--state-dir", &state, "--runtime", "droidspaces"];
        let more = ["--droidspaces-root", &root, "--droidspaces-daemon", &socket];
        let arguments = [&arguments[..], &more].concat();
        let bridge = self.bridge.insert(spawn(programs, "socketd-bridge", &arguments));
        let control = Path::new(&state).join("run/bridge/control.sock");
        pace::until("the bridge answers", START_LIMIT, || {
            assert!(!bridge.has_ended(), "the bridge ended:\n{}", bridge.log());
            UnixStream::connect(&control).ok()
        });
    }

    fn start_socketd(&mut self, programs: &Path) {
        let state = self.state();
        let (bridge, listen) = (
            format!("{state}/run/bridge"),
            format!("unix://{state}/run/socketd/docker.sock"),
        );
        let arguments = [
            "serve",
            "--with-parent",
            "--bridge-dir",
            &bridge,
            "--listen",
            &listen,
        ];
        let socketd = self.socketd.insert(spawn(programs, "socketd", &arguments));
        let line = socketd.line(START_LIMIT);
        let line = line.unwrap_or_else(|| panic!("socketd ended:\n{}", socketd.log()));
        self.address = Some(line.parse().unwrap());
    }

    fn state(&self) -> String {
        self.dir.join("state").to_str().unwrap().to_owned()
    }

    fn workspace(&self) -> &Workspace {
        self.workspace.as_ref().unwrap()
    }

    fn docker(&self) -> Docker {
        Docker::new(self.address.clone().unwrap())
    }

    fn cli(&self) -> Cli {
        Cli::at(self.address.as_ref().unwrap().to_string())
    }

    fn daemons(&mut self) -> [&mut Daemon; 2] {
        [self.bridge.as_mut().unwrap(), self.socketd.as_mut().unwrap()]
    }
}

impl Drop for Packaged {
    fn drop(&mut self) {
        for daemon in [&mut self.socketd, &mut self.bridge].into_iter().flatten() {
            daemon.end();
        }
        drop(self.workspace.take());
        let left = leftovers::remove(&self.dir, &[]);
        assert!(
            std::thread::panicking() || left.is_empty(),
            "left behind: {left:?}"
        );
    }
}

fn idle(rootfs: &Rootfs) {
    rootfs.init("trap 'exit 0' TERM\nwhile :; do sleep 1000 & wait; done");
}

/// Starts a program, by the emulator where it is for another processor than this.
fn spawn(programs: &Path, name: &'static str, arguments: &[&str]) -> Daemon {
    let program = programs.join(name);
    let architecture = programs.file_name().unwrap().to_str().unwrap();
    if architecture == std::env::consts::ARCH {
        return Daemon::spawn(name, &program, arguments);
    }
    let emulator = format!("qemu-{architecture}-static");
    let arguments = [&[program.to_str().unwrap()], arguments].concat();
    Daemon::spawn(name, Path::new(&emulator), &arguments)
}

/// Lists, starts from outside, sees it, and sees it end.
fn check_lists(packaged: &Packaged) {
    let cli = packaged.cli();
    assert_eq!(cli.run(&["ps", "-aq"]).lines().count(), CONTAINERS);
    assert_eq!(cli.run(&["ps", "-q"]), "");
    let mut events = packaged.docker().follow("");
    let output = packaged.workspace().run(&["--name=web", "start"]);
    assert!(output.status.success(), "{output:?}");
    events.up_to(|event| event["Action"] == "start");
    let line = cli.run(&["ps", "--format", "{{.Names}} {{.State}}"]);
    assert_eq!(line, "web running");
    let inspected = packaged.docker().inspect("web");
    assert_eq!(
        inspected["State"]["Pid"],
        packaged.workspace().pid("web").unwrap()
    );
    let output = packaged.workspace().run(&["--name=web", "stop"]);
    assert!(output.status.success(), "{output:?}");
    events.up_to(|event| event["Action"] == "die");
    assert_eq!(cli.run(&["ps", "-q"]), "");
}

/// Bytes of a process that are in memory now, in KiB, and its share of those that others have too.
fn resident(pid: i32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    (field("Rss:"), field("Pss:"))
}

#[test]
fn the_pair_of_another_processor_lists_containers() {
    let Some(dist) = dist() else { return };
    let others = super::ARCHITECTURES
        .iter()
        .filter(|name| **name != std::env::consts::ARCH);
    for architecture in others {
        if !has_tool(&format!("qemu-{architecture}-static")) {
            return;
        }
        check_lists(&Packaged::start(&dist.join(architecture)));
    }
}

#[test]
fn the_pair_of_this_processor_keeps_little_in_memory() {
    let Some(dist) = dist() else { return };
    let mut packaged = Packaged::start(&dist.join(std::env::consts::ARCH));
    check_lists(&packaged);
    let [bridge, socketd] = packaged.daemons().map(|daemon| resident(daemon.pid()));
    let _ = writeln!(
        io::stderr(),
        "resident and proportional KiB: bridge {bridge:?}, socketd {socketd:?}"
    );
    assert!(bridge.0 <= BRIDGE_KIB_MAX, "the bridge keeps {bridge:?} KiB");
    assert!(socketd.0 <= SOCKETD_KIB_MAX, "socketd keeps {socketd:?} KiB");
}
