//! How a container hangs in its network, as lists and inspections show it.

use serde::Serialize;
use serde::ser::SerializeMap;
use wire::spec::{NetworkMode, Port};
use wire::{Container, ContainerId, State, Status, Summary};

use crate::docker::networks::{Networks, network_name, prefix_length};

/// What is known of a container's network, whoever tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    id: ContainerId,
    state: &'a State,
    mode: NetworkMode,
    name: &'a str,
    address: &'a str,
    forwarded: bool,
    pub(super) exposed: &'a [Port],
    pub(super) published: &'a [Port],
}

impl<'a> From<&'a Summary> for Place<'a> {
    fn from(summary: &'a Summary) -> Self {
        Self {
            id: summary.id,
            state: &summary.state,
            mode: summary.network_mode,
            name: network_name(summary.network_mode, &summary.network),
            address: &summary.address,
            forwarded: summary.forwarded,
            exposed: &summary.exposed,
            published: &summary.published,
        }
    }
}

impl<'a> From<&'a Container> for Place<'a> {
    fn from(container: &'a Container) -> Self {
        let network = &container.spec.network;
        Self {
            id: container.id,
            state: &container.state,
            mode: network.mode,
            name: network_name(network.mode, &network.name),
            address: &network.address,
            forwarded: network.forwarded,
            exposed: &network.exposed,
            published: &network.published,
        }
    }
}

impl Place<'_> {
    /// Whether its ports lead from the host to it now.
    pub(super) fn is_forwarded(&self) -> bool {
        self.forwarded && self.has_ports()
    }

    /// Whether there are ports of its own to reach: not where it has the host's, or none.
    pub(super) fn has_ports(&self) -> bool {
        let own = matches!(
            self.mode,
            NetworkMode::Default | NetworkMode::Bridge | NetworkMode::Named
        );
        own && is_running(self.state.status)
    }
}

/// Whether there is a process to reach.
fn is_running(status: Status) -> bool {
    matches!(status, Status::Running | Status::Paused)
}

/// A container's place in its one network, with what is derived of it.
#[derive(Debug)]
pub(super) struct Attachment<'a> {
    name: &'a str,
    network_id: String,
    endpoint_id: String,
    address: &'a str,
    gateway: String,
    prefix_length: u8,
}

impl<'a> Attachment<'a> {
    pub(super) fn new(networks: &Networks, place: Place<'a>) -> Self {
        let name = place.name;
        let runs = is_running(place.state.status);
        // An address belongs to a container while it runs, and what leads to it with it.
        let network = networks.named(name).filter(|_| runs && !place.address.is_empty());
        Self {
            name,
            // Docker tells the network's id once the container was started, the endpoint's while it runs.
            network_id: if place.state.started_at.is_never() {
                String::new()
            } else {
                networks.id(name)
            },
            endpoint_id: if runs {
                networks.endpoint_id(name, place.id)
            } else {
                String::new()
            },
            address: if runs { place.address } else { "" },
            gateway: network.map(|network| network.gateway.clone()).unwrap_or_default(),
            prefix_length: network.map(prefix_length).unwrap_or_default(),
        }
    }

    /// Docker's name of the network.
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Address, gateway and length of the prefix as older clients read them: beside the networks, and
    /// of the default one only.
    pub(super) fn of_default_network(&self) -> (&'a str, &str, u8) {
        match self.name {
            "bridge" => (self.address, &self.gateway, self.prefix_length),
            _ => ("", "", 0),
        }
    }
}

/// `{"bridge": {...}}`.
impl Serialize for Attachment<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.name, &Settings::new(self))?;
        map.end()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Settings<'a> {
    /// Docker tells only what a client asked for, and none can ask for an address.
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
    gateway: &'a str,
    #[serde(rename = "IPAddress")]
    ip_address: &'a str,
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
    fn new(attachment: &'a Attachment<'_>) -> Self {
        Self {
            ipam_config: None,
            links: None,
            aliases: None,
            mac_address: "",
            driver_opts: None,
            gw_priority: 0,
            network_id: &attachment.network_id,
            endpoint_id: &attachment.endpoint_id,
            gateway: &attachment.gateway,
            ip_address: attachment.address,
            ip_prefix_len: attachment.prefix_length,
            ipv6_gateway: "",
            global_ipv6_address: "",
            global_ipv6_prefix_len: 0,
            dns_names: None,
        }
    }
}
