//! Process 1 where a small init was asked for: passes signals on, reaps orphans, ends with the command.

use std::io;
use std::os::fd::OwnedFd;

use caps::{CapSet, Capability, CapsHashSet};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};

use crate::shim::failure::{Failure, Stage, at};
use crate::sys::process::{self, fork_into};

/// Runs `command` in a child and, in this process, looks after it until it ends. `channel` is let
/// go of at once, so that only the command's execution or failure is seen through it.
///
/// # Errors
/// When there can be no child. Otherwise the code to end with.
pub(super) fn run(
    channel: &mut Option<OwnedFd>,
    command: impl FnOnce(Option<&OwnedFd>) -> u8,
) -> Result<u8, Failure> {
    // Blocked before the child is there, so that not even its first signal is missed.
    SigSet::all().thread_block().map_err(at(Stage::Reaper, ""))?;
    let child =
        fork_into(CloneFlags::empty(), || command(channel.as_ref())).map_err(at(Stage::Reaper, ""))?;
    confine()?;
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

/// Leaves this process the one power it needs, to signal a child that has become another user. It is
/// not dumpable, for a process that is would lend its executable, the host's own, to its neighbours.
fn confine() -> Result<(), Failure> {
    let refused = |error: caps::errors::CapsError| {
        Failure::system(Stage::Reaper, "", &io::Error::other(error.to_string()))
    };
    let held = caps::read(None, CapSet::Permitted).map_err(refused)?;
    let kept: CapsHashSet = held
        .into_iter()
        .filter(|have| *have == Capability::CAP_KILL)
        .collect();
    caps::clear(None, CapSet::Inheritable).map_err(refused)?;
    caps::set(None, CapSet::Effective, &kept).map_err(refused)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(refused)?;
    // The kernel forgets this wish when powers change.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(at(Stage::Reaper, ""))?;
    prctl::set_dumpable(false).map_err(at(Stage::Reaper, ""))
}
