//! What a neutral world calls the things that version 1 has no names for.
//!
//! Both who serves version 1 and who asks it must give the same names and identifiers, so the rules
//! stand here. The hash in them is SHA-256.

/// Network of a container with [`NetMode::Nat`](super::NetMode::Nat).
pub const NAT_NETWORK: &str = "droidspaces-bridge";

/// Network of a container with [`NetMode::Gateway`](super::NetMode::Gateway).
pub const GATEWAY_NETWORK: &str = "gateway";

/// Addresses of the network of [`NAT_NETWORK`].
pub const NAT_SUBNET: &str = "172.28.0.0/16";

/// The runtime that every container belongs to.
pub const RUNTIME: &str = "droidspaces";

/// Program that a container starts with where it names none.
pub const INIT: &str = "/sbin/init";

/// A container's identifier of 32 bytes: the 16 of its UUID, then the first 16 of the hash of this
/// and the UUID's 32 lower-case digits.
pub const CONTAINER_ID_SALT: &str = "droidspaces container";

/// The identifier of a container without a UUID: the hash of this and the name of its
/// [`directory`].
pub const UNIDENTIFIED_ID_SALT: &str = "droidspaces unidentified container";

/// The identifier of an image: the hash of this and its path.
pub const IMAGE_ID_SALT: &str = "droidspaces image";

/// The identifier of a network: the hash of this, the host's identifier as 64 digits, and its name.
pub const NETWORK_ID_SALT: &str = "droidspaces network";

/// The identifier of a host that has no other: the hash of this and a text that is its own.
pub const HOST_ID_SALT: &str = "droidspaces host";

/// What the tag of every image begins with.
const REPOSITORY: &str = "droidspaces";

/// What an image is called whose name has no letter that may stand in a tag.
const UNNAMED: &str = "rootfs";

/// What the directory of a container of this name is called.
#[must_use]
pub fn directory(name: &str) -> String {
    name.replace(' ', "-")
}

/// The bytes of a UUID of 32 hexadecimal digits of either case; none for anything else.
#[must_use]
pub fn uuid_bytes(uuid: &str) -> Option<[u8; 16]> {
    if uuid.len() != 32 || !uuid.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(uuid, 16).ok()?;
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().rev().enumerate() {
        let shift = u32::try_from(at).ok()?.checked_mul(8)?;
        *byte = u8::try_from((number >> shift) & 0xff).ok()?;
    }
    Some(bytes)
}

/// A name in the letters of a reference: lower case, every run of other letters a hyphen, and none
/// at either end.
fn sanitise(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let parts: Vec<&str> = lower
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect();
    match parts.as_slice() {
        [] => UNNAMED.to_owned(),
        parts => parts.join("-"),
    }
}

/// A valid reference for the image of a container of this name: `droidspaces/<name>:latest`.
#[must_use]
pub fn image_tag(name: &str) -> String {
    format!("{REPOSITORY}/{}:latest", sanitise(name))
}

/// The reference of an image where another image has the one of [`image_tag`] already; the digits
/// are the first six of the image's identifier.
#[must_use]
pub fn image_tag_apart(name: &str, digits: &str) -> String {
    format!("{REPOSITORY}/{}-{digits}:latest", sanitise(name))
}

#[cfg(test)]
mod tests {
    use super::{image_tag, image_tag_apart, uuid_bytes};

    fn check_tag(name: &str, expected: &str) {
        assert_eq!(image_tag(name), expected, "{name:?}");
    }

    #[test]
    fn tags() {
        check_tag("tiny", "droidspaces/tiny:latest");
        check_tag("Ubuntu 24.04", "droidspaces/ubuntu-24-04:latest");
        check_tag("a b", "droidspaces/a-b:latest");
        check_tag("--a..__b--", "droidspaces/a-b:latest");
        check_tag("Käse", "droidspaces/k-se:latest");
        check_tag("...", "droidspaces/rootfs:latest");
        check_tag("", "droidspaces/rootfs:latest");
        assert_eq!(image_tag_apart("A b", "0a1b2c"), "droidspaces/a-b-0a1b2c:latest");
    }

    #[test]
    fn uuids() {
        let bytes = uuid_bytes("00112233445566778899aAbBcCdDeEfF").unwrap();
        assert_eq!(bytes[..4], [0x00, 0x11, 0x22, 0x33]);
        assert_eq!(bytes[12..], [0xcc, 0xdd, 0xee, 0xff]);
        for wrong in [
            "",
            "0011",
            "00112233445566778899aabbccddeef",
            "00112233445566778899aabbccddeeffg",
            "+0112233445566778899aabbccddeeff",
            "zz112233445566778899aabbccddeeff",
        ] {
            assert_eq!(uuid_bytes(wrong), None, "{wrong}");
        }
    }
}
