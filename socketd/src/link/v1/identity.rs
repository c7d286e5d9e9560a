//! Identifiers of 32 bytes for what version 1 knows by a UUID, a path or a name.
//!
//! The rules are `wire`'s, so that a bridge of ours gives the same ones.

use sha2::{Digest, Sha256};
use wire::v1::names::{
    CONTAINER_ID_SALT, HOST_ID_SALT, IMAGE_ID_SALT, NETWORK_ID_SALT, UNIDENTIFIED_ID_SALT, directory,
    uuid_bytes,
};
use wire::{ContainerId, ImageId, NetworkId};

fn hash(parts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}

/// A container's. The runtime makes UUIDs in lower case only.
pub(super) fn container(uuid: &str, name: &str) -> ContainerId {
    let lower = !uuid.bytes().any(|byte| byte.is_ascii_uppercase());
    let Some(own) = uuid_bytes(uuid).filter(|_| lower) else {
        return ContainerId(hash(&[UNIDENTIFIED_ID_SALT, &directory(name)]));
    };
    let mut bytes = hash(&[CONTAINER_ID_SALT, uuid]);
    bytes.copy_within(..16, 16);
    for (byte, own) in bytes.iter_mut().zip(own) {
        *byte = own;
    }
    ContainerId(bytes)
}

/// An image's.
pub(super) fn image(path: &str) -> ImageId {
    ImageId(hash(&[IMAGE_ID_SALT, path]))
}

/// A network's.
pub(super) fn network(host: &str, name: &str) -> NetworkId {
    NetworkId(hash(&[NETWORK_ID_SALT, host, name]))
}

/// A host's, from a text that is its own.
pub(super) fn host(text: &str) -> String {
    ContainerId(hash(&[HOST_ID_SALT, text])).to_string()
}

#[cfg(test)]
mod tests {
    use super::{container, image};

    #[test]
    fn identifiers() {
        let uuid = "d5d1e1acf44a0207bba262457d5e36f9";
        // sha256sum of the salt and the digits, its first half.
        assert_eq!(
            container(uuid, "tiny").to_string(),
            format!("{uuid}f4a9aa6ddc8224b824b4e0bc4ee20624")
        );
        assert_eq!(container(uuid, "other"), container(uuid, ""));
        assert_eq!(container(&uuid.to_uppercase(), "a b"), container("", "a-b"));
        assert_eq!(
            container("", "tiny").to_string(),
            "94c40bc70480a0fde613c7554c067eb8c875e6b72090083bc09de5451544ccf1"
        );
        // What is no UUID identifies nothing.
        assert_eq!(container("x", "tiny"), container("", "tiny"));
        assert_eq!(
            image("/srv/rootfs/tiny").to_string(),
            "cc3afd8fb1b70abf5a6368bd822e6294b48ab2e8ef784b86ca8203d52b2ccce5"
        );
    }
}
