//! Whole directory trees: removing one and measuring one.
//!
//! The trees belong to containers and images, so their names, depth and links are somebody else's
//! choice. Both acts work relative to open directories, never follow a symbolic link, never enter
//! another file system, use a handful of descriptors and no recursion however deep the tree is.
//! Nothing here knows what the trees are for.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::libc::{dev_t, ino_t};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Beginning of the names that directories get while their parents are taken apart.
const LIFTED: &str = ".lifted-";

/// How often a new name may turn out to be taken before we give up. A tree holds such names only
/// when a removal of it was cut short, or when its author foresaw us; this stops the author.
const NAMES_TRIED_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests;

fn directory_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

/// Removes whatever `name` is in the directory `dir`, with everything below it. What is not there
/// counts as removed.
///
/// A directory that is full is taken apart by lifting the directories in it up to the top, one
/// level at a time, so that no depth needs a longer path or one more descriptor. A mount point is
/// never entered: the kernel answers EBUSY to removing or renaming one before anything else.
///
/// # Errors
/// The first thing that could not be removed; what is left stays removable by asking again.
/// EBUSY for a tree with something mounted in it.
pub fn remove(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    if remove_simple(dir, name)? {
        return Ok(());
    }
    let mut lifted = 0;
    loop {
        let mut top = Dir::openat(dir, name, directory_flags(), Mode::empty())?;
        let progress = take_apart(&mut top, &mut lifted)?;
        if remove_simple(dir, name)? {
            return Ok(());
        }
        // Only somebody who fills the tree while it is removed brings us here.
        if !progress {
            return Err(Errno::ENOTEMPTY.into());
        }
    }
}

/// One pass over the top directory. Tells whether it removed or lifted anything.
fn take_apart(top: &mut Dir, lifted: &mut u64) -> io::Result<bool> {
    let mut progress = false;
    let handle = top.as_fd().try_clone_to_owned()?;
    for entry in top.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if is_dot(name.to_bytes()) {
            continue;
        }
        progress = true;
        if remove_simple(&handle, name)? {
            continue;
        }
        let mut full = Dir::openat(&handle, name, directory_flags(), Mode::empty())?;
        lift_out(&mut full, handle.as_fd(), lifted)?;
        // Should it not be empty now, the next pass meets it again.
        remove_simple(&handle, name)?;
    }
    Ok(progress)
}

/// Empties a directory: what can be removed is removed, full directories are moved to `top`.
fn lift_out(full: &mut Dir, top: BorrowedFd<'_>, lifted: &mut u64) -> io::Result<()> {
    let handle = full.as_fd().try_clone_to_owned()?;
    for entry in full.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if is_dot(name.to_bytes()) || remove_simple(&handle, name)? {
            continue;
        }
        loop {
            *lifted += 1;
            let renamed = renameat(&handle, name, top, format!("{LIFTED}{lifted}").as_str());
            match renamed {
                Ok(()) => break,
                Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) if *lifted < NAMES_TRIED_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Removes one entry unless it is a directory with something in it. Tells whether it is gone.
fn remove_simple<F, N>(dir: F, name: &N) -> io::Result<bool>
where
    F: AsFd,
    N: nix::NixPath + ?Sized,
{
    // As a directory first: unlike unlink(2), this never touches a mount point.
    match unlinkat(dir.as_fd(), name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
        Err(Errno::ENOTDIR) => match unlinkat(dir.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(true),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn is_dot(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

/// A directory on the way down, with those of its directories that were not visited yet.
struct Level {
    identity: (dev_t, ino_t),
    pending: Vec<CString>,
}

/// The bytes of the regular files in a tree, as `st_size` gives them, hard links counted once.
///
/// What cannot be read counts as nothing: the tree may be in use and change meanwhile. Other file
/// systems mounted in it are left out.
#[must_use]
pub fn directory_bytes(path: &Path) -> u64 {
    let mut total = 0;
    let Ok(mut here) = Dir::open(path, directory_flags(), Mode::empty()) else {
        return total;
    };
    let Ok(top) = fstat(&here) else { return total };
    let mut linked = HashSet::new();
    let mut levels = vec![measure(&mut here, &top, &mut linked, &mut total)];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.pending.pop() {
            let Some((mut below, stat)) = enter(&here, &name) else {
                continue;
            };
            if stat.st_dev == top.st_dev {
                levels.push(measure(&mut below, &stat, &mut linked, &mut total));
                here = below;
            }
            continue;
        }
        levels.pop();
        let Some(above) = levels.last() else { break };
        // A directory moved elsewhere meanwhile would lead us out of the tree: end there instead.
        match enter(&here, c"..") {
            Some((parent, stat)) if (stat.st_dev, stat.st_ino) == above.identity => here = parent,
            _ => break,
        }
    }
    total
}

fn enter(dir: &Dir, name: &std::ffi::CStr) -> Option<(Dir, FileStat)> {
    let dir = Dir::openat(dir, name, directory_flags(), Mode::empty()).ok()?;
    let stat = fstat(&dir).ok()?;
    Some((dir, stat))
}

/// Adds up the files of one directory and notes the directories in it.
fn measure(dir: &mut Dir, stat: &FileStat, linked: &mut HashSet<ino_t>, total: &mut u64) -> Level {
    let mut pending = Vec::new();
    let handle = dir.as_fd().try_clone_to_owned();
    if let Ok(handle) = handle {
        for entry in dir.iter().flatten() {
            let name = entry.file_name();
            if is_dot(name.to_bytes()) {
                continue;
            }
            let Ok(entry) = fstatat(&handle, name, AtFlags::AT_SYMLINK_NOFOLLOW) else {
                continue;
            };
            let kind = SFlag::from_bits_truncate(entry.st_mode) & SFlag::S_IFMT;
            if kind == SFlag::S_IFDIR {
                pending.push(name.to_owned());
            } else if kind == SFlag::S_IFREG
                && entry.st_dev == stat.st_dev
                && (entry.st_nlink < 2 || linked.insert(entry.st_ino))
            {
                *total = total.saturating_add(u64::try_from(entry.st_size).unwrap_or(0));
            }
        }
    }
    Level {
        identity: (stat.st_dev, stat.st_ino),
        pending,
    }
}
