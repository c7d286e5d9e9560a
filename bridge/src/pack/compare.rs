//! What a container has made of its image.
//!
//! The container's own layer says where to look: what is not in it is as it was. What is found there is
//! compared as the kernel shows it, with the layers below and without, so that no mark of overlayfs is
//! read here and none of its older or newer ways to say "gone" is missed.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use rustix::fs::fgetxattr;
use wire::files::{ChangeKind, PathChange};
use wire::record::Value;

use super::enter::Views;
use super::fault::Fault;
use super::limits::{CHANGES_BYTES, DEPTH_MAX, PATH_BYTES_MAX, PENDING_BYTES_MAX};
use super::place::kind_of;
use super::walk::{directory_flags, names};

/// One directory as the three views have it; what does not have it is none.
struct Level {
    upper: Option<OwnedFd>,
    lower: Option<OwnedFd>,
    merged: OwnedFd,
    names: Vec<CString>,
    path: Vec<u8>,
    /// Whether it was told itself.
    told: bool,
}

/// Tells all differences, sorted by path: a directory before what is in it.
///
/// # Errors
/// What the system said, what `tell` said, [`Fault::Limit`].
pub(super) fn compare(
    views: &Views,
    tell: impl FnMut(Vec<PathChange>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let top = |fd: std::os::fd::BorrowedFd<'_>| {
        openat(fd, ".", directory_flags(), Mode::empty()).map_err(Fault::system("open a root"))
    };
    let mut comparison = Comparison {
        levels: Vec::new(),
        pending_bytes: 0,
        chunk: Vec::new(),
        chunk_bytes: 0,
        tell,
    };
    comparison.descend(Level {
        upper: Some(top(views.upper.root())?),
        lower: Some(top(views.lower.root())?),
        merged: top(views.merged.root())?,
        names: Vec::new(),
        path: b"/".to_vec(),
        // The root is never listed.
        told: true,
    })?;
    while let Some(level) = comparison.levels.last_mut() {
        let Some(name) = level.names.pop() else {
            comparison.levels.pop();
            continue;
        };
        comparison.pending_bytes = comparison.pending_bytes.saturating_sub(name.to_bytes().len());
        comparison.visit(&name)?;
    }
    let Comparison { chunk, mut tell, .. } = comparison;
    tell(chunk)
}

struct Comparison<T> {
    levels: Vec<Level>,
    pending_bytes: usize,
    chunk: Vec<PathChange>,
    chunk_bytes: usize,
    tell: T,
}

impl<T: FnMut(Vec<PathChange>) -> Result<(), Fault>> Comparison<T> {
    fn visit(&mut self, name: &CStr) -> Result<(), Fault> {
        let Some(here) = self.levels.last() else {
            return Ok(());
        };
        let merged = stat(Some(&here.merged), name)?;
        let lower = stat(here.lower.as_ref(), name)?;
        let Some(now) = merged else {
            if lower.is_some() {
                self.report(name, ChangeKind::Deleted)?;
            }
            return Ok(());
        };
        let upper = stat(here.upper.as_ref(), name)?;
        if upper.is_none() && lower.is_some() {
            return Ok(());
        }
        let directory = |stat: &FileStat| kind_of(stat) == SFlag::S_IFDIR;
        let below = |fd: &Option<OwnedFd>, is: bool| {
            let fd = fd.as_ref().filter(|_| is)?;
            openat(fd, name, directory_flags(), Mode::empty()).ok()
        };
        let next = if directory(&now) {
            openat(&here.merged, name, directory_flags(), Mode::empty()).ok()
        } else {
            None
        };
        let path = [here.path.as_slice(), name.to_bytes(), b"/"].concat();
        let next = next.map(|merged| Level {
            upper: below(&here.upper, upper.as_ref().is_some_and(directory)),
            lower: below(&here.lower, lower.as_ref().is_some_and(directory)),
            merged,
            names: Vec::new(),
            path,
            told: false,
        });
        let kind = match &lower {
            None => Some(ChangeKind::Added),
            Some(before) if self.differs(name, before, &now) => Some(ChangeKind::Modified),
            Some(_) => None,
        };
        if let Some(kind) = kind {
            self.report(name, kind)?;
        }
        match next {
            Some(next) => self.descend(Level {
                told: kind.is_some(),
                ..next
            }),
            None => Ok(()),
        }
    }

