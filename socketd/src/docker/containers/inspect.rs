//! `GET /containers/{id}/json`.

mod host_config;

use std::collections::BTreeMap;

use serde::Serialize;
use wire::response::ContainerUsage;
use wire::spec::{Pair, Port};
use wire::{Container, Info, State, Status};

use self::host_config::HostConfig;
pub(in crate::docker) use self::host_config::{MASKED_PATHS, READONLY_PATHS};
use super::attachment::{Attachment, Place};
use super::health::{HealthShape, Healthcheck, shown_check};
use super::mounts::{MountPoint, mount_points};
use super::open_ports::port_map;
use super::ports::Binding;
use crate::docker::filters::pairs;
use crate::docker::networks::Networks;
use crate::docker::shape::{Empty, GraphDriver, GraphDriverData, null_if_empty, port_key, storage_driver};
use crate::docker::status::{exit_code, state_word};
use crate::docker::time::rfc3339_nano;

/// Everything Docker shows of a container. With usage, the sizes are shown.
#[must_use]
pub fn inspect<'a>(
    container: &'a Container,
    info: &Info,
    networks: &Networks,
    usage: Option<&ContainerUsage>,
) -> impl Serialize + use<'a> {
    Inspected::new(container, info, networks, usage)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected<'a> {
    id: String,
    created: String,
    path: &'a str,
    args: Vec<&'a str>,
    state: StateShape<'a>,
    image: String,
    resolv_conf_path: &'a str,
    hostname_path: &'a str,
    hosts_path: &'a str,
    log_path: &'a str,
    name: String,
    restart_count: u32,
    driver: &'a str,
    platform: &'static str,
    mount_label: &'static str,
    process_label: &'static str,
    app_armor_profile: &'static str,
    #[serde(rename = "ExecIDs")]
    exec_ids: Option<Vec<String>>,
    host_config: HostConfig<'a>,
    graph_driver: GraphDriver<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
    mounts: Vec<MountPoint<'a>>,
    config: Config<'a>,
    network_settings: NetworkSettings<'a>,
}

