//! What of the kernel a container sees: `/proc`, `/sys`, control groups, and what of them is hidden.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, fstat, major, minor};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use super::inside::{Inside, Missing, descriptor_path, is_kind};
use crate::shim::cgroup::Groups;
use crate::shim::failure::{Failure, Stage, at};
use crate::shim::plan::Exposure;

const NONE: Option<&str> = None;

/// Paths that tell about or reach the host, hidden as dockerd hides them.
const MASKED: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Paths that change the host, kept from writing as dockerd keeps them.
const READ_ONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Flags of every kernel file system.
const KERNEL_FLAGS: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

fn place(inside: &Inside, stage: Stage, path: &str) -> Result<OwnedFd, Failure> {
    inside.resolve(path, Missing::Directory).map_err(at(stage, path))
}

/// Mounts `/proc`, of this process's own process namespace.
///
/// # Errors
/// What the kernel said.
pub(super) fn mount_proc(inside: &Inside) -> Result<(), Failure> {
    let target = place(inside, Stage::Proc, "/proc")?;
    mount(
        Some("proc"),
        &descriptor_path(&target),
        Some("proc"),
        KERNEL_FLAGS,
        NONE,
    )
    .map_err(at(Stage::Proc, "/proc"))
}

/// Fails unless `/proc` is the one that was mounted. Where the image has a link there, a volume may have
/// come to lie over what it leads to: what is written and hidden from here on would be the volume's.
///
/// # Errors
/// [`Failure::invalid`]; what the kernel said.
pub(super) fn check_proc(inside: &Inside) -> Result<(), Failure> {
    let proc = place(inside, Stage::Proc, "/proc")?;
    let kind = fstatfs(&proc)
        .map_err(at(Stage::Proc, "/proc"))?
        .filesystem_type();
    if kind == PROC_SUPER_MAGIC {
        return Ok(());
    }
    Err(Failure::invalid(
        "\"/proc\" of the image leads to what another mount covers",
    ))
}

/// Writes kernel settings, while `/proc/sys` can still be written.
///
/// # Errors
/// A setting that the kernel does not have or refuses.
pub(super) fn set_sysctls(inside: &Inside, sysctls: &[(String, String)]) -> Result<(), Failure> {
    for (path, value) in sysctls {
        let invalid = |error: io::Error| {
            Failure::invalid(format_args!(
                "sysctl \"{}\" cannot be set to {value:?}: {error}",
                path.replace('/', ".")
            ))
        };
        let target = inside
            .resolve(&format!("/proc/sys/{path}"), Missing::Fail)
            .map_err(invalid)?;
        fs::write(descriptor_path(&target), value).map_err(invalid)?;
    }
    Ok(())
}

/// Mounts `/sys` and, below it, the container's control groups.
///
/// # Errors
/// What the kernel said.
pub(super) fn mount_sys(inside: &Inside, groups: &Groups, exposure: Exposure) -> Result<(), Failure> {
    let access = if exposure == Exposure::Full {
        MsFlags::empty()
    } else {
        MsFlags::MS_RDONLY
    };
    let target = place(inside, Stage::Sys, "/sys")?;
    let flags = KERNEL_FLAGS | access;
    mount(
        Some("sysfs"),
        &descriptor_path(&target),
        Some("sysfs"),
        flags,
        NONE,
    )
    .map_err(at(Stage::Sys, "/sys"))?;
    let target = match inside.resolve("/sys/fs/cgroup", Missing::Fail) {
        // The kernel has no control groups.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(at(Stage::Sys, "/sys/fs/cgroup"))?,
    };
    mount_groups(inside, &target, groups, flags)
}

