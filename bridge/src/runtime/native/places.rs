//! The runtime's directories.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::folder;
use crate::shim::init::root::make_skeleton;
use crate::tree;

/// The directories.
#[derive(Debug)]
pub(super) struct Places {
    /// One directory for each container.
    pub(super) containers: PathBuf,
    /// Containers that are no more.
    pub(super) removing: PathBuf,
    /// Empty mount points.
    pub(super) skeleton: PathBuf,
    /// Where a shim mounts a root file system, in a namespace of its own.
    pub(super) mount_point: PathBuf,
    /// Where it mounts what lies below, where that is the machine's own root.
    pub(super) lower_mount_point: PathBuf,
    /// Everything of ours, two levels up, hidden from containers of the machine's own root.
    pub(super) state_dir: PathBuf,
}

impl Places {
    /// Makes those that are not there, below a directory that only root enters.
    pub(super) fn make(dir: &Path) -> io::Result<Self> {
        let places = Self {
            containers: dir.join("containers"),
            removing: dir.join("removing"),
            skeleton: dir.join("skeleton"),
            mount_point: dir.join("mount"),
            lower_mount_point: dir.join("mount-lower"),
            state_dir: dir.ancestors().nth(2).unwrap_or(dir).to_owned(),
        };
        for place in [
            &places.containers,
            &places.removing,
            &places.skeleton,
            &places.mount_point,
            &places.lower_mount_point,
        ] {
            folder::make_private_directory(place)?;
        }
        make_skeleton(&places.skeleton)?;
        // Above it stands a directory that only root enters; inside a container it is `/`.
        fs::set_permissions(&places.skeleton, fs::Permissions::from_mode(0o755))?;
        Ok(places)
    }

    /// Removes what an earlier bridge had begun to remove. What cannot be removed now does not keep the
    /// others from being served.
    pub(super) fn remove_leftovers(&self) -> io::Result<()> {
        let handle = File::open(&self.removing)?;
        for entry in fs::read_dir(&self.removing)? {
            let entry = entry?;
            if let Err(error) = tree::remove(handle.as_fd(), &entry.file_name()) {
                tracing::warn!(entry = %entry.path().display(), %error, "a removed container's files stay");
            }
        }
        Ok(())
    }
}
