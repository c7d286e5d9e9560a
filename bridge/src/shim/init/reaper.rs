//! Process 1 where a small init was asked for: passes signals on, reaps orphans, ends with the command.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{close, pipe2, read};

use super::powers::irrevocably_filter_for;
use crate::shim::failure::{Failure, Stage, at};
use crate::sys::process::{self, fork_into};

/// Runs `command` in a child and, in this process, looks after it until it ends. `channel` is let
/// go of at once, so that only the command's execution or failure is seen through it. `filtered`: whether
/// the container's system calls are.
///
/// # Errors
/// When there can be no child. Otherwise the code to end with.
pub(super) fn run(
    channel: &mut Option<OwnedFd>,
    filtered: bool,
    command: impl FnOnce(Option<&OwnedFd>) -> u8,
) -> Result<u8, Failure> {
    // Blocked before the child is there, so that not even its first signal is missed.
    SigSet::all().thread_block().map_err(at(Stage::Reaper, ""))?;
    // The command may be one that can trace; so it does not begin before this process is nothing to gain by.
    let (waiting, letting) = pipe2(OFlag::O_CLOEXEC).map_err(at(Stage::Reaper, ""))?;
    let child = fork_into(CloneFlags::empty(), || {
        // The copy's own, or it would never see the other one close.
        let _ = close(letting.as_raw_fd());
        while read(&waiting, &mut [0]) == Err(Errno::EINTR) {}
        command(channel.as_ref())
    })
    .map_err(at(Stage::Reaper, ""))?;
    confine(filtered)?;
    drop((waiting, letting));
    *channel = None;
    loop {
        while let Some(ended) = process::reap() {
            if ended.pid == child {
                return Ok(ended.code);
            }
        }
        match SigSet::all().wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            // It may have ended just now; then the next round finds it.
            Ok(signal) => drop(kill(child, signal)),
        }
    }
}

/// Leaves this process the one power it needs, to signal a child that has become another user, and no
/// way to others: root that executes something gets what its bounding set holds. It is not dumpable, for
/// a process that is would lend its executable, the host's own, to its neighbours.
fn confine(filtered: bool) -> Result<(), Failure> {
    prctl::set_no_new_privs().map_err(at(Stage::Reaper, "no_new_privs"))?;
    let refused = |error: caps::errors::CapsError| {
        Failure::system(Stage::Reaper, "", &io::Error::other(error.to_string()))
    };
    let held = caps::read(None, CapSet::Permitted).map_err(refused)?;
    let kept: CapsHashSet = held
        .into_iter()
        .filter(|have| *have == Capability::CAP_KILL)
        .collect();
    for capability in caps::read(None, CapSet::Bounding).map_err(refused)? {
        caps::drop(None, CapSet::Bounding, capability).map_err(refused)?;
    }
    caps::clear(None, CapSet::Inheritable).map_err(refused)?;
    caps::set(None, CapSet::Effective, &kept).map_err(refused)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(refused)?;
    // The kernel forgets this wish when powers change.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(at(Stage::Reaper, ""))?;
    prctl::set_dumpable(false).map_err(at(Stage::Reaper, ""))?;
    if filtered {
        irrevocably_filter_for(&kept)?;
    }
    Ok(())
}
