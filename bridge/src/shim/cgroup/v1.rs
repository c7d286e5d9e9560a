//! Limits, in the words of version 1.

use std::fs;

use super::{CPUSET, Group, live};
use crate::shim::failure::{Failure, Stage, at};
use crate::shim::plan::limits::{GroupLimits, SwapLimit};

pub(super) fn limit(group: &Group, limits: &GroupLimits) -> Result<(), Failure> {
    if group.has("memory") {
        memory(group, limits)?;
    }
    if group.has("cpu") {
        if let Some(shares) = limits.cpu_shares {
            group.set("cpu.shares", shares)?;
        }
        if let Some((quota, period)) = limits.cpu_quota_us {
            group.set("cpu.cfs_period_us", period)?;
            group.set("cpu.cfs_quota_us", quota)?;
        }
    }
    if group.has("pids")
        && let Some(max) = limits.pids_max
    {
        group.set("pids.max", max)?;
    }
    if group.has(CPUSET) {
        cpuset(group, limits)?;
    }
    Ok(())
}

/// The limit of both together must never be below that of memory alone, so memory comes first.
fn memory(group: &Group, limits: &GroupLimits) -> Result<(), Failure> {
    if let Some(bytes) = limits.memory_bytes {
        group.set("memory.limit_in_bytes", bytes)?;
    }
    match limits.swap {
        SwapLimit::Unset => {}
        SwapLimit::None => group.set("memory.memsw.limit_in_bytes", -1)?,
        SwapLimit::Bytes(bytes) => group.set("memory.memsw.limit_in_bytes", bytes)?,
    }
    if let Some(bytes) = limits.memory_reservation_bytes {
        group.set("memory.soft_limit_in_bytes", bytes)?;
    }
    Ok(())
}

/// A new group has no processors and no nodes, and takes no process until it has: what is not
/// asked for comes from the group above, and that one's from the root.
pub(super) fn cpuset(group: &Group, limits: &GroupLimits) -> Result<(), Failure> {
    let parent = group.path.parent().unwrap_or(&group.path);
    let root = parent.parent().unwrap_or(parent);
    for (file, asked) in [
        ("cpuset.cpus", &limits.cpuset_cpus),
        ("cpuset.mems", &limits.cpuset_mems),
    ] {
        let of = |directory: &std::path::Path| fs::read_to_string(directory.join(file));
        let mut inherited = of(parent).map_err(at(Stage::Groups, file))?;
        if inherited.trim().is_empty() {
            inherited = of(root).map_err(at(Stage::Groups, file))?;
            fs::write(parent.join(file), inherited.trim()).map_err(at(Stage::Groups, file))?;
        }
        let value = if asked.is_empty() { inherited.trim() } else { asked };
        group.set(file, value)?;
    }
    Ok(())
}

/// Changes both limits of a group in which something runs. At no moment may the limit of both together
/// be below that of memory alone, so whichever makes room goes first.
pub(super) fn change_memory(group: &Group, limits: &GroupLimits) -> Result<(), Failure> {
    const TOGETHER: &str = "memory.memsw.limit_in_bytes";
    let set_memory = || group.set_or("memory.limit_in_bytes", limits.memory_bytes, "-1");
    let set_together = || group.set_or(TOGETHER, live::together(limits), "-1");
    let now = fs::read_to_string(group.path.join(TOGETHER))
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .unwrap_or(u64::MAX);
    if limits.memory_bytes.unwrap_or(u64::MAX) > now {
        set_together()?;
        set_memory()
    } else {
        set_memory()?;
        set_together()
    }
}
