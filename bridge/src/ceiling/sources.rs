//! Which paths of the host a container may have.
//!
//! A path is judged as the kernel names what was opened, never as it was written: so no link leads out.
//! Whoever mounts, judges the descriptor that is then mounted; whoever only wants to know early, as the
//! bridge does when a container is made, judges one of its own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use wire::spec::{Mount, MountKind, Spec};

use super::{Denied, Powers};
use crate::shim::init::inside::{Guard, Inside, Missing, descriptor_path};

/// Where every device is.
const DEVICES: &str = "/dev";

/// Which paths of the host a container may have: all, where a list is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    binds: Option<Vec<PathBuf>>,
    read_only: Vec<PathBuf>,
    devices: Option<Vec<PathBuf>>,
}

fn paths(list: &[String]) -> Vec<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

/// Name by name: `/srv/data` is not above `/srv/database`.
fn is_below(path: &Path, list: &[PathBuf]) -> bool {
    list.iter().any(|above| path.starts_with(above))
}

/// What the kernel calls the thing that is open.
///
/// # Errors
/// What the kernel said; `InvalidData` for what has no absolute name.
pub fn canonical(opened: impl AsFd) -> io::Result<PathBuf> {
    // Borrowed, for the number must stay open until it was looked up.
    let path = fs::read_link(descriptor_path(opened.as_fd()))?;
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl Sources {
    /// With either list of bind sources the two together are all that is allowed.
    pub(super) fn new(powers: &Powers, mounts_itself: bool) -> Self {
        let read_only = powers.binds_read_only.as_deref();
        let binds = match (&powers.binds, read_only) {
            (Some(binds), _) => Some(paths(binds)),
            (None, Some(_)) => Some(Vec::new()),
            (None, None) => None,
        };
        Self {
            binds,
            // Whoever can mount makes a read-only mount writable.
            read_only: read_only
                .filter(|_| !mounts_itself)
                .map(paths)
                .unwrap_or_default(),
            devices: powers.devices.as_deref().map(paths),
        }
    }

    pub(super) fn permits_every_device(&self) -> bool {
        self.devices
            .as_deref()
            .is_none_or(|allowed| is_below(Path::new(DEVICES), allowed))
    }

    /// Judges the source of a bind mount by its canonical path.
    ///
    /// # Errors
    /// It lies outside of what is allowed.
    pub fn judge_bind(&self, source: &Path, read_only: bool) -> Result<(), Denied> {
        let Some(binds) = &self.binds else {
            return Ok(());
        };
        if is_below(source, binds) || (read_only && is_below(source, &self.read_only)) {
            return Ok(());
        }
        let (how, key) = if is_below(source, &self.read_only) {
            ("writable bind mounts", "binds_read_only")
        } else {
            ("bind mounts", "binds")
        };
        Err(Denied::new(format_args!("{how} of {source:?}"), key))
    }

    /// Judges a device by its canonical path.
    ///
    /// # Errors
    /// It lies outside of what is allowed.
    pub fn judge_device(&self, source: &Path) -> Result<(), Denied> {
        match &self.devices {
            Some(devices) if !is_below(source, devices) => {
                Err(Denied::new(format_args!("the device {source:?}"), "devices"))
            }
            _ => Ok(()),
        }
    }

    /// Judges every path of a specification as it leads now. Where nothing is restricted nothing is opened.
    ///
    /// # Errors
    /// What lies outside of what is allowed.
    pub(super) fn judge_as_written(&self, spec: &Spec) -> Result<(), Denied> {
        for mount in &spec.mounts {
            self.judge_mount(mount)?;
        }
        if self.devices.is_some() {
            for device in &spec.security.devices {
                let source = leads_to(&device.source);
                self.judge_device(&source.ok_or_else(leads_nowhere(&device.source, "devices"))?)?;
            }
        }
        Ok(())
    }

    fn judge_mount(&self, mount: &Mount) -> Result<(), Denied> {
        let Mount {
            kind,
            source,
            // In the container.
            target: _,
            read_only,
            options: _,
            // Every mount is private, whatever is asked.
            propagation: _,
            // What is made is judged where it is made.
            create_source: _,
        } = mount;
        match kind {
            MountKind::Tmpfs => Ok(()),
            MountKind::Bind | MountKind::Unknown(_) if self.binds.is_some() => {
                let canonical = leads_to(source).ok_or_else(leads_nowhere(source, "binds"))?;
                self.judge_bind(&canonical, *read_only)
            }
            MountKind::Bind | MountKind::Unknown(_) => Ok(()),
        }
    }

    /// Opens the source of a bind mount that is not there yet, making what is missing: nothing outside of
    /// what is allowed, however links are exchanged meanwhile, for each directory is made in one that is open.
    ///
    /// # Errors
    /// What the kernel said; a [`Denied`] within, see [`denied`].
    pub fn make(&self, source: &str) -> io::Result<OwnedFd> {
        let mut guard = Making(self);
        Inside::open(Path::new("/"))?.resolve_under(source, Missing::Directory, &mut guard)
    }

    fn judge_making(&self, place: &Path) -> Result<(), Denied> {
        match &self.binds {
            // Making is writing, so what is read-only is not enough.
            Some(binds) if !is_below(place, binds) => {
                Err(Denied::new(format_args!("making {place:?}"), "binds"))
            }
            _ => Ok(()),
        }
    }
}

struct Making<'a>(&'a Sources);

impl Guard for Making<'_> {
    fn makes(&mut self, directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        if self.0.binds.is_none() {
            return Ok(());
        }
        let place = canonical(directory)?.join(name);
        let judged = self.0.judge_making(&place);
        judged.map_err(|denied| io::Error::new(io::ErrorKind::PermissionDenied, denied))
    }
}

/// What was denied, where that is what went wrong.
#[must_use]
pub fn denied(error: &io::Error) -> Option<&Denied> {
    error.get_ref()?.downcast_ref()
}

/// Where a path leads now; a name that is not there yet is where it would be made. None where that cannot
/// be told, as of a path that climbs out of a place that is not there.
fn leads_to(path: &str) -> Option<PathBuf> {
    if !path.starts_with('/') {
        return None;
    }
    let mut missing = Vec::new();
    for existing in Path::new(path).ancestors() {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let opened = open(existing, flags, Mode::empty()).map_err(io::Error::from);
        if let Ok(found) = opened.and_then(canonical) {
            return Some(missing.iter().rev().fold(found, |found, name| found.join(name)));
        }
        match existing.components().next_back() {
            Some(Component::Normal(name)) => missing.push(name),
            _ => break,
        }
    }
    None
}

/// Where an entry of a list leads, if that is not what it says: such an entry allows nothing.
pub(super) fn leads_elsewhere(path: &str) -> Option<PathBuf> {
    leads_to(path).filter(|canonical| canonical != Path::new(path))
}

fn leads_nowhere(path: &str, key: &str) -> impl FnOnce() -> Denied {
    move || Denied::new(format_args!("the path {path:?}, which leads nowhere"), key)
}
