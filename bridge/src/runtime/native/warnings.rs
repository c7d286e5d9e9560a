//! What a container asks for and will not get, in words for its user.

use wire::Container;
use wire::spec::NetworkMode;

use crate::shim::cgroup::Layout;
use crate::shim::plan::limits::SwapLimit;
use crate::shim::plan::{NetworkPlan, Plan};
use crate::sys::filter;

/// The sentences; none where all will be as asked.
pub(super) fn about(container: &Container, plan: &Plan, layout: &Layout) -> Vec<String> {
    let mut warnings = limits(plan, layout);
    let spec = &container.spec;
    let mut warn = |when: bool, sentence: String| {
        if when {
            warnings.push(sentence);
        }
    };
    let network = &spec.network;
    warn(
        matches!(network.mode, NetworkMode::Default | NetworkMode::Bridge),
        "This runtime has no bridge network yet: the container gets a network of its own with loopback only."
            .to_owned(),
    );
    warn(
        plan.network == NetworkPlan::Own && (network.publish_all || !network.published.is_empty()),
        "Published ports are discarded: no port of the host leads to this container.".to_owned(),
    );
    warn(
        plan.process.filtered && !filter::is_known(),
        "Your kernel does not filter system calls. The container runs without a filter.".to_owned(),
    );
    for mount in spec
        .mounts
        .iter()
        .filter(|mount| !matches!(mount.propagation.as_str(), "" | "private" | "rprivate"))
    {
        warn(
            true,
            format!(
                "Mount {} is private: propagation {:?} is discarded.",
                mount.target, mount.propagation
            ),
        );
    }
    for device in spec
        .security
        .devices
        .iter()
        .filter(|device| !matches!(device.permissions.as_str(), "" | "rwm"))
    {
        warn(
            true,
            format!(
                "Device {} can be used in full: permissions {:?} are discarded.",
                device.source, device.permissions
            ),
        );
    }
    warnings
}

/// The part of them that is about limits.
pub(super) fn limits(plan: &Plan, layout: &Layout) -> Vec<String> {
    let (asked, can) = (&plan.group_limits, layout.support());
    let cpuset = !asked.cpuset_cpus.is_empty() || !asked.cpuset_mems.is_empty();
    [
        (asked.memory_bytes.is_some() && !can.memory, "memory limit"),
        (asked.memory_reservation_bytes.is_some() && !can.memory, "memory soft limit"),
        // Twice the memory is the default, not a wish; without swap accounting it is silently what it was.
        (
            !can.swap && matches!(asked.swap, SwapLimit::Bytes(bytes) if Some(bytes) != asked.memory_bytes.map(|memory| memory.saturating_mul(2))),
            "swap limit",
        ),
        (asked.cpu_quota_us.is_some() && !can.cpu_quota, "CPU CFS quota"),
        (asked.cpu_shares.is_some() && !can.cpu_shares, "CPU shares"),
        (cpuset && !can.cpuset, "cpuset"),
        (asked.pids_max.is_some() && !can.pids, "PIDs limit"),
    ]
    .into_iter()
    .filter(|(missing, _)| *missing)
    .map(|(_, what)| {
        format!("Your kernel does not support {what} capabilities or the cgroup is not mounted. Limitation discarded.")
    })
    .collect()
}
