//! A tree on its way into a tar.
//!
//! Whoever owns the tree may change it meanwhile. Every name is opened relative to the directory it was
//! found in, never through a link and never waiting for a pipe, and is looked at once more when it is
//! open. What has gone or cannot be opened is left out, as every tar program does.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::libc::{dev_t, ino_t};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, major, minor};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs};
use rustix::fs::{fgetxattr, flistxattr};
use tar::EntryType;

use super::fault::Fault;
use super::limits::{DEPTH_MAX, LINKED_BYTES_MAX, PENDING_BYTES_MAX, XATTR_BYTES_MAX};
use super::out::{Entry, Out};
use super::place::{Place, kind_of};
use crate::unpack;

/// How a whole root is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    /// With an entry for the root itself, and without device nodes that no image may hold.
    pub(super) for_image: bool,
    /// Without what is in directories that something is mounted on.
    pub(super) without_mounts: bool,
}

/// A tree being packed.
pub(super) struct Walk {
    out: Out,
    /// Names of files that have several, by what tells one file from another.
    linked: HashMap<(dev_t, ino_t), Vec<u8>>,
    linked_bytes: usize,
    pending_bytes: usize,
    for_image: bool,
    /// Whether anything was packed.
    begun: bool,
    /// The only file system whose directories are entered.
    only: Option<dev_t>,
    levels: Vec<Level>,
}

/// A directory with the names in it that were not visited yet, last first.
struct Level {
    directory: OwnedFd,
    names: Vec<CString>,
    /// What stands before the names in the tar.
    prefix: Vec<u8>,
}

impl Walk {
    pub(super) fn new(out: Out) -> Self {
        Self {
            out,
            linked: HashMap::new(),
            linked_bytes: 0,
            pending_bytes: 0,
            for_image: false,
            begun: false,
            only: None,
            levels: Vec::new(),
        }
    }

    /// Packs what is at a place, under its last name.
    ///
    /// # Errors
    /// What the system said; [`Fault::Limit`].
    pub(super) fn pack(mut self, place: &Place) -> Result<(), Fault> {
        let path = CString::new(place.path.as_str()).map_err(|_| Fault::NoSuchPath)?;
        let name = match place.name.as_str() {
            "/" => "",
            name => name,
        };
        self.visit(AT_FDCWD, &path, name.as_bytes().to_vec())?;
        if !self.begun {
            // It was there a moment ago, or cannot be opened: nobody is to take nothing for all of it.
            return Err(Fault::NoSuchPath);
        }
        self.finish()
    }

    /// Packs the root.
    ///
    /// # Errors
    /// As [`pack`](Self::pack).
    pub(super) fn pack_root(mut self, whole: Whole) -> Result<(), Fault> {
        let root = openat(AT_FDCWD, "/", directory_flags(), Mode::empty())
            .map_err(Fault::system("open the root"))?;
        let stat = fstat(&root).map_err(Fault::system("open the root"))?;
        self.only = whole.without_mounts.then_some(stat.st_dev);
        self.for_image = whole.for_image;
        if self.for_image {
            self.begin(&entry(&stat, EntryType::Directory, b"./".to_vec(), &root))?;
        }
        self.descend(root, Vec::new())?;
        self.finish()
    }

