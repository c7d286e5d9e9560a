//! How a container is to be reached.

use std::collections::BTreeSet;

use wire::ImageConfig;
use wire::spec::{Network, NetworkMode, Port};

use super::super::ports::{PORTS_MAX, parse_bindings, parse_port};
use super::body::{Body, Endpoint};
use crate::docker::error::ApiError;
use crate::docker::networks::{self, Networks};

/// The network, with what the user should know about it.
pub(super) fn network(
    body: &Body,
    image: &ImageConfig,
    networks: &Networks,
) -> Result<(Network, Vec<String>), ApiError> {
    let host = &*body.host_config;
    let mode = if *body.network_disabled {
        NetworkMode::None
    } else {
        mode(&host.network_mode, networks)?
    };
    for (name, endpoint) in body.networking_config.endpoints_config.iter() {
        check_endpoint(mode, self::mode(name, networks)?, name, endpoint.as_ref())?;
    }
    let published = parse_bindings(&host.port_bindings)?;
    for line in host.extra_hosts.iter() {
        if !line.contains([':', '=']) {
            return Err(ApiError::bad_request(format!(
                "bad format for add-host: {line:?}"
            )));
        }
    }
    let warnings = warnings(mode, !published.is_empty() || *host.publish_all_ports);
    let network = Network {
        mode,
        exposed: exposed(body, image)?,
        published,
        dns: host.dns.clone(),
        dns_options: host.dns_options.clone(),
        dns_search: host.dns_search.clone(),
        extra_hosts: host.extra_hosts.clone(),
        publish_all: *host.publish_all_ports,
        ..Network::default()
    };
    Ok((network, warnings))
}

fn mode(text: &str, networks: &Networks) -> Result<NetworkMode, ApiError> {
    match text {
        "" | "default" => Ok(NetworkMode::Default),
        "bridge" => Ok(NetworkMode::Bridge),
        "none" => Ok(NetworkMode::None),
        "host" => Ok(NetworkMode::Host),
        shared if shared.starts_with("container:") => Err(ApiError::not_implemented(format!(
            "sharing the network of another container ({shared}) is not served"
        ))),
        other if networks.named(other).is_some() => Err(ApiError::not_implemented(format!(
            "network {other} belongs to a runtime that creates no containers"
        ))),
        other => Err(networks::not_found(other)),
    }
}

/// A second network, or an address in one, cannot be had.
fn check_endpoint(
    mode: NetworkMode,
    meant: NetworkMode,
    name: &str,
    endpoint: Option<&Endpoint>,
) -> Result<(), ApiError> {
    if networks::network_name(meant, "") != networks::network_name(mode, "") {
        return Err(ApiError::not_implemented(format!(
            "attaching a container to more than one network ({name}) is not served"
        )));
    }
    let Some(endpoint) = endpoint else {
        return Ok(());
    };
    let ipam = &*endpoint.ipam_config;
    if !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty() {
        return Err(ApiError::bad_request(
            "invalid config for network: user specified IP address is supported on user defined networks only",
        ));
    }
    let refused = [
        ("Links", !endpoint.links.is_empty()),
        ("Aliases", !endpoint.aliases.is_empty()),
        ("MacAddress", !endpoint.mac_address.is_empty()),
        ("DriverOpts", !endpoint.driver_opts.is_empty()),
    ];
    match refused.iter().find(|(_, asked)| *asked) {
        Some((field, _)) => Err(ApiError::not_implemented(format!(
            "{field} of network {name} is set, which is not served"
        ))),
        None => Ok(()),
    }
}

/// What a runtime cannot know to say; what its networks cannot do it says itself.
fn warnings(mode: NetworkMode, publishes: bool) -> Vec<String> {
    if mode == NetworkMode::Host && publishes {
        vec!["Published ports are discarded when using host network mode".to_owned()]
    } else {
        Vec::new()
    }
}

/// What the body names, the image names, and what is published.
pub(super) fn exposed(body: &Body, image: &ImageConfig) -> Result<Vec<Port>, ApiError> {
    let mut ports = BTreeSet::new();
    for key in body.exposed_ports.keys() {
        ports.insert(parse_port(key)?);
    }
    for port in &image.exposed {
        ports.insert((port.container_port, port.protocol.clone()));
    }
    if ports.len() > PORTS_MAX {
        return Err(ApiError::bad_request(format!("more than {PORTS_MAX} ports")));
    }
    let port = |(container_port, protocol)| Port {
        container_port,
        protocol,
        ..Port::default()
    };
    Ok(ports.into_iter().map(port).collect())
}
