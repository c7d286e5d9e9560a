//! A network as Docker shows it.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::Summary;
use wire::network::NetworkInfo;

use super::{driver, prefix_length};
use crate::docker::filters::pairs;
use crate::docker::shape::Empty;
use crate::docker::time::rfc3339_nano;

/// The option by which Docker's own driver names the host's interface.
const INTERFACE: &str = "com.docker.network.bridge.name";

/// A network.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Network<'a> {
    name: &'a str,
    id: String,
    created: String,
    scope: &'static str,
    driver: &'static str,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Ipam<'a>,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_from: ConfigFrom,
    config_only: bool,
    containers: BTreeMap<String, Attached>,
    options: BTreeMap<&'static str, &'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

impl<'a> Network<'a> {
    pub(super) fn new(network: &'a NetworkInfo, containers: BTreeMap<String, Attached>) -> Self {
        let interface = network.interface.as_str();
        Self {
            name: &network.name,
            id: network.id.to_string(),
            created: rfc3339_nano(network.created_at),
            scope: "local",
            driver: driver(network.kind),
            enable_ipv4: true,
            enable_ipv6: false,
            ipam: Ipam {
                driver: "default",
                options: None,
                config: Pool::new(network).into_iter().collect(),
            },
            internal: false,
            attachable: false,
            ingress: false,
            config_from: ConfigFrom { network: "" },
            config_only: false,
            containers,
            options: (!interface.is_empty())
                .then_some((INTERFACE, interface))
                .into_iter()
                .collect(),
            labels: pairs(&network.labels).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam<'a> {
    driver: &'static str,
    options: Option<Empty>,
    config: Vec<Pool<'a>>,
}

/// Addresses of a network, where they are known.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Pool<'a> {
    subnet: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    gateway: &'a str,
}

impl<'a> Pool<'a> {
    fn new(network: &'a NetworkInfo) -> Option<Self> {
        let subnet = network.subnet.as_str();
        (!subnet.is_empty()).then_some(Self {
            subnet,
            gateway: &network.gateway,
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigFrom {
    network: &'static str,
}

/// A container's place in a network.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attached {
    name: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    mac_address: &'static str,
    #[serde(rename = "IPv4Address")]
    ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    ipv6_address: &'static str,
}

impl Attached {
    pub(super) fn new(network: &NetworkInfo, summary: &Summary, endpoint_id: String) -> Self {
        let address = &summary.address;
        Self {
            name: summary.name.clone(),
            endpoint_id,
            mac_address: "",
            ipv4_address: match prefix_length(network) {
                0 => address.clone(),
                _ if address.is_empty() => String::new(),
                length => format!("{address}/{length}"),
            },
            ipv6_address: "",
        }
    }
}
