//! A further process: into the namespaces of one that runs, then the same way to a command.
//!
//! Two processes, for a process number space is entered by children only. The first, a copy of the
//! shim, joins the control groups and all namespaces, gives up every power that the command is not to
//! have, and forks the second as its own sibling, so that the shim is its parent and reaps it. Nothing in
//! the container sees the first; the second it sees, and where the container may trace it could take it
//! over: it has no power then that the container has not.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, setsid};

use super::{
    FAILED, Ready, hand_over_terminal, irrevocably_execute, make_ready, own_terminal, powers, take_streams,
    take_terminal, users,
};
use crate::shim::cgroup::Groups;
use crate::shim::failure::{Failure, Stage, at};
use crate::shim::plan::ProcessPlan;
use crate::shim::record::{self, Word};
use crate::sys::descriptors;
use crate::sys::process::{Alone, fork_alone};

/// All namespaces but that of mounts, by their names below `/proc/PID/ns`.
const NAMESPACES: &[(&str, CloneFlags)] = &[
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
];

/// Namespaces of a process, held open.
#[derive(Debug)]
pub struct Namespaces {
    mounts: OwnedFd,
    others: Vec<(CloneFlags, OwnedFd)>,
}

impl Namespaces {
    /// Those of a child of this process, whose number therefore cannot be anybody else's.
    ///
    /// # Errors
    /// `ENOENT` when it has ended; else what the kernel said.
    pub fn of(pid: Pid) -> io::Result<Self> {
        let opened = |name: &str| {
            let path = format!("/proc/{pid}/ns/{name}");
            open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        };
        let mut others = Vec::new();
        for (name, kind) in NAMESPACES {
            match opened(name) {
                // A kernel before 4.6.
                Err(Errno::ENOENT) if *kind == CloneFlags::CLONE_NEWCGROUP => {}
                other => others.push((*kind, other?)),
            }
        }
        Ok(Self {
            mounts: opened("mnt")?,
            others,
        })
    }
}

/// What the shim has ready for a further process.
#[derive(Debug)]
pub struct Entry<'a> {
    /// What to become.
    pub plan: &'a ProcessPlan,
    /// The container's control groups.
    pub groups: &'a Groups,
    /// Its namespaces.
    pub namespaces: Namespaces,
    /// The socket to the shim.
    pub channel: OwnedFd,
    /// Standard input, output and error; none where they will be a terminal.
    pub streams: Option<[OwnedFd; 3]>,
}

/// The whole life of the first of the two; what comes back is the code to end with.
#[must_use]
pub fn run(entry: &Entry<'_>) -> u8 {
    let word = match enter(entry) {
        Ok(pid) => Word {
            pid: pid.as_raw().unsigned_abs(),
            failure: None,
        },
        Err(failure) => Word {
            pid: 0,
            failure: Some(failure),
        },
    };
    // Nobody is left to be told when this fails.
    let _ = record::send_message(&entry.channel, &word);
    0
}

fn enter(entry: &Entry<'_>) -> Result<Pid, Failure> {
    // Before anything of the container can see this process.
    prctl::set_dumpable(false).map_err(at(Stage::Channel, "not dumpable"))?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(at(Stage::Channel, "parent death signal"))?;
    let namespaces = &entry.namespaces;
    let mut kept = vec![entry.channel.as_raw_fd(), namespaces.mounts.as_raw_fd()];
    kept.extend(namespaces.others.iter().map(|(_, fd)| fd.as_raw_fd()));
    kept.extend(entry.streams.iter().flatten().map(AsRawFd::as_raw_fd));
    descriptors::irrevocably_close_others(&kept).map_err(at(Stage::Channel, "descriptors"))?;
    entry.groups.enter()?;
    // While `/proc` is still the host's.
    powers::set_limits(entry.plan)?;
    let alone = Alone::check().map_err(at(Stage::Join, "threads"))?;
    for (kind, namespace) in &namespaces.others {
        setns(namespace, *kind).map_err(at(Stage::Join, ""))?;
    }
    setns(namespaces.mounts.as_fd(), CloneFlags::CLONE_NEWNS).map_err(at(Stage::Join, "mounts"))?;
    let terminal = match entry.streams {
        Some(_) => None,
        None => Some(hand_over_terminal(&entry.channel, entry.plan.size)?.1),
    };
    let users = users::Users::read()?;
    let identity = users.identity(&entry.plan.user, &entry.plan.groups)?;
    if let Some(terminal) = &terminal {
        own_terminal(entry.plan, terminal, &identity);
    }
    let ready = make_ready(entry.plan, &identity)?;
    fork_alone(alone, CloneFlags::CLONE_PARENT, || {
        match become_command(entry, terminal, &ready) {
            Ok(never) => match never {},
            Err(failure) => {
                let word = Word {
                    pid: 0,
                    failure: Some(failure),
                };
                let _ = record::send_message(&entry.channel, &word);
                FAILED
            }
        }
    })
    .map_err(at(Stage::Join, "process"))
}

fn become_command(
    entry: &Entry<'_>,
    terminal: Option<OwnedFd>,
    ready: &Ready,
) -> Result<std::convert::Infallible, Failure> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(at(Stage::Channel, "parent death signal"))?;
    setsid().map_err(at(Stage::Terminal, "session"))?;
    match (terminal, &entry.streams) {
        (Some(terminal), _) => take_terminal(terminal)?,
        (None, Some(streams)) => take_streams(streams)?,
        (None, None) => {}
    }
    irrevocably_execute(entry.plan, ready)
}
