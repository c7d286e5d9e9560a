//! Mounts and devices, as asked.

use nix::mount::MsFlags;
use wire::spec::{Device, Mount, MountKind};

use crate::shim::failure::Failure;

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file or directory of the host.
    Host {
        /// Absolute path.
        path: String,
        /// Whether a missing one is made as a directory.
        create: bool,
    },
    /// Memory, with options as the kernel reads them.
    Memory {
        /// `size=64m,mode=1777`.
        options: String,
    },
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPlan {
    /// What.
    pub source: Source,
    /// Absolute path in the container.
    pub target: String,
    /// Read-only, no execution, no set-user-id. (No devices is not a choice.)
    pub flags: MsFlags,
}

/// One device of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Absolute path on the host.
    pub source: String,
    /// Absolute path in the container.
    pub target: String,
}

/// Reads the mounts asked for; sorts those outermost first, so that none hides another.
///
/// # Errors
/// A path that is not absolute, a target that is the root, an option that is none.
pub fn plan(asked: &[Mount]) -> Result<Vec<MountPlan>, Failure> {
    let mut mounts = asked.iter().map(mount).collect::<Result<Vec<_>, _>>()?;
    mounts.sort_by_key(|mount| components(&mount.target).count());
    Ok(mounts)
}

/// Reads the devices asked for.
///
/// # Errors
/// A path that is not absolute.
pub fn devices(asked: &[Device]) -> Result<Vec<DeviceNode>, Failure> {
    asked
        .iter()
        .map(|device| {
            let target = if device.target.is_empty() {
                &device.source
            } else {
                &device.target
            };
            Ok(DeviceNode {
                source: absolute(&device.source)?,
                target: absolute(target)?,
            })
        })
        .collect()
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

fn absolute(path: &str) -> Result<String, Failure> {
    if path.starts_with('/') {
        Ok(path.to_owned())
    } else {
        Err(Failure::invalid(format_args!(
            "invalid mount path: '{path}' mount path must be absolute"
        )))
    }
}

fn mount(asked: &Mount) -> Result<MountPlan, Failure> {
    let target = absolute(&asked.target)?;
    if components(&target).next().is_none() {
        return Err(Failure::invalid(
            "invalid specification: destination can't be '/'",
        ));
    }
    let mut flags = MsFlags::MS_NODEV;
    let source = match asked.kind {
        MountKind::Bind => Source::Host {
            path: absolute(&asked.source)?,
            create: asked.create_source,
        },
        MountKind::Tmpfs => {
            flags |= MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
            Source::Memory {
                options: memory_options(&asked.options, &mut flags)?,
            }
        }
        MountKind::Unknown(number) => {
            return Err(Failure::unsupported(format_args!(
                "unknown kind of mount {number}"
            )));
        }
    };
    flags.set(
        MsFlags::MS_RDONLY,
        asked.read_only || flags.contains(MsFlags::MS_RDONLY),
    );
    Ok(MountPlan {
        source,
        target,
        flags,
    })
}

/// Splits options of a memory file system into flags and what its file system reads itself.
fn memory_options(asked: &str, flags: &mut MsFlags) -> Result<String, Failure> {
    let mut own = Vec::new();
    for option in asked.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=').map_or(option, |(key, _)| key) {
            "ro" => flags.insert(MsFlags::MS_RDONLY),
            "exec" => flags.remove(MsFlags::MS_NOEXEC),
            "suid" => flags.remove(MsFlags::MS_NOSUID),
            "noatime" => flags.insert(MsFlags::MS_NOATIME),
            "nodiratime" => flags.insert(MsFlags::MS_NODIRATIME),
            "relatime" => flags.insert(MsFlags::MS_RELATIME),
            "strictatime" => flags.insert(MsFlags::MS_STRICTATIME),
            // What it is anyway, or private mounts, which all are.
            "rw" | "noexec" | "nosuid" | "nodev" | "private" | "rprivate" => {}
            "size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks" => own.push(option),
            _ => {
                return Err(Failure::invalid(format_args!(
                    "invalid tmpfs option [{option:?}]"
                )));
            }
        }
    }
    Ok(own.join(","))
}
