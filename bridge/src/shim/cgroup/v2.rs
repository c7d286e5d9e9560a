//! Limits, in the words of version 2.

use std::fs;
use std::path::Path;

use super::{Group, live};
use crate::shim::failure::Failure;
use crate::shim::plan::limits::{GroupLimits, SwapLimit};

/// Controllers that children are given where they are there.
const DELEGATED: &[&str] = &["memory", "cpu", "cpuset", "pids", "io"];

/// Lets groups below `parent` use the controllers, from the root down. One controller at a time:
/// the kernel takes all of a line or nothing. What it refuses is missed when a limit is set.
pub(super) fn delegate(parent: &Path, controllers: &[String]) {
    for directory in [parent.parent(), Some(parent)].into_iter().flatten() {
        let file = directory.join("cgroup.subtree_control");
        let enabled = fs::read_to_string(&file).unwrap_or_default();
        let missing = DELEGATED.iter().filter(|&&name| {
            controllers.iter().any(|have| have == name)
                && !enabled.split_whitespace().any(|have| have == name)
        });
        for name in missing {
            let _ = fs::write(&file, format!("+{name}"));
        }
    }
}

pub(super) fn limit(group: &Group, limits: &GroupLimits) -> Result<(), Failure> {
    if group.has("memory") {
        memory(group, limits)?;
    }
    if group.has("cpu") {
        if let Some(shares) = limits.cpu_shares {
            group.set("cpu.weight", weight(shares))?;
        }
        if let Some((quota, period)) = limits.cpu_quota_us {
            group.set("cpu.max", format_args!("{quota} {period}"))?;
        }
    }
    if group.has("pids")
        && let Some(max) = limits.pids_max
    {
        group.set("pids.max", max)?;
    }
    if group.has("cpuset") {
        for (file, value) in [
            ("cpuset.cpus", &limits.cpuset_cpus),
            ("cpuset.mems", &limits.cpuset_mems),
        ] {
            if !value.is_empty() {
                group.set(file, value)?;
            }
        }
    }
    Ok(())
}

/// The kernel's own conversion between the two scales: 2..262144 to 1..10000.
pub(super) fn weight(shares: u64) -> u64 {
    1 + shares.saturating_sub(2) * 9999 / 262_142
}

/// Version 2 counts swap alone, so memory is taken off what was asked for both.
fn memory(group: &Group, limits: &GroupLimits) -> Result<(), Failure> {
    if let Some(bytes) = limits.memory_bytes {
        group.set("memory.max", bytes)?;
    }
    match limits.swap {
        SwapLimit::Unset => {}
        SwapLimit::None => group.set("memory.swap.max", "max")?,
        SwapLimit::Bytes(together) => {
            group.set(
                "memory.swap.max",
                together.saturating_sub(limits.memory_bytes.unwrap_or(0)),
            )?;
        }
    }
    if let Some(bytes) = limits.memory_reservation_bytes {
        group.set("memory.low", bytes)?;
    }
    Ok(())
}

/// Changes both limits of a group in which something runs; neither can stand in the other's way.
pub(super) fn change_memory(group: &Group, limits: &GroupLimits) -> Result<(), Failure> {
    let swap = live::together(limits).map(|bytes| bytes.saturating_sub(limits.memory_bytes.unwrap_or(0)));
    group.set_or("memory.max", limits.memory_bytes, "max")?;
    group.set_or("memory.swap.max", swap, "max")
}
