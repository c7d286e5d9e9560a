//! Entries become files.
//!
//! Everything happens relative to the current directory, which is the root of the image and, by
//! chroot(2), the root of this process: a path or a link, however it is made, ends inside. That is
//! why a name may lead through symbolic links made by earlier entries, and it has to: where `bin`
//! is a link to `usr/bin`, real images have entries below `bin/`. The last part of a name is never
//! followed, and no existing file is ever opened for writing: it is replaced.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstatat, futimens, makedev, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat};
use rustix::fs::{XattrFlags, fsetxattr};

use super::archive::{Archive, Kind, Member};
use super::fault::Fault;
use super::limits::{DIRECTORY_NAMES_BYTES_MAX, Limits};
use super::name::{Name, NameFault};
use super::sparse::Layout;
use crate::tree;

/// The character devices that every container has, by major and minor number: null, zero, full,
/// random, urandom, tty, console, ptmx. Any other node in an image is of no honest use, for
/// containers see images without device access, and a danger to whoever mounts it otherwise.
const HARMLESS_DEVICES: &[(u32, u32)] = &[(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];

/// Whether a character device is one that every container has.
pub(crate) fn is_harmless(number: (u32, u32)) -> bool {
    HARMLESS_DEVICES.contains(&number)
}

/// Permissions of a directory that the archive has no entry for.
const IMPLIED_DIRECTORY_MODE: Mode = Mode::from_bits_truncate(0o755);

/// The root of an image while its entries come in.
pub(super) struct Root {
    /// Directories with the times they get at the end; filling them would change it again.
    directories: Vec<(OsString, (i64, u32))>,
    directory_names_bytes: usize,
    /// The parent of the entry before this one: it exists.
    parent: OsString,
    bytes_left: u64,
    bytes_max: u64,
    entries: u64,
    xattrs_left_out: u64,
}

/// What has come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// Entries placed.
    pub(super) entries: u64,
    /// Extended attributes that were not kept.
    pub(super) xattrs_left_out: u64,
}

