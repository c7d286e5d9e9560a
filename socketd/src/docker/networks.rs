//! Networks: `bridge`, `host` and `none`, which are always there.
//!
//! Their ids are the host's id with one bit pattern a network laid over it: the same after every
//! restart, different on every host, and nothing to keep.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::spec::NetworkMode;
use wire::{ContainerId, Info, Status, Summary, Time};

use super::error::ApiError;
use super::filters::{Filters, invalid};
use super::query::Query;
use super::time::rfc3339_nano;

const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    driver: &'static str,
    /// Laid over the host's id, byte by byte. Any three different values would do.
    pattern: u8,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "bridge",
        driver: "bridge",
        pattern: 0x5b,
    },
    Kind {
        name: "host",
        driver: "host",
        pattern: 0xa7,
    },
    Kind {
        name: "none",
        driver: "null",
        pattern: 0x3e,
    },
];

/// Docker's name for a kind of network.
#[must_use]
pub fn mode_name(mode: NetworkMode) -> &'static str {
    match mode {
        NetworkMode::Default | NetworkMode::Bridge => "bridge",
        NetworkMode::Host => "host",
        NetworkMode::None | NetworkMode::Named | NetworkMode::Unknown(_) => "none",
    }
}

/// The three networks of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks {
    ids: [ContainerId; 3],
    created_at: Time,
}

impl Networks {
    /// The networks of this host.
    #[must_use]
    pub fn new(info: &Info) -> Self {
        // An id of the right shape is the bridge's promise; without it ids are merely the same everywhere.
        let host = ContainerId::from_hex(&info.host_id).unwrap_or_default();
        Self {
            ids: KINDS.map(|kind| ContainerId(host.0.map(|byte| byte ^ kind.pattern))),
            created_at: info.started_at,
        }
    }

    /// The id of the network with this name; empty where there is none.
    #[must_use]
    pub fn id(&self, name: &str) -> String {
        let mut named = self.all().filter(|(kind, _)| kind.name == name);
        named.next().map(|(_, id)| id.to_string()).unwrap_or_default()
    }

    /// The id of a container's place in its network.
    #[must_use]
    pub fn endpoint_id(&self, name: &str, container: ContainerId) -> String {
        let network = self
            .all()
            .find(|(kind, _)| kind.name == name)
            .map(|(_, id)| id)
            .unwrap_or_default();
        let mut bytes = network.0;
        for (byte, other) in bytes.iter_mut().zip(container.0) {
            *byte ^= other;
        }
        ContainerId(bytes).to_string()
    }

    /// Name, driver and id of the network an event means by name, driver or id.
    pub(super) fn find(&self, reference: &str) -> Option<(&'static str, &'static str, String)> {
        self.all()
            .find(|(kind, id)| {
                kind.name == reference || kind.driver == reference || id.hex().as_str() == reference
            })
            .map(|(kind, id)| (kind.name, kind.driver, id.to_string()))
    }

    fn all(&self) -> impl Iterator<Item = (Kind, ContainerId)> {
        KINDS.into_iter().zip(self.ids)
    }

    /// `GET /networks`.
    ///
    /// # Errors
    /// 400 for filters that are none or are not known.
    pub fn list(&self, query: &Query) -> Result<Vec<Network>, ApiError> {
        let filters = Filters::parse(query.text("filters"), FILTERS)?;
        if let Some(kind) = filters
            .values("type")
            .iter()
            .find(|kind| !matches!(kind.as_str(), "builtin" | "custom"))
        {
            return Err(invalid("type", kind));
        }
        let (names, ids) = (filters.patterns("name"), filters.patterns("id"));
        // A network that is always there is never left over.
        let dangling = filters.truth("dangling")? == Some(true);
        let shapes = self
            .all()
            .filter(|(kind, id)| {
                !dangling
                    && names.matches(kind.name)
                    && ids.matches(id.hex().as_str())
                    && filters.exact("driver", kind.driver)
                    && filters.exact("scope", "local")
                    && filters.exact("type", "builtin")
                    && filters.labels("label", core::iter::empty())
            })
            // Docker leaves the containers to the inspection of one network.
            .map(|(kind, id)| self.shape(kind, id, BTreeMap::new()))
            .collect();
        Ok(shapes)
    }

