//! `HostConfig` of an inspection: everything a client may send back to make the same container again.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::spec::{Device, RestartKind, Ulimit};
use wire::{Container, Info};

use super::super::mounts::{MountObject, binds, mount_objects, tmpfs};
use super::super::ports::{Binding, bindings};
use super::object;
use crate::docker::networks::network_name;
use crate::docker::shape::{Empty, null_if_empty};

/// Size of the shared memory where none was asked, in bytes.
const SHM_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Paths a container without privileges sees nothing of, as Docker lists them.
pub(in crate::docker) const MASKED_PATHS: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

/// Paths a container without privileges cannot write, as Docker lists them.
pub(in crate::docker) const READONLY_PATHS: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HostConfig<'a> {
    binds: Option<Vec<String>>,
    #[serde(rename = "ContainerIDFile")]
    container_id_file: &'static str,
    log_config: LogConfig<'a>,
    network_mode: &'a str,
    port_bindings: Option<BTreeMap<String, Vec<Binding>>>,
    restart_policy: RestartPolicy,
    auto_remove: bool,
    volume_driver: &'static str,
    volumes_from: Option<Empty>,
    console_size: [u16; 2],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, &'a str>,
    cap_add: Option<&'a [String]>,
    cap_drop: Option<&'a [String]>,
    cgroupns_mode: &'static str,
    dns: Option<&'a [String]>,
    dns_options: Option<&'a [String]>,
    dns_search: Option<&'a [String]>,
    extra_hosts: Option<&'a [String]>,
    group_add: Option<&'a [String]>,
    ipc_mode: &'static str,
    cgroup: &'static str,
    links: Option<Empty>,
    oom_score_adj: i32,
    pid_mode: &'static str,
    privileged: bool,
    publish_all_ports: bool,
    readonly_rootfs: bool,
    security_opt: Option<&'a [String]>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tmpfs: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "UTSMode")]
    uts_mode: &'static str,
    userns_mode: &'static str,
    shm_size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sysctls: BTreeMap<&'a str, &'a str>,
    runtime: &'a str,
    isolation: &'static str,
    #[serde(flatten)]
    resources: Resources<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<MountObject>,
    masked_paths: &'static [&'static str],
    readonly_paths: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
}