/// The container's own group of each hierarchy, bound where programs look for the root.
fn mount_groups(inside: &Inside, target: &OwnedFd, groups: &Groups, flags: MsFlags) -> Result<(), Failure> {
    let subject = "/sys/fs/cgroup";
    let target = descriptor_path(target);
    let top = || {
        inside
            .resolve(subject, Missing::Fail)
            .map_err(at(Stage::Sys, subject))
    };
    match groups.groups.as_slice() {
        [] => return Ok(()),
        [only] if only.name.is_empty() => {
            bind(&only.path, &target)?;
            // The descriptor still means what lies under the new mount.
            return protect(&only.path, &descriptor_path(&top()?), flags);
        }
        _ => {}
    }
    mount(
        Some("tmpfs"),
        &target,
        Some("tmpfs"),
        KERNEL_FLAGS,
        Some("mode=755,size=1m"),
    )
    .map_err(at(Stage::Sys, subject))?;
    let inner = top()?;
    let inner = descriptor_path(&inner);
    for group in &groups.groups {
        let place = inner.join(&group.name);
        fs::create_dir(&place).map_err(at(Stage::Sys, subject))?;
        bind(&group.path, &place)?;
        protect(&group.path, &place, flags)?;
        // Controllers mounted together are found by each name alone, too.
        for alias in group.name.split(',').filter(|_| group.name.contains(',')) {
            symlink(&group.name, inner.join(alias)).map_err(at(Stage::Sys, subject))?;
        }
    }
    let remount = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    mount(NONE, &inner, NONE, remount, NONE).map_err(at(Stage::Sys, subject))
}

fn bind(group: &Path, target: &Path) -> Result<(), Failure> {
    mount(Some(group), target, NONE, MsFlags::MS_BIND, NONE).map_err(at(Stage::Sys, &group.to_string_lossy()))
}

/// Gives the mount at this place its flags.
fn protect(group: &Path, top: &Path, flags: MsFlags) -> Result<(), Failure> {
    let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    mount(NONE, top, NONE, flags, NONE).map_err(at(Stage::Sys, &group.to_string_lossy()))
}

/// Hides and protects the kernel's files; those a kernel does not have are passed over.
///
/// # Errors
/// What the kernel said.
pub(super) fn guard(inside: &Inside) -> Result<(), Failure> {
    let null = machines_null().map_err(at(Stage::Mask, "/dev/null"))?;
    for path in MASKED {
        let Some(target) = existing(inside, path)? else {
            continue;
        };
        if is_kind(&target, SFlag::S_IFDIR).map_err(at(Stage::Mask, path))? {
            let flags = KERNEL_FLAGS | MsFlags::MS_RDONLY;
            mount(
                Some("tmpfs"),
                &descriptor_path(&target),
                Some("tmpfs"),
                flags,
                Some("size=0"),
            )
        } else {
            mount(
                Some(&descriptor_path(&null)),
                &descriptor_path(&target),
                NONE,
                MsFlags::MS_BIND,
                NONE,
            )
        }
        .map_err(at(Stage::Mask, path))?;
    }
    for path in READ_ONLY {
        let Some(target) = existing(inside, path)? else {
            continue;
        };
        let over = descriptor_path(&target);
        mount(Some(&over), &over, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)
            .map_err(at(Stage::Mask, path))?;
        // The descriptor still means what lies under the new mount.
        let Some(top) = existing(inside, path)? else {
            continue;
        };
        let flags = KERNEL_FLAGS | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(NONE, &descriptor_path(&top), NONE, flags, NONE).map_err(at(Stage::Mask, path))?;
    }
    Ok(())
}

/// The machine's own null device. The container's `/dev` may be a volume, in which somebody has put a
/// link to what is to be hidden.
fn machines_null() -> io::Result<OwnedFd> {
    let null = open("/dev/null", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    let device = fstat(&null)?.st_rdev;
    if is_kind(&null, SFlag::S_IFCHR)? && (major(device), minor(device)) == (1, 3) {
        Ok(null)
    } else {
        Err(io::Error::other("not the null device"))
    }
}

fn existing(inside: &Inside, path: &str) -> Result<Option<OwnedFd>, Failure> {
    match inside.resolve(path, Missing::Fail) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        other => other.map(Some).map_err(at(Stage::Mask, path)),
    }
}
