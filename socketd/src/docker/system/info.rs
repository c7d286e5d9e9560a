//! `GET /info`.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::info::LimitSupport;
use wire::{Info, Status, Summary, Time};

use super::VERSION;
use crate::docker::images::ImageIndex;
use crate::docker::networks::drivers;
use crate::docker::shape::{Empty, STORAGE_DRIVER};
use crate::docker::time::rfc3339_nano;

/// `GET /info`. `listeners`: clients that read events now.
#[must_use]
pub fn info<'a, 'b>(
    info: &'a Info,
    containers: impl Iterator<Item = &'b Summary>,
    images: &ImageIndex,
    listeners: usize,
    now: Time,
) -> InfoShape<'a> {
    let (mut all, mut running, mut paused) = (0, 0, 0);
    for summary in containers {
        all += 1;
        running += usize::from(summary.state.status == Status::Running);
        paused += usize::from(summary.state.status == Status::Paused);
    }
    InfoShape {
        id: &info.host_id,
        containers: all,
        containers_running: running,
        containers_paused: paused,
        containers_stopped: all - running - paused,
        images: images.images().len(),
        driver: STORAGE_DRIVER,
        driver_status: [["Backing Filesystem", &info.backing_filesystem]],
        plugins: Plugins {
            volume: [],
            network: drivers(info),
            authorization: None,
            log: ["json-file"],
        },
        limits: Limits::new(&info.limits),
        ipv4_forwarding: info.ipv4_forwarding,
        system_time: rfc3339_nano(now),
        logging_driver: "json-file",
        // Docker's word for writing to the control groups directly, and for having none.
        cgroup_driver: if info.cgroup_version.is_empty() {
            "none"
        } else {
            "cgroupfs"
        },
        cgroup_version: &info.cgroup_version,
        n_events_listener: listeners,
        kernel_version: &info.kernel_version,
        operating_system: &info.operating_system,
        os_version: &info.os_version,
        os_type: "linux",
        architecture: &info.architecture,
        n_cpu: info.cpus,
        mem_total: info.memory_bytes,
        docker_root_dir: &info.state_dir,
        name: &info.hostname,
        server_version: VERSION,
        runtimes: info
            .runtimes
            .iter()
            .map(|runtime| (runtime.as_str(), Empty {}))
            .collect(),
        default_runtime: info.runtimes.first().map_or("", String::as_str),
        swarm: Swarm::inactive(),
        // Containers outlive both daemons, which is what Docker calls so.
        live_restore_enabled: true,
        absent: Absent::default(),
        security_options: if info.seccomp {
            vec!["name=seccomp,profile=builtin"]
        } else {
            Vec::new()
        },
        warnings: (!info.warnings.is_empty()).then_some(&info.warnings),
    }
}

/// `GET /info`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InfoShape<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    containers: usize,
    containers_running: usize,
    containers_paused: usize,
    containers_stopped: usize,
    images: usize,
    driver: &'static str,
    driver_status: [[&'a str; 2]; 1],
    plugins: Plugins,
    #[serde(flatten)]
    limits: Limits,
    #[serde(rename = "IPv4Forwarding")]
    ipv4_forwarding: bool,
    system_time: String,
    logging_driver: &'static str,
    cgroup_driver: &'static str,
    cgroup_version: &'a str,
    n_events_listener: usize,
    kernel_version: &'a str,
    operating_system: &'a str,
    #[serde(rename = "OSVersion")]
    os_version: &'a str,
    #[serde(rename = "OSType")]
    os_type: &'static str,
    architecture: &'a str,
    #[serde(rename = "NCPU")]
    n_cpu: u32,
    mem_total: u64,
    docker_root_dir: &'a str,
    name: &'a str,
    server_version: &'static str,
    runtimes: BTreeMap<&'a str, Empty>,
    default_runtime: &'a str,
    swarm: Swarm,
    live_restore_enabled: bool,
    #[serde(flatten)]
    absent: Absent,
    security_options: Vec<&'static str>,
    warnings: Option<&'a Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Plugins {
    volume: [&'static str; 0],
    network: Vec<&'static str>,
    authorization: Option<Empty>,
    log: [&'static str; 1],
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegistryConfig {
    #[serde(rename = "InsecureRegistryCIDRs")]
    insecure_registry_cidrs: [&'static str; 0],
    index_configs: Empty,
    mirrors: [&'static str; 0],
}

#[derive(Debug, Default, Serialize)]
struct Commit {
    #[serde(rename = "ID")]
    id: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Swarm {
    #[serde(rename = "NodeID")]
    node_id: &'static str,
    node_addr: &'static str,
    local_node_state: &'static str,
    control_available: bool,
    error: &'static str,
    remote_managers: Option<Empty>,
}

impl Swarm {
    fn inactive() -> Self {
        Self {
            node_id: "",
            node_addr: "",
            local_node_state: "inactive",
            control_available: false,
            error: "",
            remote_managers: None,
        }
    }
}

/// Which limits the kernel can hold a container to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Limits {
    memory_limit: bool,
    swap_limit: bool,
    cpu_cfs_period: bool,
    cpu_cfs_quota: bool,
    #[serde(rename = "CPUShares")]
    cpu_shares: bool,
    #[serde(rename = "CPUSet")]
    cpu_set: bool,
    pids_limit: bool,
    oom_kill_disable: bool,
}

impl Limits {
    fn new(support: &LimitSupport) -> Self {
        Self {
            memory_limit: support.memory,
            swap_limit: support.swap,
            cpu_cfs_period: support.cpu_quota,
            cpu_cfs_quota: support.cpu_quota,
            cpu_shares: support.cpu_shares,
            cpu_set: support.cpuset,
            pids_limit: support.pids,
            oom_kill_disable: support.oom_kill_disable,
        }
    }
}

/// What there is nothing of here: a registry client, a proxy, parts that are programs of their own.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Absent {
    debug: bool,
    n_fd: u32,
    n_goroutines: u32,
    index_server_address: &'static str,
    registry_config: RegistryConfig,
    generic_resources: Option<Empty>,
    http_proxy: &'static str,
    https_proxy: &'static str,
    no_proxy: &'static str,
    labels: [&'static str; 0],
    experimental_build: bool,
    isolation: &'static str,
    init_binary: &'static str,
    containerd_commit: Commit,
    runc_commit: Commit,
    init_commit: Commit,
    #[serde(rename = "CDISpecDirs")]
    cdi_spec_dirs: [&'static str; 0],
}
