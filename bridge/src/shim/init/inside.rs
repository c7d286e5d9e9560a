//! Paths inside a root file system that is not ours yet, and that an enemy may have made.
//!
//! A path is walked one name at a time, each opened relative to the one before and never through a
//! link; links are read and walked the same way, starting over at the new root. So no link, however
//! placed, and no other process that changes directories meanwhile, leads out of the root: what is
//! mounted, is mounted on the very descriptor that the walk ended with.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

/// Most links followed in one path, as the kernel's own limit. Stops links that lead in a circle.
const LINKS_MAX: u32 = 40;

/// Most names in one path, links' included. Stops links from making a path without end.
const NAMES_MAX: usize = 1024;

/// What is done about a name that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is an error, `ENOENT`.
    Fail,
    /// Directories are made.
    Directory,
    /// Directories are made, and a file for the last name.
    File,
}

/// What a walk is asked on its way.
pub trait Guard {
    /// Whether the walk may go through this, or end with it: a directory, the root first, a link, or the end.
    ///
    /// # Errors
    /// Why not; the walk ends.
    fn meets(&mut self, _met: BorrowedFd<'_>, _stat: &FileStat) -> io::Result<()> {
        Ok(())
    }

    /// Whether this name may be made in this directory.
    ///
    /// # Errors
    /// Why not; the walk ends, and nothing was made.
    fn makes(&mut self, _directory: BorrowedFd<'_>, _name: &OsStr) -> io::Result<()> {
        Ok(())
    }
}

/// A walk that may go anywhere.
struct Unguarded;

impl Guard for Unguarded {}

/// A root file system, seen from outside.
#[derive(Debug)]
pub struct Inside {
    root: OwnedFd,
}

/// The path by which the kernel finds an open descriptor of this process.
#[must_use]
pub fn descriptor_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// Whether a descriptor is one of these (`S_IFDIR` and so on).
///
/// # Errors
/// What the kernel said.
pub fn is_kind(fd: impl AsFd, kind: SFlag) -> io::Result<bool> {
    Ok(has_kind(&fstat(fd)?, kind))
}

fn has_kind(stat: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind
}

impl Inside {
    /// The file system whose root is the directory `root`.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self {
            root: open(root, flags, Mode::empty())?,
        })
    }

    /// The root itself.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens `path` (`O_PATH`), as the container itself would find it.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, as the kernel would; else what it did say.
    pub fn resolve(&self, path: &str, missing: Missing) -> io::Result<OwnedFd> {
        self.resolve_under(path, missing, &mut Unguarded)
    }

    /// The same, as far as the guard allows.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), and what the guard said.
    pub fn resolve_under(&self, path: &str, missing: Missing, guard: &mut dyn Guard) -> io::Result<OwnedFd> {
        guard.meets(self.root.as_fd(), &fstat(&self.root)?)?;
        let mut walk = Walk {
            root: self.root.as_fd(),
            above: Vec::new(),
            names: VecDeque::new(),
            links: 0,
            guard,
        };
        walk.prepend(path.as_bytes())?;
        while let Some(name) = walk.names.pop_front() {
            match name.as_slice() {
                b".." => drop(walk.above.pop()),
                name => {
                    if let Some(end) = walk.step(OsStr::from_bytes(name), missing)? {
                        return Ok(end);
                    }
                }
            }
        }
        match walk.above.pop() {
            Some(last) => Ok(last),
            None => self.root.try_clone(),
        }
    }
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    /// The directories walked through, so that `..` never asks the file system.
    above: Vec<OwnedFd>,
    names: VecDeque<Vec<u8>>,
    links: u32,
    guard: &'a mut dyn Guard,
}

impl Walk<'_> {
    fn prepend(&mut self, path: &[u8]) -> io::Result<()> {
        for name in path.split(|&byte| byte == b'/').rev() {
            if !matches!(name, b"" | b".") {
                self.names.push_front(name.to_vec());
            }
        }
        if self.names.len() > NAMES_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        Ok(())
    }

    /// Goes one name further; the end of the walk where that is a file.
    fn step(&mut self, name: &OsStr, missing: Missing) -> io::Result<Option<OwnedFd>> {
        let fd = self.open_or_make(name, missing)?;
        let stat = fstat(&fd)?;
        self.guard.meets(fd.as_fd(), &stat)?;
        if has_kind(&stat, SFlag::S_IFLNK) {
            self.links += 1;
            if self.links > LINKS_MAX {
                return Err(Errno::ELOOP.into());
            }
            // The text of the link that was opened, not of whatever has that name by now.
            let text = readlinkat(&fd, "")?;
            if text.as_bytes().first() == Some(&b'/') {
                // One of the kernel's ways to an open file: its text is a path of the machine's.
                if fstatfs(&fd)?.filesystem_type() == PROC_SUPER_MAGIC {
                    return Err(Errno::ELOOP.into());
                }
                self.above.clear();
            }
            self.prepend(text.as_bytes())?;
            return Ok(None);
        }
        if has_kind(&stat, SFlag::S_IFDIR) {
            self.above.push(fd);
            return Ok(None);
        }
        if self.names.is_empty() {
            Ok(Some(fd))
        } else {
            Err(Errno::ENOTDIR.into())
        }
    }

    fn open_or_make(&mut self, name: &OsStr, missing: Missing) -> io::Result<OwnedFd> {
        let here = self.above.last().map_or(self.root, AsFd::as_fd);
        let look = || {
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(here, name, flags, Mode::empty())
        };
        match look() {
            Err(Errno::ENOENT) if missing != Missing::Fail => {}
            other => return Ok(other?),
        }
        self.guard.makes(here, name)?;
        let made = if missing == Missing::File && self.names.is_empty() {
            let flags =
                OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_WRONLY;
            openat(here, name, flags, Mode::from_bits_truncate(0o644)).map(drop)
        } else {
            mkdirat(here, name, Mode::from_bits_truncate(0o755))
        };
        match made {
            // Somebody else made it meanwhile; whatever it is, it is looked at now.
            Ok(()) | Err(Errno::EEXIST) => Ok(look()?),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