impl<'a> Inspected<'a> {
    fn new(
        container: &'a Container,
        info: &Info,
        networks: &Networks,
        usage: Option<&ContainerUsage>,
    ) -> Self {
        let process = &container.spec.process;
        let mut arguments = process
            .entrypoint
            .iter()
            .chain(&process.command)
            .map(String::as_str);
        Self {
            id: container.id.to_string(),
            created: rfc3339_nano(container.created_at),
            path: arguments.next().unwrap_or_default(),
            args: arguments.collect(),
            state: StateShape::new(&container.state),
            image: format!("sha256:{}", container.image_id),
            resolv_conf_path: &container.resolv_conf_path,
            hostname_path: &container.hostname_path,
            hosts_path: &container.hosts_path,
            log_path: &container.log_path,
            name: format!("/{}", container.name),
            restart_count: container.state.restart_count,
            driver: storage_driver(&container.storage),
            platform: "linux",
            mount_label: "",
            process_label: "",
            app_armor_profile: "",
            exec_ids: Some(container.execs.clone()).filter(|execs| !execs.is_empty()),
            host_config: HostConfig::new(container, info),
            graph_driver: GraphDriver::new(
                storage_driver(&container.storage),
                GraphDriverData {
                    lower_dir: container.lower_dirs.join(":"),
                    upper_dir: container.upper_dir.clone(),
                },
            ),
            size_rw: usage.map(|usage| usage.upper_bytes),
            size_root_fs: usage.map(|usage| usage.image_bytes.saturating_add(usage.upper_bytes)),
            mounts: mount_points(&container.spec.mounts),
            config: Config::new(container),
            network_settings: NetworkSettings::new(container, networks),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StateShape<'a> {
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: u32,
    exit_code: u32,
    error: &'a str,
    started_at: String,
    finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<HealthShape<'a>>,
}

impl<'a> StateShape<'a> {
    fn new(state: &'a State) -> Self {
        let status = state.status;
        let runs = matches!(status, Status::Running | Status::Paused);
        Self {
            status: state_word(status),
            // Docker calls what will be started again running.
            running: runs || status == Status::Restarting,
            paused: status == Status::Paused,
            restarting: status == Status::Restarting,
            oom_killed: !runs && state.exit.as_ref().is_some_and(|exit| exit.oom),
            dead: status == Status::Dead,
            pid: state.pid,
            exit_code: exit_code(state),
            error: &state.error,
            started_at: rfc3339_nano(state.started_at),
            finished_at: rfc3339_nano(state.finished_at),
            health: HealthShape::new(state),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Config<'a> {
    hostname: String,
    domainname: &'a str,
    user: &'a str,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, Empty>,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: Option<&'a [String]>,
    cmd: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Healthcheck>,
    image: &'a str,
    volumes: Option<Empty>,
    working_dir: &'a str,
    entrypoint: Option<&'a [String]>,
    on_build: Option<Empty>,
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    stop_signal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_timeout: Option<u32>,
}

impl<'a> Config<'a> {
    fn new(container: &'a Container) -> Self {
        let spec = &container.spec;
        let process = &spec.process;
        Self {
            hostname: if spec.hostname.is_empty() {
                container.id.hex().short().to_owned()
            } else {
                spec.hostname.clone()
            },
            domainname: &spec.domainname,
            user: &process.user,
            attach_stdin: process.attach_stdin,
            attach_stdout: process.attach_stdout,
            attach_stderr: process.attach_stderr,
            exposed_ports: exposed(&spec.network.exposed, &spec.network.published),
            tty: process.tty,
            open_stdin: process.open_stdin,
            stdin_once: process.stdin_once,
            env: null_if_empty(&process.env),
            cmd: null_if_empty(&process.command),
            healthcheck: spec.health_check.as_ref().map(shown_check),
            image: &spec.image,
            volumes: None,
            working_dir: &process.working_dir,
            entrypoint: null_if_empty(&process.entrypoint),
            on_build: None,
            labels: object(&spec.labels),
            stop_signal: &process.stop_signal,
            stop_timeout: process.stop_timeout_s,
        }
    }
}

/// What is published is exposed.
fn exposed(exposed: &[Port], published: &[Port]) -> BTreeMap<String, Empty> {
    exposed
        .iter()
        .chain(published)
        .map(|port| (port_key(port), Empty {}))
        .collect()
}

fn object(list: &[Pair]) -> BTreeMap<&str, &str> {
    pairs(list).collect()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings<'a> {
    bridge: &'static str,
    #[serde(rename = "SandboxID")]
    sandbox_id: &'static str,
    sandbox_key: &'static str,
    ports: BTreeMap<String, Option<Vec<Binding>>>,
    hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    link_local_ipv6_address: &'static str,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    link_local_ipv6_prefix_len: u8,
    #[serde(rename = "SecondaryIPAddresses")]
    secondary_ip_addresses: Option<Empty>,
    #[serde(rename = "SecondaryIPv6Addresses")]
    secondary_ipv6_addresses: Option<Empty>,
    #[serde(rename = "EndpointID")]
    endpoint_id: &'static str,
    gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: &'static str,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    #[serde(rename = "IPAddress")]
    ip_address: &'a str,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: &'static str,
    mac_address: &'static str,
    networks: Attachment<'a>,
}

impl<'a> NetworkSettings<'a> {
    fn new(container: &'a Container, networks: &Networks) -> Self {
        let place = Place::from(container);
        let attachment = Attachment::new(networks, place);
        let (address, gateway, prefix_length) = attachment.of_default_network();
        Self {
            bridge: "",
            sandbox_id: "",
            sandbox_key: "",
            ports: port_map(place),
            hairpin_mode: false,
            link_local_ipv6_address: "",
            link_local_ipv6_prefix_len: 0,
            secondary_ip_addresses: None,
            secondary_ipv6_addresses: None,
            endpoint_id: "",
            gateway: gateway.to_owned(),
            global_ipv6_address: "",
            global_ipv6_prefix_len: 0,
            ip_address: address,
            ip_prefix_len: prefix_length,
            ipv6_gateway: "",
            mac_address: "",
            networks: attachment,
        }
    }
}

#[cfg(test)]
mod tests;
