//! Kernel settings of the container's own namespaces.

use wire::spec::Pair;

use super::NetworkPlan;
use crate::shim::failure::Failure;

/// Settings of the IPC namespace below `kernel`.
const IPC: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Paths below `/proc/sys`, and values.
///
/// # Errors
/// A setting that is not of a namespace the container has to itself: writing it would change the
/// machine.
pub fn plan(asked: &[Pair], network: NetworkPlan) -> Result<Vec<(String, String)>, Failure> {
    asked
        .iter()
        .map(|Pair { key, value }| {
            let key = key.replace('/', ".");
            let own = IPC.contains(&key.as_str()) || key.starts_with("fs.mqueue.");
            if key.starts_with("net.") && network == NetworkPlan::Host {
                return Err(Failure::invalid(format_args!(
                    "sysctl \"{key}\" not allowed in host network namespace"
                )));
            }
            // Two dots in a row would be an empty name, which is how one climbs out.
            if !(own || key.starts_with("net.")) || key.split('.').any(str::is_empty) {
                return Err(Failure::invalid(format_args!(
                    "sysctl \"{key}\" is not in a separate kernel namespace"
                )));
            }
            Ok((key.replace('.', "/"), value.clone()))
        })
        .collect()
}