    fn finish(mut self) -> Result<(), Fault> {
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.pop() else {
                self.levels.pop();
                continue;
            };
            self.pending_bytes = self.pending_bytes.saturating_sub(name.to_bytes().len());
            let full = [level.prefix.as_slice(), name.to_bytes()].concat();
            let directory = level
                .directory
                .try_clone()
                .map_err(Fault::system("open a directory"))?;
            self.visit(directory.as_fd(), &name, full)?;
        }
        self.out.end().map_err(Fault::system("write the archive"))
    }

    /// Packs one name; of a directory, what is in it follows.
    fn visit(&mut self, above: BorrowedFd<'_>, name: &CStr, full: Vec<u8>) -> Result<(), Fault> {
        let Ok(stat) = fstatat(above, name, AtFlags::AT_SYMLINK_NOFOLLOW) else {
            return Ok(());
        };
        match kind_of(&stat) {
            SFlag::S_IFDIR => self.directory(above, name, full),
            SFlag::S_IFREG => self.file(above, name, full),
            SFlag::S_IFLNK => {
                let Ok(text) = readlinkat(above, name) else {
                    return Ok(());
                };
                self.plain(&stat, EntryType::Symlink, full, text.into_vec())
            }
            SFlag::S_IFIFO => self.plain(&stat, EntryType::Fifo, full, Vec::new()),
            SFlag::S_IFCHR => self.node(&stat, EntryType::Char, full),
            SFlag::S_IFBLK => self.node(&stat, EntryType::Block, full),
            // A socket means nothing without its process.
            _ => Ok(()),
        }
    }

    fn directory(&mut self, above: BorrowedFd<'_>, name: &CStr, mut full: Vec<u8>) -> Result<(), Fault> {
        let Ok(directory) = openat(above, name, directory_flags(), Mode::empty()) else {
            return Ok(());
        };
        let stat = fstat(&directory).map_err(Fault::system("look at a directory"))?;
        full.push(b'/');
        self.begin(&entry(&stat, EntryType::Directory, full.clone(), &directory))?;
        if self.only.is_some_and(|only| only != stat.st_dev) {
            return Ok(());
        }
        self.descend(directory, full)
    }

    fn descend(&mut self, directory: OwnedFd, prefix: Vec<u8>) -> Result<(), Fault> {
        if self.levels.len() >= DEPTH_MAX {
            return Err(Fault::Limit {
                what: "directories within each other",
                max: DEPTH_MAX,
            });
        }
        let names = names(&directory)?;
        self.pending_bytes += names.iter().map(|name| name.to_bytes().len()).sum::<usize>();
        if self.pending_bytes > PENDING_BYTES_MAX {
            return Err(Fault::Limit {
                what: "bytes of names",
                max: PENDING_BYTES_MAX,
            });
        }
        self.levels.push(Level {
            directory,
            names,
            prefix,
        });
        Ok(())
    }

    fn file(&mut self, above: BorrowedFd<'_>, name: &CStr, full: Vec<u8>) -> Result<(), Fault> {
        let flags =
            OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let Ok(file) = openat(above, name, flags, Mode::empty()) else {
            return Ok(());
        };
        let stat = fstat(&file).map_err(Fault::system("look at a file"))?;
        if kind_of(&stat) != SFlag::S_IFREG {
            return Ok(());
        }
        if let Some(first) = self.first_name(&stat, &full) {
            return self.plain(&stat, EntryType::Link, full, first);
        }
        let entry = entry(&stat, EntryType::Regular, full, &file);
        self.begin(&entry)?;
        let file = File::from(file);
        match self.out.copy(&file, entry.size) {
            Ok(None) => Ok(()),
            // The kernel's own files say a size and then what they like.
            Ok(Some(_)) if is_kernels(&file) => Ok(()),
            Ok(Some(error)) => Err(Fault::system("read a file")(error)),
            Err(error) => Err(Fault::system("write the archive")(error)),
        }
    }

    /// The name under which this very file was packed before.
    fn first_name(&mut self, stat: &FileStat, full: &[u8]) -> Option<Vec<u8>> {
        if stat.st_nlink < 2 {
            return None;
        }
        let key = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.linked.get(&key) {
            return Some(first.clone());
        }
        if self.linked_bytes + full.len() <= LINKED_BYTES_MAX {
            self.linked_bytes += full.len();
            self.linked.insert(key, full.to_vec());
        }
        None
    }

    fn node(&mut self, stat: &FileStat, kind: EntryType, full: Vec<u8>) -> Result<(), Fault> {
        let device = device(stat);
        if self.for_image && (kind == EntryType::Block || !unpack::is_harmless(device)) {
            return Ok(());
        }
        self.begin(&Entry {
            device,
            ..bare_entry(stat, kind, full)
        })
    }

    fn plain(&mut self, stat: &FileStat, kind: EntryType, full: Vec<u8>, link: Vec<u8>) -> Result<(), Fault> {
        self.begin(&Entry {
            link,
            ..bare_entry(stat, kind, full)
        })
    }

    fn begin(&mut self, entry: &Entry) -> Result<(), Fault> {
        self.begun = true;
        self.out.begin(entry).map_err(Fault::system("write the archive"))
    }
}

pub(super) fn directory_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

/// The names in a directory, sorted, last first.
///
/// # Errors
/// What the system said.
pub(super) fn names(directory: &OwnedFd) -> Result<Vec<CString>, Fault> {
    let attempt = "read a directory";
    let handle = openat(directory, ".", directory_flags(), Mode::empty()).map_err(Fault::system(attempt))?;
    let mut names = Vec::new();
    for entry in Dir::from_fd(handle).map_err(Fault::system(attempt))?.iter() {
        let entry = match entry {
            // It was removed while it was read, or its process has gone.
            Err(Errno::ENOENT | Errno::ESRCH) => break,
            other => other.map_err(Fault::system(attempt))?,
        };
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

fn entry(stat: &FileStat, kind: EntryType, name: Vec<u8>, file: &OwnedFd) -> Entry {
    let size = if kind == EntryType::Regular {
        u64::try_from(stat.st_size).unwrap_or(0)
    } else {
        0
    };
    Entry {
        size,
        xattrs: xattrs(file),
        ..bare_entry(stat, kind, name)
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "seconds are 32 bits wide on 32-bit machines"
)]
fn bare_entry(stat: &FileStat, kind: EntryType, name: Vec<u8>) -> Entry {
    Entry {
        name,
        kind,
        link: Vec::new(),
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: 0,
        mtime: stat.st_mtime.into(),
        device: (0, 0),
        xattrs: Vec::new(),
    }
}

/// Major and minor number; greater ones than a tar can hold do not exist.
fn device(stat: &FileStat) -> (u32, u32) {
    let number = |part: u64| u32::try_from(part).unwrap_or(0);
    (number(major(stat.st_rdev)), number(minor(stat.st_rdev)))
}

/// The attributes that an image keeps. A file system that has none has none.
fn xattrs(file: &OwnedFd) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut list = vec![0; XATTR_BYTES_MAX];
    let length = match flistxattr(file, &mut list) {
        Ok(0) | Err(_) => return Vec::new(),
        Ok(length) => length,
    };
    let listed = list.get(..length).unwrap_or_default();
    let kept = listed
        .split(|byte| *byte == 0)
        .filter(|name| unpack::is_kept(name));
    kept.filter_map(|name| {
        let mut value = vec![0; XATTR_BYTES_MAX];
        let length = fgetxattr(file, OsStr::from_bytes(name), &mut value).ok()?;
        value.truncate(length);
        Some((name.to_vec(), value))
    })
    .collect()
}

fn is_kernels(file: &File) -> bool {
    let kernels: [FsType; 2] = [PROC_SUPER_MAGIC, SYSFS_MAGIC];
    fstatfs(file).is_ok_and(|stat| kernels.contains(&stat.filesystem_type()))
}
