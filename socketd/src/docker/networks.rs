//! Networks: those the bridge tells of, and where it tells of none the three that are always there.

mod list;
mod predefined;
mod shape;

use wire::network::{NetworkInfo, NetworkKind};
use wire::spec::NetworkMode;
use wire::{ContainerId, Info, Status, Summary};

pub use self::shape::Network;
use super::error::ApiError;

/// Docker's name of the network that a container is in: by the kind, or by the name it was given.
#[must_use]
pub fn network_name(mode: NetworkMode, name: &str) -> &str {
    match mode {
        NetworkMode::Default | NetworkMode::Bridge => "bridge",
        NetworkMode::Host => "host",
        NetworkMode::Named if !name.is_empty() => name,
        NetworkMode::None | NetworkMode::Named | NetworkMode::Unknown(_) => "none",
    }
}

/// Docker's word for a kind of network.
#[must_use]
pub fn driver(kind: NetworkKind) -> &'static str {
    match kind {
        NetworkKind::Bridge => "bridge",
        NetworkKind::Host => "host",
        // Of a kind that is not known, nothing is promised.
        NetworkKind::None | NetworkKind::Unknown(_) => "null",
    }
}

/// Docker's words for the networks there are, each once, sorted.
#[must_use]
pub fn drivers(info: &Info) -> Vec<&'static str> {
    let networks = Networks::new(info);
    let mut drivers: Vec<_> = networks.all.iter().map(|network| driver(network.kind)).collect();
    drivers.sort_unstable();
    drivers.dedup();
    drivers
}

/// The networks of one host, in the order they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks {
    all: Vec<NetworkInfo>,
}

impl Networks {
    /// The networks of this host.
    #[must_use]
    pub fn new(info: &Info) -> Self {
        Self {
            all: if info.networks.is_empty() {
                predefined::networks(info)
            } else {
                info.networks.clone()
            },
        }
    }

    /// The network with this name.
    pub(super) fn named(&self, name: &str) -> Option<&NetworkInfo> {
        self.all.iter().find(|network| network.name == name)
    }

    /// The id of the network with this name; empty where there is none.
    #[must_use]
    pub fn id(&self, name: &str) -> String {
        self.named(name)
            .map(|network| network.id.to_string())
            .unwrap_or_default()
    }

    /// The id of a container's place in its network.
    #[must_use]
    pub fn endpoint_id(&self, name: &str, container: ContainerId) -> String {
        let mut bytes = self.named(name).map(|network| network.id.0).unwrap_or_default();
        for (byte, other) in bytes.iter_mut().zip(container.0) {
            *byte ^= other;
        }
        ContainerId(bytes).to_string()
    }

    /// The network that an event means by name or id.
    pub(super) fn find(&self, reference: &str) -> Option<&NetworkInfo> {
        self.named(reference).or_else(|| {
            self.all
                .iter()
                .find(|network| network.id.hex().as_str() == reference)
        })
    }
}

/// Leading bits of an address that all of the network share; zero where nobody knows.
#[must_use]
pub(super) fn prefix_length(network: &NetworkInfo) -> u8 {
    let length = network.subnet.rsplit_once('/').map(|(_, length)| length.parse());
    length.and_then(Result::ok).unwrap_or_default()
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

#[cfg(test)]
mod tests;
