//! How a container hangs in its network, as lists and inspections show it.

use serde::Serialize;
use serde::ser::SerializeMap;
use wire::spec::{NetworkMode, Port};
use wire::{ContainerId, State, Status};

use crate::docker::networks::{Networks, mode_name};

/// A container's place in its one network.
#[derive(Debug)]
pub(super) struct Attachment {
    name: &'static str,
    network_id: String,
    endpoint_id: String,
}

impl Attachment {
    pub(super) fn new(networks: &Networks, mode: NetworkMode, state: &State, id: ContainerId) -> Self {
        let name = mode_name(mode);
        Self {
            name,
            // Docker tells the network's id once the container was started, the endpoint's while it runs.
            network_id: if state.started_at.is_never() {
                String::new()
            } else {
                networks.id(name)
            },
            endpoint_id: if is_running(state.status) {
                networks.endpoint_id(name, id)
            } else {
                String::new()
            },
        }
    }

    /// Docker's name of the network.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

/// Whether there is a process to reach.
pub(super) fn is_running(status: Status) -> bool {
    matches!(status, Status::Running | Status::Paused)
}

/// Ports that can be reached in the container's own network while it runs.
pub(super) fn open_ports(
    mode: NetworkMode,
    status: Status,
    exposed: &[Port],
    published: &[Port],
) -> Vec<Port> {
    if mode_name(mode) != "bridge" || !is_running(status) {
        return Vec::new();
    }
    let mut ports: Vec<Port> = exposed
        .iter()
        .chain(published)
        .map(|port| Port {
            container_port: port.container_port,
            protocol: port.protocol.clone(),
            ..Port::default()
        })
        .collect();
    ports.sort_by(|a, b| (a.container_port, &a.protocol).cmp(&(b.container_port, &b.protocol)));
    ports.dedup();
    ports
}

/// `{"bridge": {...}}`.
impl Serialize for Attachment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.name, &Settings::new(&self.network_id, &self.endpoint_id))?;
        map.end()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Settings<'a> {
    #[serde(rename = "IPAMConfig")]
    ipam_config: Option<()>,
    links: Option<()>,
    aliases: Option<()>,
    mac_address: &'static str,
    driver_opts: Option<()>,
    gw_priority: u8,
    #[serde(rename = "NetworkID")]
    network_id: &'a str,
    #[serde(rename = "EndpointID")]
    endpoint_id: &'a str,
    gateway: &'static str,
    #[serde(rename = "IPAddress")]
    ip_address: &'static str,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: &'static str,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: &'static str,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    #[serde(rename = "DNSNames")]
    dns_names: Option<()>,
}

impl<'a> Settings<'a> {
    fn new(network_id: &'a str, endpoint_id: &'a str) -> Self {
        Self {
            ipam_config: None,
            links: None,
            aliases: None,
            mac_address: "",
            driver_opts: None,
            gw_priority: 0,
            network_id,
            endpoint_id,
            gateway: "",
            ip_address: "",
            ip_prefix_len: 0,
            ipv6_gateway: "",
            global_ipv6_address: "",
            global_ipv6_prefix_len: 0,
            dns_names: None,
        }
    }
}
