//! What a body may ask that is not served: refused by name, or discarded with a warning where Docker
//! itself does that on kernels that cannot.

use super::super::mounts::{is_covered, no_volumes};
use super::body::{Body, HostConfig};
use crate::docker::containers::inspect::{MASKED_PATHS, READONLY_PATHS};
use crate::docker::error::ApiError;

/// Refuses what would make another container than the one asked for.
pub(super) fn refuse(body: &Body) -> Result<(), ApiError> {
    let host = &*body.host_config;
    let mut volumes = body.volumes.keys();
    if let Some(path) = volumes.find(|path| !is_covered(path, &host.binds, &host.mounts)) {
        return Err(no_volumes("an anonymous volume", path));
    }
    let refused = [
        ("Config.MacAddress", !body.mac_address.is_empty()),
        ("HostConfig.VolumesFrom", !host.volumes_from.is_empty()),
        ("HostConfig.Links", !host.links.is_empty()),
        ("HostConfig.Cgroup", !host.cgroup.is_empty()),
        ("HostConfig.StorageOpt", !host.storage_opt.is_empty()),
    ];
    refuse_any(&refused)?;
    refuse_resources(host)?;
    refuse_modes(host)?;
    refuse_paths(host)
}

fn refuse_any(refused: &[(&str, bool)]) -> Result<(), ApiError> {
    match refused.iter().find(|(_, asked)| *asked) {
        Some((field, _)) => Err(not_served(field, "is set")),
        None => Ok(()),
    }
}

/// Limits and devices that are not served, at create and afterwards.
pub(super) fn refuse_resources(host: &HostConfig) -> Result<(), ApiError> {
    refuse_any(&[
        ("HostConfig.CgroupParent", !host.cgroup_parent.is_empty()),
        ("HostConfig.DeviceRequests", !host.device_requests.is_empty()),
        (
            "HostConfig.DeviceCgroupRules",
            !host.device_cgroup_rules.is_empty(),
        ),
        ("HostConfig.CpuRealtimePeriod", *host.cpu_realtime_period != 0),
        ("HostConfig.CpuRealtimeRuntime", *host.cpu_realtime_runtime != 0),
        (
            "HostConfig.BlkioWeightDevice",
            !host.blkio_weight_device.is_empty(),
        ),
        (
            "HostConfig.BlkioDeviceReadBps",
            !host.blkio_device_read_bps.is_empty(),
        ),
        (
            "HostConfig.BlkioDeviceWriteBps",
            !host.blkio_device_write_bps.is_empty(),
        ),
        (
            "HostConfig.BlkioDeviceReadIOps",
            !host.blkio_device_read_iops.is_empty(),
        ),
        (
            "HostConfig.BlkioDeviceWriteIOps",
            !host.blkio_device_write_iops.is_empty(),
        ),
    ])
}

/// Namespaces are the container's own; sharing one is not served.
fn refuse_modes(host: &HostConfig) -> Result<(), ApiError> {
    let modes: [(&str, &str, &[&str]); 5] = [
        ("HostConfig.PidMode", &host.pid_mode, &[""]),
        ("HostConfig.IpcMode", &host.ipc_mode, &["", "private"]),
        ("HostConfig.UTSMode", &host.uts_mode, &[""]),
        // There are no user namespaces, which is what "host" asks for.
        ("HostConfig.UsernsMode", &host.userns_mode, &["", "host"]),
        ("HostConfig.CgroupnsMode", &host.cgroupns_mode, &["", "private"]),
    ];
    for (field, mode, served) in modes {
        if !served.contains(&mode) {
            return Err(not_served(field, &format!("is {mode:?}")));
        }
    }
    if !matches!(host.isolation.as_str(), "" | "default") {
        return Err(ApiError::bad_request(format!(
            "invalid isolation \"{}\" on linux",
            *host.isolation
        )));
    }
    if !matches!(host.log_config.kind.as_str(), "" | "json-file") {
        return Err(not_served(
            "HostConfig.LogConfig.Type",
            &format!("is {:?}", *host.log_config.kind),
        ));
    }
    Ok(())
}

/// The paths that are masked and read-only are what an inspection shows; they cannot be chosen.
fn refuse_paths(host: &HostConfig) -> Result<(), ApiError> {
    let same =
        |asked: &Option<Vec<String>>, shown: &[&str]| asked.as_ref().is_none_or(|asked| asked == shown);
    // A privileged container has neither, and so its inspection says.
    let none = |asked: &Option<Vec<String>>| asked.as_ref().is_some_and(Vec::is_empty) && *host.privileged;
    if !same(&host.masked_paths, MASKED_PATHS) && !none(&host.masked_paths) {
        return Err(not_served("HostConfig.MaskedPaths", "is not the default"));
    }
    if !same(&host.readonly_paths, READONLY_PATHS) && !none(&host.readonly_paths) {
        return Err(not_served("HostConfig.ReadonlyPaths", "is not the default"));
    }
    Ok(())
}

fn not_served(field: &str, how: &str) -> ApiError {
    ApiError::not_implemented(format!("{field} {how}, which is not served"))
}

/// What is left out of the container without harm, in words.
pub(super) fn warnings(host: &HostConfig) -> Vec<String> {
    let discarded = [
        (
            *host.blkio_weight != 0,
            "Block I/O weight is not enforced. Weight discarded.",
        ),
        (
            host.memory_swappiness.is_some_and(|value| value != -1),
            "Memory swappiness is not enforced. Memory swappiness discarded.",
        ),
        (
            *host.oom_kill_disable,
            "OomKillDisable is not enforced. OomKillDisable discarded.",
        ),
        (
            *host.kernel_memory != 0 || *host.kernel_memory_tcp != 0,
            "Kernel memory limits are obsolete. Kernel memory limit discarded.",
        ),
        (
            !host.volume_driver.is_empty(),
            "Volumes are not served yet. Volume driver discarded.",
        ),
    ];
    discarded
        .into_iter()
        .filter(|(asked, _)| *asked)
        .map(|(_, words)| words.to_owned())
        .collect()
}
