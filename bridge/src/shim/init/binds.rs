//! Mounts that the user asked for, and the three files that every container is given.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use super::inside::{Inside, Missing, descriptor_path, is_kind};
use crate::ceiling::sources::{Sources, canonical, denied};
use crate::shim::failure::{Failure, Stage, at};
use crate::shim::mountinfo::{self, MountEntry};
use crate::shim::plan::Exposure;
use crate::shim::plan::FilesPlan;
use crate::shim::plan::mounts::{MountPlan, Source};
use crate::shim::record::file;

const NONE: Option<&str> = None;

/// Files of `/proc` that may be covered, because container-aware programs of the host show the
/// container its own numbers there. Anything else in `/proc` would deceive the kernel's own users.
const PROC_ALLOWED: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
];

/// Flags that keep something from a container.
const GUARDING: MsFlags = MsFlags::MS_RDONLY
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOSUID)
    .union(MsFlags::MS_NOEXEC);

/// Binds the generated `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`.
///
/// # Errors
/// What the kernel said.
pub(crate) fn mount_generated(inside: &Inside, directory: &Path, flags: MsFlags) -> Result<(), Failure> {
    for name in [file::HOSTNAME, file::HOSTS, file::RESOLV_CONF] {
        let inner = format!("/etc/{name}");
        let target = inside
            .resolve(&inner, Missing::File)
            .map_err(at(Stage::Mounts, &inner))?;
        let source = open_source(&directory.join(name)).map_err(at(Stage::Mounts, name))?;
        bind(&source, &inner, &target, flags)?;
    }
    Ok(())
}

/// Makes the mounts asked for, in order.
///
/// # Errors
/// [`Failure::invalid`] for a source that is not there and for a target that cannot be one;
/// [`Failure::not_permitted`] for a source that no container may have.
pub(crate) fn mount_asked(inside: &Inside, files: &FilesPlan, sources: &Sources) -> Result<(), Failure> {
    for asked in &files.mounts {
        let mut flags = asked.flags;
        if files.exposure == Exposure::Full {
            flags.remove(MsFlags::MS_NODEV);
        }
        match &asked.source {
            Source::Host { path, create } => {
                let source = source(path, *create, sources)?;
                // By what was opened, which is what is mounted.
                let canonical = canonical(&source).map_err(at(Stage::Mounts, path))?;
                sources
                    .judge_bind(&canonical, flags.contains(MsFlags::MS_RDONLY))
                    .map_err(Failure::not_permitted)?;
                mount_host(inside, asked, &source, flags)?;
            }
            Source::Memory { options } => {
                let target = target(inside, asked, Missing::Directory)?;
                mount(
                    Some("tmpfs"),
                    &descriptor_path(&target),
                    Some("tmpfs"),
                    flags,
                    Some(options.as_str()),
                )
                .map_err(|error| refused(asked, &error.into()))?;
            }
        }
    }
    Ok(())
}

/// Opens a source, making it where that is asked.
fn source(path: &str, create: bool, sources: &Sources) -> Result<OwnedFd, Failure> {
    let made = match open_source(Path::new(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => sources.make(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::invalid(format_args!(
                "bind source path does not exist: {path}"
            )));
        }
        other => other,
    };
    made.map_err(|error| match denied(&error) {
        Some(denied) => Failure::not_permitted(denied),
        None => Failure::system(Stage::Mounts, path, &error),
    })
}

fn mount_host(inside: &Inside, asked: &MountPlan, source: &OwnedFd, flags: MsFlags) -> Result<(), Failure> {
    let subject = asked.target.as_str();
    let directory = is_kind(source, SFlag::S_IFDIR).map_err(at(Stage::Mounts, subject))?;
    let missing = if directory {
        Missing::Directory
    } else {
        Missing::File
    };
    let target = target(inside, asked, missing)?;
    if is_kind(&target, SFlag::S_IFDIR).map_err(at(Stage::Mounts, subject))? != directory {
        return Err(refused(asked, &io::Error::from_raw_os_error(nix::libc::ENOTDIR)));
    }
    bind(source, &asked.target, &target, flags)
}