    /// `GET /networks/{id}`, by name, id or the beginning of an id.
    ///
    /// # Errors
    /// 404 `network x not found`.
    pub fn inspect<'a>(
        &self,
        reference: &str,
        query: &Query,
        containers: impl Iterator<Item = &'a Summary>,
    ) -> Result<Network, ApiError> {
        let scope = query.text("scope").unwrap_or_default();
        let found = self
            .all()
            .find(|(kind, _)| kind.name == reference)
            .or_else(|| {
                let mut by_id = self
                    .all()
                    .filter(|(_, id)| !reference.is_empty() && id.hex().as_str().starts_with(reference));
                by_id.next().filter(|_| by_id.next().is_none())
            })
            .filter(|_| matches!(scope, "" | "local"));
        let Some((kind, id)) = found else {
            return Err(not_found(reference));
        };
        let attached = containers
            .filter(|summary| mode_name(summary.network_mode) == kind.name && is_attached(summary))
            .map(|summary| (summary.id.to_string(), self.attached(kind, summary)))
            .collect();
        Ok(self.shape(kind, id, attached))
    }

    fn attached(&self, kind: Kind, summary: &Summary) -> Attached {
        Attached {
            name: summary.name.clone(),
            endpoint_id: self.endpoint_id(kind.name, summary.id),
            mac_address: "",
            i_pv4_address: "",
            i_pv6_address: "",
        }
    }

    fn shape(&self, kind: Kind, id: ContainerId, containers: BTreeMap<String, Attached>) -> Network {
        Network {
            name: kind.name,
            id: id.to_string(),
            created: rfc3339_nano(self.created_at),
            scope: "local",
            driver: kind.driver,
            enable_i_pv4: true,
            enable_i_pv6: false,
            ipam: Ipam {
                driver: "default",
                options: None,
                config: [],
            },
            internal: false,
            attachable: false,
            ingress: false,
            config_from: ConfigFrom { network: "" },
            config_only: false,
            containers,
            options: Empty {},
            labels: Empty {},
        }
    }
}

/// The sentence for a network that is none: 404.
#[must_use]
pub fn not_found(reference: &str) -> ApiError {
    ApiError::not_found(format!("network {reference} not found"))
}

/// Whether a container has a place in its network now.
#[must_use]
pub fn is_attached(summary: &Summary) -> bool {
    matches!(summary.state.status, Status::Running | Status::Paused)
}

/// A network as Docker shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Network {
    name: &'static str,
    id: String,
    created: String,
    scope: &'static str,
    driver: &'static str,
    #[serde(rename = "EnableIPv4")]
    enable_i_pv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_i_pv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Ipam,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_from: ConfigFrom,
    config_only: bool,
    containers: BTreeMap<String, Attached>,
    options: Empty,
    labels: Empty,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    driver: &'static str,
    options: Option<Empty>,
    config: [Empty; 0],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigFrom {
    network: &'static str,
}

