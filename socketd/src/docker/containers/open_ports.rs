//! Ports of a running container: those that can be reached, and from where.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use wire::spec::Port;

use super::attachment::Place;
use super::ports::Binding;
use crate::docker::shape::port_key;

/// Where a port leads from whose host address nobody named: every one, of the only kind that is led on.
const EVERYWHERE: &str = "0.0.0.0";

/// A port as lists show it.
#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OpenPort<'a> {
    #[serde(rename = "IP", skip_serializing_if = "str::is_empty")]
    address: &'a str,
    private_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_port: Option<u16>,
    #[serde(rename = "Type")]
    protocol: &'a str,
}

/// The ports of a container as lists show them.
pub(super) fn open_ports(place: Place<'_>) -> Vec<OpenPort<'_>> {
    let mut open: Vec<_> = reachable(place)
        .into_iter()
        .map(|(port, leads)| OpenPort {
            address: if leads { host_address(port) } else { "" },
            private_port: port.container_port,
            public_port: leads.then_some(port.host_port),
            protocol: &port.protocol,
        })
        .collect();
    open.sort_by(|a, b| {
        let order = |port: &OpenPort<'_>| (port.private_port, port.public_port);
        (order(a), a.protocol, a.address).cmp(&(order(b), b.protocol, b.address))
    });
    open.dedup();
    open
}

/// The same as inspections show them; null where none of the host's leads there.
pub(super) fn port_map(place: Place<'_>) -> BTreeMap<String, Option<Vec<Binding>>> {
    let mut map: BTreeMap<String, Option<Vec<Binding>>> = BTreeMap::new();
    for (port, leads) in reachable(place) {
        let bindings = map.entry(port_key(port)).or_default();
        if leads {
            bindings.get_or_insert_default().push(Binding {
                host_ip: host_address(port).to_owned(),
                host_port: port.host_port.to_string(),
            });
        }
    }
    map
}

/// Every port of its own, and whether one of the host's leads there.
fn reachable(place: Place<'_>) -> Vec<(&Port, bool)> {
    if !place.has_ports() {
        return Vec::new();
    }
    let forwarded = place.is_forwarded();
    let published = place
        .published
        .iter()
        .map(|port| (port, forwarded && port.host_port != 0));
    fn key(port: &Port) -> (u16, &str) {
        (port.container_port, &port.protocol)
    }
    let led_to: HashSet<_> = published
        .clone()
        .filter(|(_, leads)| *leads)
        .map(|(port, _)| key(port))
        .collect();
    let exposed = place.exposed.iter().map(|port| (port, false));
    exposed
        .chain(published)
        // What is exposed and published is one port.
        .filter(|(port, leads)| *leads || !led_to.contains(&key(port)))
        .collect()
}

fn host_address(port: &Port) -> &str {
    match port.host_address.as_str() {
        "" => EVERYWHERE,
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wire::spec::NetworkMode;
    use wire::{Status, Summary};

    use super::*;

    fn port(container_port: u16, host_address: &str, host_port: u16) -> Port {
        Port {
            container_port,
            protocol: "tcp".into(),
            host_address: host_address.into(),
            host_port,
        }
    }

    fn summary() -> Summary {
        let mut summary = Summary {
            network_mode: NetworkMode::Named,
            network: "pool".into(),
            forwarded: true,
            exposed: vec![port(80, "", 0), port(443, "", 0)],
            published: vec![
                port(8096, "127.0.0.1", 9000),
                port(80, "", 8080),
                port(80, "", 8081),
                port(22, "", 0),
            ],
            ..Summary::default()
        };
        summary.state.status = Status::Running;
        summary
    }

    #[track_caller]
    fn check(summary: &Summary, list: Value, map: Value) {
        let shown = serde_json::to_value(open_ports(summary.into())).unwrap();
        assert_eq!(shown, list);
        let shown = serde_json::to_value(port_map(summary.into())).unwrap();
        assert_eq!(shown, map);
    }

    #[test]
    fn ports_lead_to_a_container_that_runs() {
        check(
            &summary(),
            json!([
                {"PrivatePort": 22, "Type": "tcp"},
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"},
                {"PrivatePort": 443, "Type": "tcp"},
                {"IP": "127.0.0.1", "PrivatePort": 8096, "PublicPort": 9000, "Type": "tcp"},
            ]),
            json!({
                "22/tcp": null,
                "443/tcp": null,
                "80/tcp": [
                    {"HostIp": "0.0.0.0", "HostPort": "8080"},
                    {"HostIp": "0.0.0.0", "HostPort": "8081"}
                ],
                "8096/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9000"}]
            }),
        );
    }

    #[test]
    fn without_forwarding_no_port_of_the_host_is_shown() {
        let summary = Summary {
            forwarded: false,
            ..summary()
        };
        check(
            &summary,
            json!([
                {"PrivatePort": 22, "Type": "tcp"},
                {"PrivatePort": 80, "Type": "tcp"},
                {"PrivatePort": 443, "Type": "tcp"},
                {"PrivatePort": 8096, "Type": "tcp"},
            ]),
            json!({"22/tcp": null, "443/tcp": null, "80/tcp": null, "8096/tcp": null}),
        );
    }

    #[test]
    fn nothing_is_open_where_nothing_runs_or_the_network_is_not_its_own() {
        let mut stopped = summary();
        stopped.state.status = Status::Exited;
        check(&stopped, json!([]), json!({}));
        for mode in [NetworkMode::Host, NetworkMode::None, NetworkMode::Unknown(9)] {
            let summary = Summary {
                network_mode: mode,
                ..summary()
            };
            check(&summary, json!([]), json!({}));
        }
    }
}
