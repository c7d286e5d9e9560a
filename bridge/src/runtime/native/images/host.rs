//! The demo image `host:latest`: the machine's own userland, used where it lies.
//!
//! A container made from it can read every file of the machine, which is why it is offered only
//! when the person who starts the bridge asks for it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sys::statvfs::statvfs;
use sha2::{Digest, Sha256};
use wire::{Image, ImageConfig, ImageId, Time};

use crate::host::architecture;

/// The one name the image has.
pub(super) const TAG: &str = "host:latest";

const COMMENT: &str = "The root file system of this machine, read-only (demo)";
const PATH_VARIABLE: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The image. Its id depends on the machine only, so that containers made from it find it again
/// after a restart or a package upgrade. Its size is what is in use on the root file system, asked
/// of the file system itself: counting the files would take minutes, and be out of date when done.
pub(super) fn image() -> Image {
    let architecture = architecture();
    Image {
        id: id(architecture),
        created_at: userland_time(),
        size_bytes: used_bytes(),
        architecture: architecture.to_owned(),
        comment: COMMENT.to_owned(),
        config: ImageConfig {
            command: vec!["/bin/sh".to_owned()],
            env: vec![PATH_VARIABLE.to_owned()],
            ..ImageConfig::default()
        },
        tags: vec![TAG.to_owned()],
        tagged_at: userland_time(),
        rootfs_dir: "/".to_owned(),
        ..Image::default()
    }
}

fn id(architecture: &str) -> ImageId {
    let mut digest = Sha256::new();
    digest.update(b"socketd host image\n");
    digest.update(architecture);
    digest.update(b"\n");
    // Without the file, as on Android, machines of one architecture share the id: harmless, for
    // ids never leave the machine they are looked up on.
    digest.update(fs::read("/etc/machine-id").unwrap_or_default());
    ImageId(digest.finalize().into())
}

/// When the userland was last given a new release; where nothing says so, when the root directory
/// last changed.
fn userland_time() -> Time {
    let metadata = fs::metadata("/etc/os-release").or_else(|_| fs::metadata("/"));
    let seconds = metadata.map_or(0, |metadata| metadata.mtime());
    Time(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000))
}

#[allow(
    clippy::useless_conversion,
    reason = "these counts are 32 bits wide on 32-bit machines"
)]
fn used_bytes() -> u64 {
    let Ok(root) = statvfs("/") else { return 0 };
    let used = root.blocks().saturating_sub(root.blocks_free());
    u64::from(used).saturating_mul(u64::from(root.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_same_at_every_start() {
        let (one, other) = (image(), image());
        assert_eq!(one.id, other.id);
        assert_eq!(one.created_at, other.created_at);
        assert_ne!(one.id, ImageId::default());
        assert!(one.size_bytes > 0);
        assert!(!one.created_at.is_never());
    }
}