fn open_source(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?)
}

fn target(inside: &Inside, asked: &MountPlan, missing: Missing) -> Result<OwnedFd, Failure> {
    let target = inside
        .resolve(&asked.target, missing)
        .map_err(|error| refused(asked, &error))?;
    let kind = fstatfs(&target)
        .map_err(at(Stage::Mounts, &asked.target))?
        .filesystem_type();
    if kind == PROC_SUPER_MAGIC && !PROC_ALLOWED.contains(&asked.target.as_str()) {
        return Err(Failure::invalid(format_args!(
            "\"{}\" cannot be mounted because it is inside /proc",
            asked.target
        )));
    }
    Ok(target)
}

fn refused(asked: &MountPlan, error: &io::Error) -> Failure {
    let advice = match error.raw_os_error() {
        Some(nix::libc::ENOTDIR) => {
            ": Are you trying to mount a directory onto a file (or vice-versa)? \
             Check if the specified host path exists and is the expected type"
        }
        _ => "",
    };
    Failure::invalid(format_args!("cannot mount \"{}\": {error}{advice}", asked.target))
}

/// Binds a file or directory with all that is mounted in it, and gives every one of those mounts
/// the flags too: a file system mounted somewhere below must not bring devices in, nor be writable
/// where the whole was asked for read-only.
fn bind(source: &OwnedFd, inner: &str, target: &OwnedFd, flags: MsFlags) -> Result<(), Failure> {
    let mounts = || mountinfo::read().map_err(at(Stage::Mounts, "/proc/self/mountinfo"));
    let before: HashSet<u64> = mounts()?.iter().map(|entry| entry.id).collect();
    // All of them are private, as every mount of this process is.
    let (from, onto) = (descriptor_path(source), descriptor_path(target));
    mount(Some(&from), &onto, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)
        .map_err(at(Stage::Mounts, inner))?;
    // Nobody but this process mounts here, so what is new is what was just made.
    let entries = mounts()?;
    let is_new = |entry: &&MountEntry| !before.contains(&entry.id);
    for entry in entries.iter().filter(is_new) {
        let flags = flags | entry.flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        mount(NONE, &entry.mount_point, NONE, flags, NONE)
            .map_err(at(Stage::Mounts, &entry.mount_point.to_string_lossy()))?;
    }
    // They were found by their paths, and another container that has the same volume may have put something
    // else there in between.
    if all_guarded(&mounts()?, &before, flags) {
        Ok(())
    } else {
        Err(Failure::invalid(format_args!(
            "cannot mount \"{inner}\": its place was exchanged meanwhile"
        )))
    }
}

/// Whether every mount that was not there `before` keeps from a container what `flags` keep from it.
fn all_guarded(now: &[MountEntry], before: &HashSet<u64>, flags: MsFlags) -> bool {
    let mut new = now.iter().filter(|entry| !before.contains(&entry.id));
    new.all(|entry| entry.flags.contains(flags & GUARDING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mount_without_its_flags_is_enough() {
        let entry = |id, flags| MountEntry {
            id,
            mount_point: "/a".into(),
            flags,
            file_system: String::new(),
            super_options: String::new(),
        };
        let (nodev, both) = (MsFlags::MS_NODEV, MsFlags::MS_NODEV | MsFlags::MS_RDONLY);
        let check = |new: &[MsFlags], asked, expected| {
            let mut now = vec![entry(1, MsFlags::empty())];
            now.extend((2..).zip(new).map(|(id, flags)| entry(id, *flags)));
            assert_eq!(
                all_guarded(&now, &HashSet::from([1]), asked),
                expected,
                "{new:?} {asked:?}"
            );
        };
        check(&[], both, true);
        check(&[both], nodev, true);
        check(&[both, both], both, true);
        check(&[both, nodev], both, false);
        check(&[MsFlags::empty()], nodev, false);
        check(&[MsFlags::empty()], MsFlags::MS_RELATIME, true);
    }
}
