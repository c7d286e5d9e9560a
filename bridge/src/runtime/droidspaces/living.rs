//! Whether a container runs, and as which process.
//!
//! A process is a container's only where three things agree: the pidfile names it, it is the first of
//! a process namespace that is not ours, and the marker with the container's UUID lies in its root. A
//! container writes neither the pidfile nor another's marker where it would count: a marker that it
//! forges is looked at only through a pidfile that names its own process.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, fstatat};
use wire::Time;

use super::chain::Chain;
use super::identity::is_file_name;
use super::limits::SIDECAR_BYTES_MAX;
use super::monitor_log::Mark;
use super::workspace::read_file;
use crate::clock;
use crate::runtime::stats::ticks_in_ns;
use crate::sys::pidfd;

/// Where in a container's root its markers lie.
const MARKERS: [&str; 2] = ["run", "droidspaces"];

/// A run of a container.
#[derive(Debug)]
pub(super) struct Run {
    /// Its first process, as the host numbers it.
    pub(super) pid: u32,
    /// When that started, in clock ticks since the machine did.
    pub(super) ticks: u64,
    /// When that was.
    pub(super) started_at: Time,
    /// The same since the machine started, in nanoseconds; later than for every run of this container that
    /// was told of before.
    pub(super) since_boot_ns: u64,
    /// What tells of its end, where the kernel has such a thing.
    pub(super) handle: Option<OwnedFd>,
    /// Where the monitor's log ended before the run was found.
    pub(super) mark: Mark,
    /// Who has to notice its end before the monitor can.
    pub(super) chain: Chain,
}

impl Run {
    /// Whether its first process is there still.
    pub(super) fn lives(&self) -> bool {
        pidfd::start_ticks(self.pid).is_ok_and(|ticks| ticks == self.ticks)
    }
}

/// What a pidfile leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing, or nothing that runs.
    Nobody,
    /// A process that is not this container's.
    Stranger {
        /// Its number.
        pid: u32,
        /// When it started, in clock ticks since the machine did.
        ticks: u64,
        /// Why it is not.
        why: &'static str,
    },
    /// The container's first process.
    Lives {
        /// Its number.
        pid: u32,
        /// When it started, in clock ticks since the machine did.
        ticks: u64,
    },
}

/// Follows a pidfile of the container with this UUID.
pub(super) fn claim(pidfile: &Path, uuid: &str) -> Claim {
    let text = read_file(pidfile, SIDECAR_BYTES_MAX).unwrap_or_default();
    let pid = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    let Some(pid) = pid.filter(|&pid| pid > 0) else {
        return Claim::Nobody;
    };
    let Ok(ticks) = pidfd::start_ticks(pid) else {
        return Claim::Nobody;
    };
    let why = if !is_first_elsewhere(pid) {
        "it is not the first process of a container"
    } else if !has_marker(pid, uuid) {
        "it does not carry this container's mark"
    } else {
        // The number may have become another's while it was looked at.
        return match pidfd::start_ticks(pid) {
            Ok(now) if now == ticks => Claim::Lives { pid, ticks },
            _ => Claim::Nobody,
        };
    };
    Claim::Stranger { pid, ticks, why }
}

/// Whether a process is the first of a process namespace other than ours. Kernels before 4.1 do not say
/// which is the first; there any of the namespace will do.
pub(super) fn is_first_elsewhere(pid: u32) -> bool {
    let namespace = |of: &str| {
        let about = fs::metadata(format!("/proc/{of}/ns/pid")).ok()?;
        Some((about.dev(), about.ino()))
    };
    let (Some(own), Some(its)) = (namespace("self"), namespace(&pid.to_string())) else {
        return false;
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let is_first = numbers.is_none_or(|numbers| numbers.split_ascii_whitespace().next_back() == Some("1"));
    own != its && is_first
}

/// Whether the mark of this UUID lies in the root of a process. No part of the way is a link, so that
/// nothing outside the container is ever looked at.
fn has_marker(pid: u32, uuid: &str) -> bool {
    if !is_file_name(uuid) {
        return false;
    }
    markers(pid).is_some_and(|folder| fstatat(&folder, uuid, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok())
}

/// The directory of marks in the root of a process; none where it has none.
pub(super) fn markers(pid: u32) -> Option<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = format!("/proc/{pid}/root");
    let mut here = open(root.as_str(), flags, Mode::empty()).ok()?;
    for name in MARKERS {
        here = openat(&here, name, flags | OFlag::O_NOFOLLOW, Mode::empty()).ok()?;
    }
    Some(here)
}

/// What orders a run behind the one before: when it started, in nanoseconds since the machine did. Clock
/// ticks alone do not: two commands that start a container at once make two runs within one of them, and
/// the pidfile may come to name the older one last.
pub(super) fn behind(before_ns: u64, ticks: u64) -> u64 {
    ticks_in_ns(ticks).max(before_ns.saturating_add(1))
}

/// When a process started that did so many clock ticks after the machine.
pub(super) fn time_of(ticks: u64) -> Time {
    let up = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let up = up
        .split_ascii_whitespace()
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    let since_boot = Duration::from_nanos(ticks_in_ns(ticks));
    let up = Duration::try_from_secs_f64(up.unwrap_or(0.0)).unwrap_or_default();
    let age = up.saturating_sub(since_boot);
    let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
    Time(clock::now().0.saturating_sub(age).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_run_is_behind_the_one_before() {
        let tick = ticks_in_ns(1);
        for (before_ns, ticks, expected) in [
            (0, 5, 5 * tick),
            (4 * tick, 5, 5 * tick),
            (5 * tick, 5, 5 * tick + 1),
            (5 * tick + 1, 5, 5 * tick + 2),
            (7 * tick, 5, 7 * tick + 1),
        ] {
            assert_eq!(behind(before_ns, ticks), expected, "{before_ns} {ticks}");
        }
    }
}