impl Root {
    /// The current directory, empty.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            directories: Vec::new(),
            directory_names_bytes: 0,
            parent: OsString::new(),
            bytes_left: limits.bytes,
            bytes_max: limits.bytes,
            entries: 0,
            xattrs_left_out: 0,
        }
    }

    /// Makes one entry, its data included. Of two entries with one name, the later wins.
    ///
    /// # Errors
    /// What is wrong with the entry or the archive, or what the system said.
    pub(super) fn place<R: Read>(&mut self, member: &Member, archive: &mut Archive<R>) -> Result<(), Fault> {
        let fault = |errno| Fault::Entry {
            name: member.name.bytes().to_vec(),
            errno,
        };
        if member.name.is_root() && member.kind != Kind::Directory {
            return Err(Fault::Name {
                name: Vec::new(),
                why: NameFault::Root,
            });
        }
        self.entries += 1;
        match &member.kind {
            Kind::Directory => return self.directory(member).map_err(fault)?,
            Kind::HardLink(target) if is_directory(target.path()) => {
                return Err(Fault::Name {
                    name: target.bytes().to_vec(),
                    why: NameFault::Directory,
                });
            }
            Kind::HardLink(target) if is_same_file(target, &member.name) => return Ok(()),
            _ => self.clear(&member.name).map_err(fault)?,
        }
        let path = member.name.path();
        match &member.kind {
            Kind::File(layout) => return self.file(member, layout, archive),
            Kind::HardLink(target) => {
                return linkat(AT_FDCWD, target.path(), AT_FDCWD, path, LinkatFlags::empty()).map_err(fault);
            }
            Kind::Symlink(text) => symlinkat(text.as_os_str(), AT_FDCWD, path).map_err(fault)?,
            Kind::Fifo => mknod(member, SFlag::S_IFIFO, (0, 0)).map_err(fault)?,
            Kind::Character(major, minor) => {
                let number = (*major, *minor);
                if !is_harmless(number) {
                    return Err(Fault::Device {
                        name: member.name.bytes().to_vec(),
                        number,
                    });
                }
                mknod(member, SFlag::S_IFCHR, number).map_err(fault)?;
            }
            Kind::Directory => {}
        }
        dress_path(member).map_err(fault)
    }

    /// Gives the directories their times, now that nothing changes in them any more.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn finish(self) -> Result<Tally, Fault> {
        for (path, mtime) in self.directories {
            // A later entry may have replaced it by something that has its own time.
            if is_directory(&path) {
                set_times(&path, mtime).map_err(|errno| Fault::Entry {
                    name: path.as_bytes().to_vec(),
                    errno,
                })?;
            }
        }
        Ok(Tally {
            entries: self.entries,
            xattrs_left_out: self.xattrs_left_out,
        })
    }

    /// Makes room for an entry that is no directory.
    fn clear(&mut self, name: &Name) -> Result<(), Errno> {
        match stat(name.path()) {
            Ok(stat) if kind_of(&stat) == SFlag::S_IFDIR => self.remove_tree(name),
            Ok(_) => unlinkat(AT_FDCWD, name.path(), UnlinkatFlags::NoRemoveDir),
            Err(Errno::ENOENT) => self.make_parents(name),
            Err(errno) => Err(errno),
        }
    }

    fn remove_tree(&mut self, name: &Name) -> Result<(), Errno> {
        self.parent.clear();
        let parent = if name.parent().is_empty() {
            OsStr::new(".")
        } else {
            name.parent()
        };
        let base = name
            .bytes()
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let parent = openat(AT_FDCWD, parent, flags, Mode::empty())?;
        tree::remove(parent.as_fd(), OsStr::from_bytes(base)).map_err(|error| errno_of(&error))
    }

    fn make_parents(&mut self, name: &Name) -> Result<(), Errno> {
        let parent = name.parent();
        if parent.is_empty() || parent == self.parent {
            return Ok(());
        }
        let bytes = parent.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        for end in ends.chain([bytes.len()]) {
            let path = OsStr::from_bytes(bytes.get(..end).unwrap_or_default());
            match mkdirat(AT_FDCWD, path, IMPLIED_DIRECTORY_MODE) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.parent = parent.to_owned();
        Ok(())
    }

    /// Makes a directory, or takes the one that is there. A link to a directory is replaced, as by
    /// other tar programs.
    fn directory(&mut self, member: &Member) -> Result<Result<(), Fault>, Errno> {
        let path = member.name.path();
        match stat(path) {
            Ok(stat) if kind_of(&stat) == SFlag::S_IFDIR => {}
            found => {
                match found {
                    Ok(_) => unlinkat(AT_FDCWD, path, UnlinkatFlags::NoRemoveDir)?,
                    Err(Errno::ENOENT) => self.make_parents(&member.name)?,
                    Err(errno) => return Err(errno),
                }
                mkdirat(AT_FDCWD, path, Mode::S_IRWXU)?;
            }
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = openat(AT_FDCWD, path, flags, Mode::empty())?;
        self.dress(&directory, member)?;
        self.directory_names_bytes += path.len();
        if self.directory_names_bytes > DIRECTORY_NAMES_BYTES_MAX {
            return Ok(Err(Fault::Limit {
                what: "bytes of directory names",
                max: u64::try_from(DIRECTORY_NAMES_BYTES_MAX).unwrap_or(u64::MAX),
            }));
        }
        self.directories.push((path.to_owned(), member.mtime));
        Ok(Ok(()))
    }

    fn file<R: Read>(
        &mut self,
        member: &Member,
        layout: &Layout,
        archive: &mut Archive<R>,
    ) -> Result<(), Fault> {
        let fault = |errno| Fault::Entry {
            name: member.name.bytes().to_vec(),
            errno,
        };
        // Holes cost no disk here, but whoever copies the file pays for them: they count.
        self.bytes_left = self.bytes_left.checked_sub(layout.size).ok_or(Fault::Limit {
            what: "bytes of all files",
            max: self.bytes_max,
        })?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let path = member.name.path();
        let file: File = openat(AT_FDCWD, path, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(fault)?
            .into();
        let mut buffer = [0; 64 * 1024];
        for segment in &layout.segments {
            let mut offset = segment.offset;
            let mut left = segment.length;
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                let read = archive.read_data(buffer.get_mut(..most).unwrap_or_default())?;
                let data = buffer
                    .get(..read)
                    .filter(|data| !data.is_empty())
                    .ok_or(Fault::Truncated)?;
                file.write_all_at(data, offset)
                    .map_err(|error| fault(errno_of(&error)))?;
                let read = u64::try_from(read).unwrap_or(left);
                offset += read;
                left = left.saturating_sub(read);
            }
        }
        file.set_len(layout.size)
            .map_err(|error| fault(errno_of(&error)))?;
        let file = OwnedFd::from(file);
        self.dress(&file, member).map_err(fault)?;
        let (atime, mtime) = (TimeSpec::UTIME_OMIT, time_spec(member.mtime));
        futimens(&file, &atime, &mtime).map_err(fault)
    }

    /// Gives an open file or directory its owner, mode and attributes. In this order: changing the
    /// owner takes setuid bits and file capabilities away.
    fn dress(&mut self, file: &OwnedFd, member: &Member) -> Result<(), Errno> {
        let (uid, gid) = (Uid::from_raw(member.uid), Gid::from_raw(member.gid));
        fchown(file, Some(uid), Some(gid))?;
        fchmod(file, mode_of(member))?;
        for (name, value) in &member.xattrs {
            if !is_kept(name) {
                self.xattrs_left_out += 1;
                continue;
            }
            match fsetxattr(file, name.as_slice(), value, XattrFlags::empty()) {
                Ok(()) => {}
                // The file system has none, or the kernel finds no sense in the value.
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INVAL | rustix::io::Errno::PERM) => {
                    self.xattrs_left_out += 1;
                }
                Err(error) => return Err(Errno::from_raw(error.raw_os_error())),
            }
        }
        Ok(())
    }
}

