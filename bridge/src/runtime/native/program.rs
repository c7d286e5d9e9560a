//! The shim's program, out of reach of containers.
//!
//! The first process of a container is a copy of the shim until it executes the command, and a
//! hostile image can make the command `/proc/self/exe`, or a script whose interpreter is that: the
//! host's own program, opened from within. What keeps it from being overwritten (CVE-2019-5736) is
//! that shims are executed through a read-only mount of it, which is in nobody's list of mounts and
//! which no power inside a container can make writable.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::shim::init::inside::descriptor_path;

/// An executable file, held open.
#[derive(Debug)]
pub(super) struct Program {
    file: OwnedFd,
}

impl Program {
    /// Mounts `program` read-only on the file `place`, holds it open, and takes the mount away again:
    /// what is held keeps it alive. So it works on kernels that cannot make a mount without a place.
    ///
    /// Where mounting is refused the program itself is used, and the log says so.
    pub(super) fn open(program: &Path, place: &Path) -> io::Result<Self> {
        // A link below /proc means something else in every process; its target does not.
        let program = program.canonicalize()?;
        // Left by a bridge that was killed in `open_mounted`. Before the file is opened: what is mounted on it
        // is a program that runs, and nobody may write to that.
        while umount2(place, MntFlags::MNT_DETACH).is_ok() {}
        File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(place)?;
        match Self::open_mounted(&program, place) {
            Ok(opened) => Ok(opened),
            Err(error) => {
                tracing::warn!(%error, "the shim's program cannot be mounted read-only; containers could reach it");
                open(&program)
            }
        }
    }

    fn open_mounted(program: &Path, place: &Path) -> io::Result<Self> {
        const NONE: Option<&str> = None;
        mount(Some(program), place, NONE, MsFlags::MS_BIND, NONE)?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let opened = mount(NONE, place, NONE, flags, NONE)
            .map_err(io::Error::from)
            .and_then(|()| open(place));
        umount2(place, MntFlags::MNT_DETACH)?;
        opened
    }

    /// A path that leads to it in a child that has inherited this process's descriptors.
    pub(super) fn path(&self) -> PathBuf {
        descriptor_path(&self.file)
    }
}

fn open(path: &Path) -> io::Result<Program> {
    let file = File::options().read(true).custom_flags(libc::O_PATH).open(path)?;
    Ok(Program { file: file.into() })
}
