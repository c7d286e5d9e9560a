//! The file, and whether its word counts as root's.
//!
//! It is found one name after the other, as the kernel would, but every directory on the way must be one
//! that root alone can change, and so must every link: then nobody else can have put any of it there. What
//! is judged, and then read, is one open descriptor.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::stat::{FileStat, SFlag, fstat};

use super::Ceiling;
use super::limits::FILE_BYTES_MAX;
use super::sources::canonical;
use super::text::{self, TextError};
use crate::shim::init::inside::{Guard, Inside, Missing, descriptor_path};

/// Where it is unless the command line says otherwise.
const USUAL: &str = "/etc/socketd/bridge.toml";

/// Who may write what is not root's alone: the group and everybody.
const OTHERS_WRITE: libc::mode_t = 0o022;

/// What is wrong with the file.
#[derive(Debug)]
pub enum CeilingError {
    /// It cannot be read.
    Io(PathBuf, io::Error),
    /// It, or a directory or link on the way to it, can be changed by others than root.
    NotRootsAlone {
        /// The file that was asked for.
        file: PathBuf,
        /// What others can change.
        place: PathBuf,
        /// Who owns that.
        uid: u32,
        /// Its mode.
        mode: u32,
    },
    /// It is a directory, pipe, device or socket.
    NotRegular(PathBuf),
    /// It is longer than is read, in bytes.
    TooLong(PathBuf, u64),
    /// It is no text in UTF-8.
    NotText(PathBuf),
    /// What it says.
    Text(PathBuf, TextError),
}

impl fmt::Display for CeilingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(file, error) => write!(f, "the ceiling {}: {error}", file.display()),
            Self::NotRootsAlone {
                file,
                place,
                uid,
                mode,
            } => write!(
                f,
                "the ceiling {}: {} must be root's and writable by nobody else, and is user {uid}'s with mode {mode:04o}",
                file.display(),
                place.display(),
            ),
            Self::NotRegular(file) => write!(f, "the ceiling {} is not a regular file", file.display()),
            Self::TooLong(file, max) => {
                write!(f, "the ceiling {} is longer than {max} bytes", file.display())
            }
            Self::NotText(file) => write!(f, "the ceiling {} is not UTF-8", file.display()),
            Self::Text(file, error) => write!(f, "the ceiling {}: {error}", file.display()),
        }
    }
}

impl std::error::Error for CeilingError {}

/// Reads the file that is asked for, or the usual one; none where that is not there.
pub(super) fn load(asked: Option<&Path>) -> Result<Option<Ceiling>, CeilingError> {
    let path = asked.unwrap_or(Path::new(USUAL));
    let ceiling = match read(path) {
        Err(CeilingError::Io(_, error)) if asked.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        read => read?,
    };
    tracing::info!(file = %path.display(), "a ceiling is in force");
    Ok(Some(ceiling))
}

fn read(path: &Path) -> Result<Ceiling, CeilingError> {
    let text = contents(path)?;
    text::parse(&text).map_err(|error| CeilingError::Text(path.to_owned(), error))
}

fn contents(path: &Path) -> Result<String, CeilingError> {
    let failed = |error| CeilingError::Io(path.to_owned(), error);
    let file = open(path)?;
    // One byte more than is allowed tells that there is more.
    let mut bytes = Vec::new();
    let length = file
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(length).map_or(true, |length| length > FILE_BYTES_MAX) {
        return Err(CeilingError::TooLong(path.to_owned(), FILE_BYTES_MAX));
    }
    String::from_utf8(bytes).map_err(|_| CeilingError::NotText(path.to_owned()))
}

fn open(path: &Path) -> Result<File, CeilingError> {
    let failed = |error| CeilingError::Io(path.to_owned(), error);
    let absolute = std::path::absolute(path).map_err(failed)?;
    let text = absolute
        .to_str()
        .ok_or_else(|| CeilingError::NotText(path.to_owned()))?;
    let mut guard = RootsAlone {
        asked: path,
        broken: None,
    };
    let found =
        Inside::open(Path::new("/")).and_then(|root| root.resolve_under(text, Missing::Fail, &mut guard));
    if let Some(broken) = guard.broken {
        return Err(broken);
    }
    let found = found.map_err(failed)?;
    require_regular(path, found.as_fd())?;
    // The very file that was found, now to be read; opening a pipe would wait for its writer.
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(descriptor_path(&found))
        .map_err(failed)?;
    judge(
        path,
        file.as_fd(),
        &fstat(&file).map_err(|errno| failed(errno.into()))?,
    )?;
    require_regular(path, file.as_fd())?;
    Ok(file)
}

fn require_regular(path: &Path, file: BorrowedFd<'_>) -> Result<(), CeilingError> {
    let stat = fstat(file).map_err(|errno| CeilingError::Io(path.to_owned(), errno.into()))?;
    if kind(&stat) == SFlag::S_IFREG {
        Ok(())
    } else {
        Err(CeilingError::NotRegular(path.to_owned()))
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Whether root alone can change it. Every link has every right; what counts is who could replace it, which
/// is judged of its directory.
fn is_roots_alone(stat: &FileStat) -> bool {
    stat.st_uid == 0 && (kind(stat) == SFlag::S_IFLNK || stat.st_mode & OTHERS_WRITE == 0)
}

fn judge(asked: &Path, met: BorrowedFd<'_>, stat: &FileStat) -> Result<(), CeilingError> {
    if is_roots_alone(stat) {
        return Ok(());
    }
    Err(CeilingError::NotRootsAlone {
        file: asked.to_owned(),
        place: canonical(met).unwrap_or_else(|_| asked.to_owned()),
        uid: stat.st_uid,
        mode: stat.st_mode & 0o7777,
    })
}

/// Ends a walk at the first thing that others than root can change.
struct RootsAlone<'a> {
    asked: &'a Path,
    broken: Option<CeilingError>,
}

impl Guard for RootsAlone<'_> {
    fn meets(&mut self, met: BorrowedFd<'_>, stat: &FileStat) -> io::Result<()> {
        judge(self.asked, met, stat).map_err(|broken| {
            self.broken = Some(broken);
            io::ErrorKind::PermissionDenied.into()
        })
    }
}