#[derive(Debug, Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    name: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    mac_address: &'static str,
    #[serde(rename = "IPv4Address")]
    i_pv4_address: &'static str,
    #[serde(rename = "IPv6Address")]
    i_pv6_address: &'static str,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn networks() -> Networks {
        Networks::new(&Info {
            host_id: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".into(),
            started_at: Time(1_795_313_500_500_000_000),
            ..Info::default()
        })
    }

    fn list(filters: &str) -> Result<Vec<String>, ApiError> {
        let text = format!("filters={filters}");
        let shapes = networks().list(&Query::parse(Some(&text)))?;
        let names = serde_json::to_value(shapes).unwrap();
        let names = names.as_array().unwrap().iter();
        Ok(names
            .map(|one| one["Name"].as_str().unwrap().to_owned())
            .collect())
    }

    #[test]
    fn filters_choose_networks() {
        #[track_caller]
        fn check(filters: &str, expected: &[&str]) {
            assert_eq!(list(filters).unwrap(), expected, "{filters}");
        }
        check("", &["bridge", "host", "none"]);
        check(r#"{"name":["o"]}"#, &["host", "none"]);
        check(r#"{"name":{"^host$":true}}"#, &["host"]);
        check(r#"{"driver":["null"]}"#, &["none"]);
        check(r#"{"id":["^5b4a"]}"#, &["bridge"]);
        check(r#"{"scope":["swarm"]}"#, &[]);
        check(r#"{"type":["custom"]}"#, &[]);
        check(r#"{"type":["builtin"]}"#, &["bridge", "host", "none"]);
        check(r#"{"dangling":["true"]}"#, &[]);
        check(r#"{"dangling":["false"]}"#, &["bridge", "host", "none"]);
        check(r#"{"label":["x"]}"#, &[]);
        assert_eq!(list(r#"{"x":["y"]}"#).unwrap_err().message, "invalid filter 'x'");
        assert_eq!(
            list(r#"{"type":["y"]}"#).unwrap_err().message,
            "invalid filter 'type=y'"
        );
    }

    fn container(mode: NetworkMode, status: Status) -> Summary {
        let mut summary = Summary {
            id: ContainerId([7; 32]),
            name: "web".into(),
            network_mode: mode,
            ..Summary::default()
        };
        summary.state.status = status;
        summary
    }

    fn inspect(reference: &str, containers: &[Summary]) -> Result<Value, ApiError> {
        let shape = networks().inspect(reference, &Query::default(), containers.iter())?;
        Ok(serde_json::to_value(shape).unwrap())
    }

    #[test]
    fn a_network_shows_the_containers_that_run_in_it() {
        let containers = [container(NetworkMode::Default, Status::Running)];
        let id = ContainerId([7; 32]).to_string();
        let expected = json!({
            "Name": "bridge",
            "Id": "5b4a79681f0e3d2cd3c2f1e09786b5a45b4a79681f0e3d2cd3c2f1e09786b5a4",
            "Created": "2026-11-22T02:11:40.5Z",
            "Scope": "local",
            "Driver": "bridge",
            "EnableIPv4": true,
            "EnableIPv6": false,
            "IPAM": {"Driver": "default", "Options": null, "Config": []},
            "Internal": false,
            "Attachable": false,
            "Ingress": false,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": false,
            "Containers": {
                id: {
                    "Name": "web",
                    "EndpointID": "5c4d7e6f18093a2bd4c5f6e79081b2a35c4d7e6f18093a2bd4c5f6e79081b2a3",
                    "MacAddress": "",
                    "IPv4Address": "",
                    "IPv6Address": ""
                }
            },
            "Options": {},
            "Labels": {}
        });
        assert_eq!(inspect("bridge", &containers).unwrap(), expected);
        assert_eq!(inspect("5b4a", &containers).unwrap(), expected);
        assert_eq!(inspect("none", &containers).unwrap()["Containers"], json!({}));
        let stopped = [container(NetworkMode::Bridge, Status::Exited)];
        assert_eq!(inspect("bridge", &stopped).unwrap()["Containers"], json!({}));
        let error = inspect("nosuch", &[]).unwrap_err();
        assert_eq!(error, ApiError::not_found("network nosuch not found"));
    }

    #[test]
    fn bollard_reads_what_is_written() {
        let text = inspect("none", &[]).unwrap().to_string();
        let read: bollard_stubs::models::NetworkInspect = serde_json::from_str(&text).unwrap();
        assert_eq!(read.driver.as_deref(), Some("null"));
    }
}
