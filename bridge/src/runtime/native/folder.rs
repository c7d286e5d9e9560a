//! One container's directory: making it, and reading from it how the container stands.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use wire::container::Exit;
use wire::reader::Unknown;
use wire::{Container, ContainerId, Time};

use crate::shim::cgroup::{Groups, Layout};
use crate::shim::record::{self, Durability, End, Run, file};
use crate::sys::pidfd;

/// Longest wait for a shim that lives but has not yet said what it runs: it was started by a bridge
/// that was killed a moment ago, and is about to run its container or to give up. Stops one that is
/// stuck from keeping the bridge from starting.
const LAUNCH_WAIT: Duration = Duration::from_secs(5);

/// How long each look at such a shim lasts.
const LAUNCH_LOOK_MS: u16 = 20;

/// Longest wait for a killed process to be gone, before its groups are removed. Stops one that hangs in
/// the kernel from holding up the ends of all others; its groups then go with the container.
const ORPHAN_WAIT: Duration = Duration::from_secs(2);

/// Makes a directory that only root enters, unless it is there.
pub(super) fn make_private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Makes a container's directory. It is a container once its configuration is in it.
pub(super) fn make(directory: &Path, container: &Container) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(directory)?;
    // The upper layer's root is the container's `/`, which every user of the container enters.
    DirBuilder::new()
        .mode(0o755)
        .create(directory.join(file::UPPER))?;
    DirBuilder::new().mode(0o700).create(directory.join(file::WORK))?;
    mkfifo(&directory.join(file::ALIVE), Mode::from_bits_truncate(0o600))?;
    record::write(directory, file::CONFIG, container, Durability::Synced)
}

/// Opens the sign of life for reading. Its end of file is the end of the shim.
pub(super) fn open_alive(directory: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(directory.join(file::ALIVE))
}

/// Whether nobody holds the sign of life open for writing.
fn is_dead(mut alive: &File) -> io::Result<bool> {
    match alive.read(&mut [0]) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// The sign of life and what runs, where a shim lives.
pub(super) fn living(directory: &Path) -> io::Result<Option<(File, Run)>> {
    let alive = open_alive(directory)?;
    let deadline = Instant::now() + LAUNCH_WAIT;
    while !is_dead(&alive)? {
        if let Some(run) = record::read(directory, file::RUN, Unknown::Skip).map_err(io::Error::other)? {
            return Ok(Some((alive, run)));
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the shim lives and runs nothing",
            ));
        }
        let mut fds = [PollFd::new(alive.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::from(LAUNCH_LOOK_MS))?;
    }
    Ok(None)
}

/// Ends what a killed shim has left: the first process and the control groups.
///
/// The kernel kills the process by itself, unless it has since executed a file that gave it powers,
/// at which the kernel forgets the wish.
pub(super) fn end_orphan(id: &ContainerId, directory: &Path) {
    let Ok(Some(run)) = record::read::<Run>(directory, file::RUN, Unknown::Skip) else {
        return;
    };
    if run.boot_id != record::boot_id() || directory.join(file::EXIT).exists() {
        return;
    }
    let _ = pidfd::signal(run.pid, run.started_ticks, libc::SIGKILL);
    let groups = Groups::of(&Layout::detect(), id);
    if groups.frozen() == Some(true) {
        // What is frozen does not even die.
        let _ = groups.freeze(false);
    }
    pidfd::await_end(run.pid, run.started_ticks, ORPHAN_WAIT);
    groups.remove();
}

/// How the container last ended; none where it never ran.
///
/// A note that cannot be read is as good as none: then nobody knows how it ended.
pub(super) fn last_end(directory: &Path) -> Option<End> {
    match record::read::<End>(directory, file::EXIT, Unknown::Skip) {
        Ok(Some(end)) => return Some(end),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, "the note of the container's end is unreadable");
        }
    }
    let run = match record::read::<Run>(directory, file::RUN, Unknown::Skip) {
        Ok(None) if !directory.join(file::EXIT).exists() => return None,
        Ok(run) => run.unwrap_or_default(),
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, "the note of the container's start is unreadable");
            Run::default()
        }
    };
    Some(End {
        exit: Exit {
            unknown: true,
            ..Exit::default()
        },
        started_at: run.started_at,
        finished_at: Time::NEVER,
    })
}