impl<'a> HostConfig<'a> {
    pub(super) fn new(container: &'a Container, info: &Info) -> Self {
        let spec = &container.spec;
        let (security, network, mounts) = (&spec.security, &spec.network, &spec.mounts);
        let binds = binds(mounts);
        let bindings = bindings(&network.published);
        // With every privilege nothing is hidden.
        let paths = |paths: &'static [&'static str]| if security.privileged { &[] } else { paths };
        Self {
            binds: (!binds.is_empty()).then_some(binds),
            container_id_file: "",
            log_config: LogConfig {
                kind: "json-file",
                config: object(&spec.log_options),
            },
            network_mode: network_name(network.mode, &network.name),
            port_bindings: (!bindings.is_empty()).then_some(bindings),
            restart_policy: RestartPolicy::new(&spec.restart),
            auto_remove: spec.auto_remove,
            volume_driver: "",
            volumes_from: None,
            console_size: [spec.process.rows, spec.process.columns],
            annotations: object(&spec.annotations),
            cap_add: null_if_empty(&security.capabilities_added),
            cap_drop: null_if_empty(&security.capabilities_dropped),
            cgroupns_mode: "private",
            dns: null_if_empty(&network.dns),
            dns_options: null_if_empty(&network.dns_options),
            dns_search: null_if_empty(&network.dns_search),
            extra_hosts: null_if_empty(&network.extra_hosts),
            group_add: null_if_empty(&security.groups_added),
            ipc_mode: "private",
            cgroup: "",
            links: None,
            oom_score_adj: spec.resources.oom_score_adjustment,
            pid_mode: "",
            privileged: security.privileged,
            publish_all_ports: network.publish_all,
            readonly_rootfs: security.read_only_rootfs,
            security_opt: null_if_empty(&security.options),
            tmpfs: tmpfs(mounts),
            uts_mode: "",
            userns_mode: "",
            shm_size: match spec.shm_bytes {
                0 => SHM_BYTES_DEFAULT,
                bytes => bytes,
            },
            sysctls: object(&security.sysctls),
            runtime: &container.runtime,
            isolation: "",
            resources: Resources::new(container, info),
            mounts: mount_objects(mounts),
            masked_paths: paths(MASKED_PATHS),
            readonly_paths: paths(READONLY_PATHS),
            init: spec.process.init.then_some(true),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogConfig<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    config: BTreeMap<&'a str, &'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    name: &'static str,
    maximum_retry_count: u32,
}

impl RestartPolicy {
    fn new(policy: &wire::spec::RestartPolicy) -> Self {
        Self {
            name: match policy.kind {
                RestartKind::No | RestartKind::Unknown(_) => "no",
                RestartKind::Always => "always",
                RestartKind::UnlessStopped => "unless-stopped",
                RestartKind::OnFailure => "on-failure",
            },
            maximum_retry_count: policy.retries_max,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resources<'a> {
    cpu_shares: u64,
    memory: u64,
    nano_cpus: u64,
    cgroup_parent: &'static str,
    blkio_weight: u16,
    blkio_weight_device: Option<Empty>,
    blkio_device_read_bps: Option<Empty>,
    blkio_device_write_bps: Option<Empty>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    blkio_device_read_iops: Option<Empty>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    blkio_device_write_iops: Option<Empty>,
    cpu_period: u64,
    cpu_quota: i64,
    cpu_realtime_period: u64,
    cpu_realtime_runtime: u64,
    cpuset_cpus: &'a str,
    cpuset_mems: &'a str,
    devices: Option<Vec<DeviceShape<'a>>>,
    device_cgroup_rules: Option<Empty>,
    device_requests: Option<Empty>,
    memory_reservation: u64,
    memory_swap: i64,
    memory_swappiness: Option<i64>,
    oom_kill_disable: Option<bool>,
    pids_limit: Option<i64>,
    ulimits: Option<Vec<UlimitShape<'a>>>,
    cpu_count: u64,
    cpu_percent: u64,
    #[serde(rename = "IOMaximumIOps")]
    io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    io_maximum_bandwidth: u64,
}

impl<'a> Resources<'a> {
    fn new(container: &'a Container, info: &Info) -> Self {
        let resources = &container.spec.resources;
        let (devices, ulimits) = (&container.spec.security.devices, &resources.ulimits);
        Self {
            cpu_shares: resources.cpu_shares,
            memory: resources.memory_bytes,
            nano_cpus: resources.nano_cpus,
            cgroup_parent: "",
            blkio_weight: 0,
            blkio_weight_device: None,
            blkio_device_read_bps: None,
            blkio_device_write_bps: None,
            blkio_device_read_iops: None,
            blkio_device_write_iops: None,
            cpu_period: resources.cpu_period_us,
            cpu_quota: resources.cpu_quota_us,
            cpu_realtime_period: 0,
            cpu_realtime_runtime: 0,
            cpuset_cpus: &resources.cpuset_cpus,
            cpuset_mems: &resources.cpuset_mems,
            devices: (!devices.is_empty()).then(|| devices.iter().map(DeviceShape::new).collect()),
            device_cgroup_rules: None,
            device_requests: None,
            memory_reservation: resources.memory_reservation_bytes,
            memory_swap: resources.memory_swap_bytes,
            memory_swappiness: None,
            oom_kill_disable: info.limits.oom_kill_disable.then_some(false),
            pids_limit: (resources.pids_max != 0).then_some(resources.pids_max),
            ulimits: (!ulimits.is_empty()).then(|| ulimits.iter().map(UlimitShape::new).collect()),
            cpu_count: 0,
            cpu_percent: 0,
            io_maximum_iops: 0,
            io_maximum_bandwidth: 0,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeviceShape<'a> {
    path_on_host: &'a str,
    path_in_container: &'a str,
    cgroup_permissions: &'a str,
}

impl<'a> DeviceShape<'a> {
    fn new(device: &'a Device) -> Self {
        Self {
            path_on_host: &device.source,
            path_in_container: &device.target,
            cgroup_permissions: &device.permissions,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct UlimitShape<'a> {
    name: &'a str,
    hard: i64,
    soft: i64,
}

impl<'a> UlimitShape<'a> {
    fn new(ulimit: &'a Ulimit) -> Self {
        Self {
            name: &ulimit.name,
            hard: ulimit.hard,
            soft: ulimit.soft,
        }
    }
}
