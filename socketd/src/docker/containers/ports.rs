//! Ports: `80/tcp`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::spec::Port;

use crate::docker::error::ApiError;

/// Most ports of one container. `docker run -p 1-65535:1-65535` is accepted; a body with more is made up.
pub const PORTS_MAX: usize = 65_535;

/// Where a port of the container is led to from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Binding {
    /// Address of the host; empty means every.
    pub host_ip: String,
    /// Port of the host, decimal; empty or zero means any free one.
    pub host_port: String,
}

/// Port and protocol of `80`, `80/tcp`, `53/udp`.
///
/// # Errors
/// 400 with Docker's sentence.
pub fn parse_port(text: &str) -> Result<(u16, String), ApiError> {
    let invalid = || ApiError::bad_request(format!("invalid port specification: {text:?}"));
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let number: u16 = number.parse().map_err(|_| invalid())?;
    if matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        Ok((number, protocol))
    } else {
        Err(invalid())
    }
}

/// A range of ports as filters name them: `80`, `8000-8010/udp`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PortRange {
    first: u16,
    last: u16,
    protocol: String,
}

impl PortRange {
    /// Reads the value of the filter `key`.
    pub(super) fn parse(key: &str, text: &str) -> Result<Self, ApiError> {
        if text.contains(':') {
            return Err(ApiError::bad_request(format!(
                "filter for '{key}' should not contain ':': {text}"
            )));
        }
        let invalid = || {
            ApiError::bad_request(format!(
                "error while looking up for {key} {text}: invalid port range"
            ))
        };
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let first = first.parse().map_err(|_| invalid())?;
        let last = last.parse().map_err(|_| invalid())?;
        if first > last {
            return Err(invalid());
        }
        Ok(Self {
            first,
            last,
            protocol: protocol.to_ascii_lowercase(),
        })
    }

    pub(super) fn contains(&self, port: &Port) -> bool {
        (self.first..=self.last).contains(&port.container_port) && self.protocol == port.protocol
    }
}

/// Reads the ports that are to be led to from the host.
///
/// # Errors
/// 400 for what is no port or address, 501 for a range of host ports.
pub(super) fn parse_bindings(asked: &BTreeMap<String, Option<Vec<Binding>>>) -> Result<Vec<Port>, ApiError> {
    let mut ports = Vec::new();
    for (key, bindings) in asked {
        let (container_port, protocol) = parse_port(key)?;
        let bindings = bindings.as_deref().unwrap_or_default();
        // A port without a place on the host is to get any free one.
        let any = [Binding::default()];
        for binding in if bindings.is_empty() { &any } else { bindings } {
            ports.push(Port {
                container_port,
                protocol: protocol.clone(),
                host_address: host_address(&binding.host_ip)?,
                host_port: host_port(&binding.host_port)?,
            });
        }
    }
    if ports.len() > PORTS_MAX {
        return Err(ApiError::bad_request(format!("more than {PORTS_MAX} ports")));
    }
    Ok(ports)
}

fn host_address(text: &str) -> Result<String, ApiError> {
    if text.is_empty() || text.parse::<core::net::IpAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err(ApiError::bad_request(format!("invalid IP address: {text}")))
    }
}

fn host_port(text: &str) -> Result<u16, ApiError> {
    if text.is_empty() {
        return Ok(0);
    }
    if text.contains('-') {
        return Err(ApiError::not_implemented(format!(
            "a range of host ports ({text}) is not served: name one port"
        )));
    }
    text.parse()
        .map_err(|_| ApiError::bad_request(format!("invalid port specification: {text:?}")))
}

/// The other way: ports as they were asked, by `80/tcp`.
pub(super) fn bindings(published: &[Port]) -> BTreeMap<String, Vec<Binding>> {
    let mut bindings: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
    for port in published {
        bindings
            .entry(crate::docker::shape::port_key(port))
            .or_default()
            .push(Binding {
                host_ip: port.host_address.clone(),
                host_port: match port.host_port {
                    0 => String::new(),
                    number => number.to_string(),
                },
            });
    }
    bindings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_a_number_and_a_protocol() {
        assert_eq!(parse_port("80"), Ok((80, "tcp".into())));
        assert_eq!(parse_port("53/UDP"), Ok((53, "udp".into())));
        for text in ["", "x", "80/", "80/icmp", "65536", "-1", "80-81"] {
            let expected = format!("invalid port specification: {text:?}");
            assert_eq!(parse_port(text), Err(ApiError::bad_request(expected)));
        }
    }

    #[test]
    fn bindings_go_there_and_back() {
        let asked = r#"{"53/udp":[{"HostIp":"127.0.0.1","HostPort":"5353"}],"80/tcp":[{"HostPort":"8080"},{"HostIp":"::1"}],"90":null}"#;
        let asked: BTreeMap<String, Option<Vec<Binding>>> = serde_json::from_str(asked).unwrap();
        let ports = parse_bindings(&asked).unwrap();
        let shown = serde_json::to_string(&bindings(&ports)).unwrap();
        assert_eq!(
            shown,
            r#"{"53/udp":[{"HostIp":"127.0.0.1","HostPort":"5353"}],"80/tcp":[{"HostIp":"","HostPort":"8080"},{"HostIp":"::1","HostPort":""}],"90/tcp":[{"HostIp":"","HostPort":""}]}"#
        );
    }

    #[test]
    fn what_is_no_binding_is_refused() {
        #[track_caller]
        fn check(ip: &str, port: &str, status: u16) {
            let binding = Binding {
                host_ip: ip.into(),
                host_port: port.into(),
            };
            let asked = BTreeMap::from([("80/tcp".to_owned(), Some(vec![binding]))]);
            assert_eq!(parse_bindings(&asked).unwrap_err().status, status);
        }
        check("host", "", 400);
        check("", "x", 400);
        check("", "70000", 400);
        check("", "8000-8010", 501);
    }

    #[test]
    fn ranges_hold_ports_of_one_protocol() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            let port = Port {
                container_port: 8080,
                protocol: "tcp".into(),
                ..Port::default()
            };
            assert_eq!(
                PortRange::parse("expose", text).unwrap().contains(&port),
                expected,
                "{text}"
            );
        }
        check("8080", true);
        check("8080/tcp", true);
        check("8080/udp", false);
        check("8000-9000", true);
        check("8000-9000/tcp", true);
        check("1-80", false);
        for text in ["x", "9-8", "1:2", "", "70000"] {
            assert_eq!(PortRange::parse("expose", text).unwrap_err().status, 400);
        }
    }
}