    /// Whether two entries with one name differ in anything but a directory's contents.
    fn differs(&self, name: &CStr, before: &FileStat, now: &FileStat) -> bool {
        let (one, other) = (before, now);
        if (one.st_mode, one.st_uid, one.st_gid, one.st_rdev)
            != (other.st_mode, other.st_uid, other.st_gid, other.st_rdev)
        {
            return true;
        }
        let capability = |fd: Option<&OwnedFd>| {
            let flags = nix::fcntl::OFlag::O_RDONLY
                | nix::fcntl::OFlag::O_NOFOLLOW
                | nix::fcntl::OFlag::O_NONBLOCK
                | nix::fcntl::OFlag::O_CLOEXEC;
            let file = openat(fd?, name, flags, Mode::empty()).ok()?;
            let mut value = vec![0; 64];
            let length = fgetxattr(&file, c"security.capability", &mut value).ok()?;
            value.truncate(length);
            Some(value)
        };
        match kind_of(now) {
            SFlag::S_IFDIR => false,
            SFlag::S_IFREG => {
                let here = self.levels.last();
                one.st_size != other.st_size
                    || (one.st_mtime, one.st_mtime_nsec) != (other.st_mtime, other.st_mtime_nsec)
                    || capability(here.and_then(|here| here.lower.as_ref()))
                        != capability(here.map(|here| &here.merged))
            }
            _ => {
                one.st_size != other.st_size
                    || (one.st_mtime, one.st_mtime_nsec) != (other.st_mtime, other.st_mtime_nsec)
            }
        }
    }

    /// Tells of a name in the directory at hand, and before it of the directories it is in: they are
    /// other ones too.
    fn report(&mut self, name: &CStr, kind: ChangeKind) -> Result<(), Fault> {
        let mut told = Vec::new();
        for level in &mut self.levels {
            if !level.told {
                level.told = true;
                told.push((level.path.clone(), ChangeKind::Modified));
            }
        }
        let here = self.levels.last().map(|level| level.path.as_slice());
        told.push(([here.unwrap_or_default(), name.to_bytes()].concat(), kind));
        for (path, kind) in told {
            let path = path.strip_suffix(b"/").unwrap_or(&path);
            // Nobody can name what the kernel takes no path of.
            if path.len() > PATH_BYTES_MAX {
                continue;
            }
            let change = PathChange {
                path: String::from_utf8_lossy(path).into_owned(),
                kind,
            };
            self.chunk_bytes += change.encode().len();
            self.chunk.push(change);
            if self.chunk_bytes > CHANGES_BYTES {
                self.chunk_bytes = 0;
                (self.tell)(std::mem::take(&mut self.chunk))?;
            }
        }
        Ok(())
    }

    /// Goes into a directory; notes the names that may have changed.
    fn descend(&mut self, mut level: Level) -> Result<(), Fault> {
        if self.levels.len() >= DEPTH_MAX {
            return Err(Fault::Limit {
                what: "directories within each other",
                max: DEPTH_MAX,
            });
        }
        // In the lower layers too: what is missing from the whole is in no other list. A directory that
        // is in them alone has not changed, and nobody comes here with one.
        for view in [Some(&level.merged), level.lower.as_ref()].into_iter().flatten() {
            level.names.extend(names(view)?);
        }
        level.names.sort_unstable_by(|one, other| other.cmp(one));
        level.names.dedup();
        self.pending_bytes += level
            .names
            .iter()
            .map(|name| name.to_bytes().len())
            .sum::<usize>();
        if self.pending_bytes > PENDING_BYTES_MAX {
            return Err(Fault::Limit {
                what: "bytes of names",
                max: PENDING_BYTES_MAX,
            });
        }
        self.levels.push(level);
        Ok(())
    }
}

fn stat(directory: Option<&OwnedFd>, name: &CStr) -> Result<Option<FileStat>, Fault> {
    let Some(directory) = directory else {
        return Ok(None);
    };
    match fstatat(directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(Fault::system("look at a file")(errno)),
    }
}
