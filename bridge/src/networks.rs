//! Which networks there are, and their ids: the same after every restart, others on every host.

use sha2::{Digest, Sha256};
use wire::network::{NetworkInfo, NetworkKind};
use wire::{Info, NetworkId};

/// Networks of every host, and what is laid over its id, byte by byte, to give theirs. Any three
/// different values would do; released ones stay.
const BUILT_IN: [(&str, u8); 3] = [("bridge", 0x5b), ("host", 0xa7), ("none", 0x3e)];

/// Said before host and name where the id of a further network is made.
const ID_SALT: &[u8] = b"socketd network";

/// The runtimes' networks, then those that are always there.
pub(crate) fn all(facts: &Info, runtimes: Vec<NetworkInfo>) -> Vec<NetworkInfo> {
    // An id of the right shape is made at the first start; without it ids are merely the same everywhere.
    let host = NetworkId::from_hex(&facts.host_id).unwrap_or_default();
    let always = [(NetworkKind::Host, "host"), (NetworkKind::None, "none")];
    let always = always.map(|(kind, name)| NetworkInfo {
        name: name.to_owned(),
        kind,
        ..NetworkInfo::default()
    });
    let identified = |network: NetworkInfo| NetworkInfo {
        id: id(host, &network.name),
        created_at: facts.started_at,
        ..network
    };
    runtimes.into_iter().chain(always).map(identified).collect()
}

fn id(host: NetworkId, name: &str) -> NetworkId {
    if let Some((_, pattern)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return NetworkId(host.0.map(|byte| byte ^ pattern));
    }
    let mut hash = Sha256::new();
    hash.update(ID_SALT);
    hash.update(host.0);
    hash.update(name);
    NetworkId(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_last_and_differ() {
        let host = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let facts = Info {
            host_id: host.to_owned(),
            ..Info::default()
        };
        let of_runtimes = ["bridge", "own"].map(|name| NetworkInfo {
            name: name.to_owned(),
            ..NetworkInfo::default()
        });
        let networks = all(&facts, of_runtimes.to_vec());
        let names: Vec<_> = networks.iter().map(|network| network.name.as_str()).collect();
        assert_eq!(names, ["bridge", "own", "host", "none"]);
        let ids: Vec<_> = networks.iter().map(|network| network.id.to_string()).collect();
        assert_eq!(
            ids.first().map(String::as_str),
            Some("5b4a79681f0e3d2cd3c2f1e09786b5a45b4a79681f0e3d2cd3c2f1e09786b5a4")
        );
        assert_eq!(all(&facts, of_runtimes.to_vec()), networks);
        let elsewhere = Info {
            host_id: host.replace('0', "1"),
            ..Info::default()
        };
        let others = all(&elsewhere, of_runtimes.to_vec());
        for (one, other) in networks.iter().zip(&others) {
            assert_ne!(one.id, other.id, "{}", one.name);
        }
    }
}