/// Refuses an entry that is a directory where something else is, or the other way round.
///
/// # Errors
/// [`Fault::Kinds`].
pub(super) fn check_kinds(member: &Member) -> Result<(), Fault> {
    let directory = member.kind == Kind::Directory;
    match stat(member.name.path()) {
        Ok(stat) if (kind_of(&stat) == SFlag::S_IFDIR) != directory => Err(Fault::Kinds {
            name: member.name.bytes().to_vec(),
            directory,
        }),
        // What cannot be looked at is met again by whoever makes the entry.
        _ => Ok(()),
    }
}

/// Which extended attributes an image keeps: file capabilities, and what users put on files.
/// Labels and access lists name things of the machine they come from; `trusted` and
/// `user.overlay` would be orders to the overlay file system that later lies above the image.
pub(crate) fn is_kept(name: &[u8]) -> bool {
    name == b"security.capability" || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

fn is_same_file(one: &Name, other: &Name) -> bool {
    match (stat(one.path()), stat(other.path())) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

fn stat(path: &OsStr) -> Result<FileStat, Errno> {
    fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn is_directory(path: &OsStr) -> bool {
    stat(path).is_ok_and(|stat| kind_of(&stat) == SFlag::S_IFDIR)
}

fn kind_of(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// With its mode from the beginning (nothing is masked here): to change it later means to follow
/// whatever has taken the name by then.
fn mknod(member: &Member, kind: SFlag, (major, minor): (u32, u32)) -> Result<(), Errno> {
    let device = makedev(major.into(), minor.into());
    mknodat(AT_FDCWD, member.name.path(), kind, mode_of(member), device)
}

/// Gives an entry that must not be opened its owner and time.
fn dress_path(member: &Member) -> Result<(), Errno> {
    let path = member.name.path();
    let (uid, gid) = (Uid::from_raw(member.uid), Gid::from_raw(member.gid));
    fchownat(AT_FDCWD, path, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    set_times(path, member.mtime)
}

fn set_times(path: &OsStr, mtime: (i64, u32)) -> Result<(), Errno> {
    let (atime, mtime) = (TimeSpec::UTIME_OMIT, time_spec(mtime));
    utimensat(AT_FDCWD, path, &atime, &mtime, UtimensatFlags::NoFollowSymlink)
}

fn mode_of(member: &Member) -> Mode {
    Mode::from_bits_truncate(member.mode)
}

#[allow(
    clippy::unnecessary_fallible_conversions,
    clippy::useless_conversion,
    reason = "seconds and nanoseconds are 32 bits wide on 32-bit machines"
)]
fn time_spec((seconds, nanoseconds): (i64, u32)) -> TimeSpec {
    match seconds.try_into() {
        Ok(seconds) => TimeSpec::new(seconds, nanoseconds.try_into().unwrap_or(0)),
        Err(_) => TimeSpec::new(0, 0),
    }
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
