//! Changing the limits of groups in which something runs.

use std::fs;
use std::io;

use super::{CPUSET, Group, Groups, Layout, Version, v1, v2};
use crate::shim::failure::{Failure, Stage, at};
use crate::shim::plan::limits::{GroupLimits, SwapLimit};
use wire::ContainerId;

/// How often processes are moved until none is left that was made meanwhile. Stops one that forks
/// without end from keeping us.
const MOVES_MAX: u32 = 16;

/// What a group has of the processor where nobody asks for more or less.
const CPU_SHARES_DEFAULT: u64 = 1024;

impl Groups {
    /// Changes the limits of a container that runs from `old` to `new`. What is the same in both is not
    /// written.
    ///
    /// # Errors
    /// A limit that the kernel refuses; then as many as possible are as they were.
    pub fn change(
        layout: &Layout,
        id: &ContainerId,
        old: &GroupLimits,
        new: &GroupLimits,
    ) -> Result<(), Failure> {
        let groups = Self::of(layout, id);
        let changed = groups.write(old, new);
        if changed.is_err() {
            // The first refusal is the user's to know; what a way back is refused for is not.
            let _ = groups.write(new, old);
        }
        changed
    }

    fn write(&self, old: &GroupLimits, new: &GroupLimits) -> Result<(), Failure> {
        let cpuset = (&old.cpuset_cpus, &old.cpuset_mems) != (&new.cpuset_cpus, &new.cpuset_mems);
        let memory = (old.memory_bytes, old.swap) != (new.memory_bytes, new.swap);
        for group in &self.groups {
            if cpuset && group.has(CPUSET) {
                self.set_cpuset(group, new)?;
            }
            if !group.path.exists() {
                continue;
            }
            if group.has("cpu") {
                group.change_cpu(old, new)?;
            }
            if group.has("pids") && old.pids_max != new.pids_max {
                group.set_or("pids.max", new.pids_max, "max")?;
            }
            if group.has("memory") {
                match group.version {
                    Version::One if memory => v1::change_memory(group, new)?,
                    Version::Two if memory => v2::change_memory(group, new)?,
                    Version::One | Version::Two => {}
                }
                group.change_reservation(old, new)?;
            }
        }
        Ok(())
    }

    /// Version 1 has no such group for a container that did not ask for it when it started: it is
    /// made now, and what runs is moved there.
    fn set_cpuset(&self, group: &Group, new: &GroupLimits) -> Result<(), Failure> {
        match group.version {
            Version::Two => {
                group.set("cpuset.cpus", line(&new.cpuset_cpus))?;
                group.set("cpuset.mems", line(&new.cpuset_mems))
            }
            Version::One if group.path.exists() => v1::cpuset(group, new),
            Version::One => {
                group.make()?;
                v1::cpuset(group, new).and_then(|()| self.move_to(group))
            }
        }
    }

    fn move_to(&self, target: &Group) -> Result<(), Failure> {
        let Some(source) = self
            .groups
            .iter()
            .find(|group| *group != target && group.path.exists())
        else {
            return Ok(());
        };
        let read = |group: &Group| fs::read_to_string(group.path.join("cgroup.procs"));
        let procs = target.path.join("cgroup.procs");
        for _ in 0..MOVES_MAX {
            let there = read(target).map_err(at(Stage::Groups, "cgroup.procs"))?;
            let all = read(source).map_err(at(Stage::Groups, "cgroup.procs"))?;
            let mut missing = all
                .lines()
                .filter(|pid| !there.lines().any(|have| have == *pid))
                .peekable();
            if missing.peek().is_none() {
                return Ok(());
            }
            for pid in missing {
                match fs::write(&procs, pid) {
                    // It has ended since.
                    Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
                    other => other.map_err(at(Stage::Groups, "cgroup.procs"))?,
                }
            }
        }
        Err(Failure::system(
            Stage::Groups,
            "cgroup.procs",
            &io::ErrorKind::ResourceBusy.into(),
        ))
    }
}

impl Group {
    fn change_cpu(&self, old: &GroupLimits, new: &GroupLimits) -> Result<(), Failure> {
        if old.cpu_shares != new.cpu_shares {
            let shares = new.cpu_shares.unwrap_or(CPU_SHARES_DEFAULT);
            match self.version {
                Version::One => self.set("cpu.shares", shares)?,
                Version::Two => self.set("cpu.weight", v2::weight(shares))?,
            }
        }
        if old.cpu_quota_us == new.cpu_quota_us {
            return Ok(());
        }
        match (self.version, new.cpu_quota_us) {
            (Version::One, Some((quota, period))) => {
                self.set("cpu.cfs_period_us", period)?;
                self.set("cpu.cfs_quota_us", quota)
            }
            (Version::One, None) => self.set("cpu.cfs_quota_us", -1),
            (Version::Two, Some((quota, period))) => self.set("cpu.max", format_args!("{quota} {period}")),
            (Version::Two, None) => self.set("cpu.max", "max"),
        }
    }

    fn change_reservation(&self, old: &GroupLimits, new: &GroupLimits) -> Result<(), Failure> {
        if old.memory_reservation_bytes == new.memory_reservation_bytes {
            return Ok(());
        }
        match self.version {
            Version::One => self.set_or("memory.soft_limit_in_bytes", new.memory_reservation_bytes, "-1"),
            Version::Two => self.set_or("memory.low", new.memory_reservation_bytes, "0"),
        }
    }

    pub(super) fn set_or(&self, file: &str, value: Option<u64>, unset: &str) -> Result<(), Failure> {
        match value {
            Some(value) => self.set(file, value),
            None => self.set(file, unset),
        }
    }
}

/// Writing nothing at all is no write; an empty line means as the group above.
fn line(text: &str) -> &str {
    if text.is_empty() { "\n" } else { text }
}

/// Memory and swap together in bytes; none where there is no limit.
pub(super) fn together(limits: &GroupLimits) -> Option<u64> {
    match limits.swap {
        SwapLimit::Bytes(bytes) => Some(bytes),
        SwapLimit::Unset | SwapLimit::None => None,
    }
}
