//! `/dev`: memory, with the host's own harmless nodes bound into it.
//!
//! No file system that a container can write to opens device nodes (`MS_NODEV`), so a node that it
//! makes itself, which the default capabilities allow, is a name and nothing else, on any kernel
//! and without a devices control group. Nodes that do work are single bind mounts of the host's.
//! `/dev/pts` must open devices, and has no way to make any but its own terminals.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag};

use super::inside::{Inside, Missing, descriptor_path, is_kind};
use crate::ceiling::sources::{Sources, canonical};
use crate::shim::failure::{Failure, Stage, at};
use crate::shim::plan::mounts::DeviceNode;
use crate::shim::plan::{Exposure, FilesPlan};

const NONE: Option<&str> = None;

/// The host's nodes that every container has, where the host has them.
const NODES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// Links of `/dev`.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// Names that are the container's own even where it has all of the host's `/dev`.
const OWN: &[&str] = &[
    "pts", "shm", "mqueue", "console", "fd", "stdin", "stdout", "stderr", "core", "ptmx",
];

/// Mounts and fills `/dev`.
///
/// # Errors
/// What the kernel said; [`Failure::not_permitted`] for a device that no container may have.
pub(super) fn fill(inside: &Inside, files: &FilesPlan, sources: &Sources) -> Result<(), Failure> {
    let dev = inside
        .resolve("/dev", Missing::Directory)
        .map_err(at(Stage::Dev, "/dev"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME | MsFlags::MS_NODEV;
    mount(
        Some("tmpfs"),
        &descriptor_path(&dev),
        Some("tmpfs"),
        flags,
        Some("mode=755,size=65536k"),
    )
    .map_err(at(Stage::Dev, "/dev"))?;
    // The descriptor still means what lies under the mount.
    let dev = inside
        .resolve("/dev", Missing::Fail)
        .map_err(at(Stage::Dev, "/dev"))?;
    let dev = descriptor_path(&dev);
    for name in ["pts", "shm", "mqueue"] {
        fs::create_dir(dev.join(name)).map_err(at(Stage::Dev, name))?;
    }
    for (name, target) in LINKS {
        symlink(target, dev.join(name)).map_err(at(Stage::Dev, name))?;
    }
    file_systems(&dev, files.shm_bytes)?;
    match files.exposure {
        Exposure::Full => every_node(&dev)?,
        Exposure::Guarded | Exposure::Unmasked => {
            for name in NODES {
                bind_node(&Path::new("/dev").join(name), &dev.join(name))?;
            }
        }
    }
    files
        .devices
        .iter()
        .try_for_each(|device| asked(inside, device, sources))
}

fn file_systems(dev: &Path, shm_bytes: u64) -> Result<(), Failure> {
    let guarded = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    let pts = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let pts_options = "newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount(
        Some("devpts"),
        &dev.join("pts"),
        Some("devpts"),
        pts,
        Some(pts_options),
    )
    .map_err(at(Stage::Dev, "/dev/pts"))?;
    let shm_options = format!("mode=1777,size={shm_bytes}");
    mount(
        Some("shm"),
        &dev.join("shm"),
        Some("tmpfs"),
        guarded,
        Some(shm_options.as_str()),
    )
    .map_err(at(Stage::Dev, "/dev/shm"))?;
    match mount(Some("mqueue"), &dev.join("mqueue"), Some("mqueue"), guarded, NONE) {
        // Phone kernels are often built without message queues.
        Ok(()) | Err(nix::errno::Errno::ENODEV) => Ok(()),
        Err(error) => Err(Failure::system(Stage::Dev, "/dev/mqueue", &error.into())),
    }
}

/// Binds one node of the host, where the host has it.
fn bind_node(source: &Path, target: &Path) -> Result<(), Failure> {
    let subject = source.to_string_lossy();
    if !source.exists() {
        return Ok(());
    }
    fs::File::create_new(target).map_err(at(Stage::Dev, &subject))?;
    mount(Some(source), target, NONE, MsFlags::MS_BIND, NONE).map_err(at(Stage::Dev, &subject))
}

/// All of the host's `/dev`, but for what is the container's own.
fn every_node(dev: &Path) -> Result<(), Failure> {
    let entries = fs::read_dir("/dev").map_err(at(Stage::Dev, "/dev"))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let (source, target) = (entry.path(), dev.join(&name));
        if OWN.iter().any(|own| name.to_str() == Some(own)) {
            continue;
        }
        let subject = source.to_string_lossy();
        let kind = entry.file_type().map_err(at(Stage::Dev, &subject))?;
        if kind.is_symlink() {
            let text = fs::read_link(&source).map_err(at(Stage::Dev, &subject))?;
            symlink(text, target).map_err(at(Stage::Dev, &subject))?;
        } else if kind.is_dir() {
            fs::create_dir(&target).map_err(at(Stage::Dev, &subject))?;
            mount(
                Some(&source),
                &target,
                NONE,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                NONE,
            )
            .map_err(at(Stage::Dev, &subject))?;
        } else {
            bind_node(&source, &target)?;
        }
    }
    Ok(())
}

/// Binds a device that was asked for to wherever it was asked.
fn asked(inside: &Inside, device: &DeviceNode, sources: &Sources) -> Result<(), Failure> {
    let source = open(
        device.source.as_str(),
        OFlag::O_PATH | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| gathering(&device.source, &error.into()))?;
    // By what was opened, which is what is mounted below.
    let path = canonical(&source).map_err(at(Stage::Dev, &device.source))?;
    sources.judge_device(&path).map_err(Failure::not_permitted)?;
    let is = |kind| is_kind(&source, kind).map_err(at(Stage::Dev, &device.source));
    if !is(SFlag::S_IFCHR)? && !is(SFlag::S_IFBLK)? {
        return Err(gathering(&device.source, &io::Error::other("not a device node")));
    }
    let target: OwnedFd = inside
        .resolve(&device.target, Missing::File)
        .map_err(at(Stage::Dev, &device.target))?;
    mount(
        Some(&descriptor_path(&source)),
        &descriptor_path(&target),
        NONE,
        MsFlags::MS_BIND,
        NONE,
    )
    .map_err(at(Stage::Dev, &device.target))
}

fn gathering(source: &str, error: &io::Error) -> Failure {
    Failure::invalid(format_args!(
        "error gathering device information while adding custom device \"{source}\": {error}"
    ))
}

/// Makes the file that a terminal will be bound on, while `/dev` can be reached from outside.
///
/// # Errors
/// What the kernel said.
pub(super) fn prepare_console(inside: &Inside) -> Result<(), Failure> {
    inside
        .resolve("/dev/console", Missing::File)
        .map(drop)
        .map_err(at(Stage::Terminal, "/dev/console"))
}

/// Binds a terminal on `/dev/console`, after the change of root. `/dev` is our own memory unless the
/// user mounted over it, and then nothing but the container is touched.
///
/// # Errors
/// What the kernel said.
pub(super) fn bind_console(terminal: &str) -> Result<(), Failure> {
    mount(Some(terminal), "/dev/console", NONE, MsFlags::MS_BIND, NONE)
        .map_err(at(Stage::Terminal, "/dev/console"))
}
