//! Who a container is: decided by the workspace, never from within the container.

use std::path::Path;

use sha2::{Digest, Sha256};
use wire::v1::names::{CONTAINER_ID_SALT, IMAGE_ID_SALT, UNIDENTIFIED_ID_SALT, uuid_bytes};
use wire::{ContainerId, ImageId};

/// The id of a container with this UUID: it begins with it. None for a text that is none; only lower
/// case is what the runtime makes.
pub(super) fn of_uuid(uuid: &str) -> Option<ContainerId> {
    let own = uuid_bytes(uuid).filter(|_| !uuid.bytes().any(|byte| byte.is_ascii_uppercase()))?;
    let hash = hash(&[CONTAINER_ID_SALT.as_bytes(), uuid.as_bytes()]);
    let mut id = ContainerId::default();
    for (place, byte) in id.0.iter_mut().zip(own.into_iter().chain(hash)) {
        *place = byte;
    }
    Some(id)
}

/// The id of a container as long as it has no UUID, and one that leads to it ever after.
pub(super) fn of_directory(directory: &str) -> ContainerId {
    ContainerId(hash(&[UNIDENTIFIED_ID_SALT.as_bytes(), directory.as_bytes()]))
}

/// The id of a root file system.
pub(super) fn of_rootfs(path: &str) -> ImageId {
    ImageId(hash(&[IMAGE_ID_SALT.as_bytes(), path.as_bytes()]))
}

/// Whether a UUID may be the name of a file.
pub(super) fn is_file_name(uuid: &str) -> bool {
    let mut parts = Path::new(uuid).components();
    let normal = matches!(parts.next(), Some(std::path::Component::Normal(_)));
    normal && parts.next().is_none() && !uuid.contains('/')
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_begins_with_its_uuid() {
        let uuid = "7c0e5a0b9d1f4c22a6b3e8f41d92ab05";
        let id = of_uuid(uuid).expect("it is one");
        assert!(id.to_string().starts_with(uuid));
        assert_ne!(of_uuid("7c0e5a0b9d1f4c22a6b3e8f41d92ab06"), Some(id));
        for bad in [
            "",
            "7c0e",
            "7C0E5A0B9D1F4C22A6B3E8F41D92AB05",
            "zz0e5a0b9d1f4c22a6b3e8f41d92ab05",
        ] {
            assert_eq!(of_uuid(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_a_marker_may_be_called() {
        for (uuid, may) in [
            ("abc", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("/a", false),
            ("a/", false),
        ] {
            assert_eq!(is_file_name(uuid), may, "{uuid}");
        }
    }
}
