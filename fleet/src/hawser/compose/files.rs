//! A stack's files, below its own directory and nowhere else, whatever links somebody has planted there.
//!
//! Every part of a path is opened by itself, below the one before, and no link is followed: so it holds on kernels
//! too that know no `openat2`, and no name can mean another file a moment later.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::order::{Deletion, Operation, Order};
use super::reply::Skipped;
use crate::limits::{STACK_DEPTH_MAX, STACK_FILE_BYTES_MAX, STACK_FILES_MAX, STACK_NAME_BYTES_MAX};

/// What a text begins with that stands for bytes.
const CODED: &str = "base64:";

/// Names that the command looks for by itself, first come first served.
const USUAL: &[&str] = &[
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// Files with variables, in the order in which they count.
const VARIABLES: &[&str] = &[".env", ".env.dockhand"];

/// Why files could not be put where they belong.
#[derive(Debug)]
pub(super) enum FilesError {
    /// This path is none below the stack's directory.
    Path(String),
    /// This one is not the base64 that it says it is.
    Coded(String),
    /// This one is too long.
    TooLong(String),
    /// The system refuses this one.
    System(PathBuf, io::Error),
    /// This file of the stack is not there.
    Missing(String),
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => {
                let short: String = path.chars().take(80).collect();
                write!(
                    f,
                    "`{}` is no path below a stack's directory",
                    short.escape_debug()
                )
            }
            Self::Coded(path) => write!(f, "{path}: what follows `{CODED}` is no base64"),
            Self::TooLong(path) => write!(f, "{path}: a file has at most {STACK_FILE_BYTES_MAX} bytes"),
            Self::System(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Missing(name) => write!(f, "{name} is not among the stack's files"),
        }
    }
}

/// Where a stack's files are, and which the command is to read.
#[derive(Debug)]
pub(super) struct Place {
    stacks_dir: PathBuf,
    project: String,
    /// Where the command runs.
    dir: PathBuf,
    /// The stack's own directory, where there is one.
    own: Option<OwnedFd>,
    names: Vec<String>,
    variables: Vec<&'static str>,
    /// The stack's file, where the command reads it from its standard input.
    input: String,
    /// What it runs in where a stack has no directory.
    _empty: Option<TempDir>,
}

impl Place {
    /// Writes a stack's files, and finds out which the command is to read.
    pub(super) fn prepare(stacks_dir: &Path, order: &Order) -> Result<Self, FilesError> {
        let system = |error: Errno| FilesError::System(stacks_dir.join(&order.project), error.into());
        let is_written = !order.files.is_empty();
        let is_made = is_written || order.operation == Operation::Up;
        let own = match open_project(stacks_dir, &order.project, is_made) {
            Ok(own) => Some(own),
            Err(error) if is_written => return Err(system(error)),
            // A stack that comes as one file needs no directory.
            Err(_) => None,
        };
        let mut place = Self {
            stacks_dir: stacks_dir.to_owned(),
            project: order.project.clone(),
            dir: stacks_dir.join(&order.project),
            own,
            names: Vec::new(),
            variables: Vec::new(),
            input: String::new(),
            _empty: None,
        };
        if place.own.is_none() {
            let empty =
                tempfile::tempdir().map_err(|error| FilesError::System(std::env::temp_dir(), error))?;
            place.dir = empty.path().to_owned();
            place._empty = Some(empty);
        }
        for (path, content) in &order.files {
            place.write(path, content)?;
        }
        place.choose(order)?;
        Ok(place)
    }

    /// Where the command runs.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it reads from its standard input.
    pub(super) fn input(&self) -> &str {
        &self.input
    }

    /// The arguments that name files. The older command refuses more than one file of variables: it gets the last.
    pub(super) fn arguments(&self, is_legacy: bool) -> Vec<String> {
        let files = self.names.iter().flat_map(|name| ["-f".to_owned(), name.clone()]);
        let passed = if is_legacy {
            self.variables.len().saturating_sub(1)
        } else {
            0
        };
        let variables = self.variables.iter().skip(passed);
        let variables = variables.flat_map(|name| ["--env-file".to_owned(), (*name).to_owned()]);
        files.chain(variables).collect()
    }

    /// Which files the command is to read: those that are named, else the usual ones, else what came as text.
    fn choose(&mut self, order: &Order) -> Result<(), FilesError> {
        self.variables = VARIABLES.iter().copied().filter(|name| self.has(name)).collect();
        let is_text = order.files.is_empty() && !order.compose_file.is_empty();
        if is_text {
            self.names = vec!["-".to_owned()];
            self.input.clone_from(&order.compose_file);
            return Ok(());
        }
        for name in &order.names {
            let parts = parts(name).ok_or_else(|| FilesError::Path(name.clone()))?;
            let name = parts.join("/");
            if !self.has(&name) {
                return Err(FilesError::Missing(name));
            }
            // A name cannot be taken for an option.
            self.names.push(format!("./{name}"));
        }
        if self.names.is_empty() {
            let usual = USUAL.iter().find(|name| self.has(name));
            match usual {
                Some(usual) => self.names.push((*usual).to_owned()),
                None if !order.compose_file.is_empty() => {
                    self.names.push("-".to_owned());
                    self.input.clone_from(&order.compose_file);
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether there is such a file, itself and no link.
    fn has(&self, path: &str) -> bool {
        let looked = || -> Result<bool, Errno> {
            let own = self.own.as_ref().ok_or(Errno::NOENT)?;
            let parts = parts(path).ok_or(Errno::INVAL)?;
            let (name, above) = parts.split_last().ok_or(Errno::INVAL)?;
            let above = descend(own, above, false)?;
            let found = rustix::fs::statat(&above, *name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(FileType::from_raw_mode(found.st_mode) == FileType::RegularFile)
        };
        looked().unwrap_or(false)
    }

    fn write(&self, path: &str, content: &str) -> Result<(), FilesError> {
        let parts = parts(path).ok_or_else(|| FilesError::Path(path.to_owned()))?;
        let decoded = match content.strip_prefix(CODED) {
            Some(coded) => STANDARD
                .decode(coded.trim_end())
                .map_err(|_| FilesError::Coded(parts.join("/")))?,
            None => content.as_bytes().to_vec(),
        };
        if decoded.len() > STACK_FILE_BYTES_MAX {
            return Err(FilesError::TooLong(parts.join("/")));
        }
        let system = |error: io::Error| FilesError::System(self.dir.join(parts.join("/")), error);
        let own = self.own.as_ref().ok_or_else(|| system(Errno::NOENT.into()))?;
        put(own, &parts, &decoded).map_err(system)
    }

    /// Takes away files that are still as the server left them. Those that went, and those that did not.
    pub(super) fn delete(&self, files: &[Deletion]) -> (Vec<String>, Vec<Skipped>) {
        let (mut deleted, mut skipped) = (Vec::new(), Vec::new());
        for file in files.iter().take(STACK_FILES_MAX) {
            match self.delete_one(file) {
                Ok(()) => deleted.push(file.path.clone()),
                Err(reason) => skipped.push(Skipped {
                    path: file.path.clone(),
                    reason,
                }),
            }
        }
        (deleted, skipped)
    }

    fn delete_one(&self, file: &Deletion) -> Result<(), &'static str> {
        let parts = parts(&file.path).ok_or("invalid-path")?;
        let path = parts.join("/");
        let is_read = |name: &String| name.trim_start_matches("./") == path;
        if self.names.iter().any(is_read) || self.variables.contains(&path.as_str()) {
            return Err("load-bearing");
        }
        let (name, above) = parts.split_last().ok_or("invalid-path")?;
        let own = self.own.as_ref().ok_or("already-absent")?;
        let reason = |error: Errno| match error {
            Errno::NOENT => "already-absent",
            Errno::LOOP | Errno::NOTDIR | Errno::ISDIR => "invalid-path",
            _ => "apply-failed",
        };
        let above = descend(own, above, false).map_err(reason)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&above, *name, flags, Mode::empty()).map_err(reason)?;
        let found = rustix::fs::fstat(&opened).map_err(reason)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err("invalid-path");
        }
        let hash = hash(File::from(opened)).map_err(|_| "apply-failed")?;
        if hash.is_none_or(|hash| !hash.eq_ignore_ascii_case(&file.sha256)) {
            return Err("locally-modified");
        }
        rustix::fs::unlinkat(&above, *name, AtFlags::empty()).map_err(reason)
    }

    /// Takes the stack's directory away with whatever is in it. Links in it go; what they name stays.
    pub(super) fn remove(&self) -> io::Result<()> {
        if self.own.is_none() {
            return Ok(());
        }
        std::fs::remove_dir_all(self.stacks_dir.join(&self.project))
    }
}

/// SHA-256 of a file, in hexadecimal digits; none of one that is larger than any of ours.
fn hash(file: File) -> io::Result<Option<String>> {
    let bound = u64::try_from(STACK_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(bound.saturating_add(1)).read_to_end(&mut bytes)?;
    let digits = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((bytes.len() <= STACK_FILE_BYTES_MAX).then_some(digits))
}

/// The parts of a path below a stack's directory. None where it leads elsewhere, or could be taken for something else.
fn parts(path: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = path.strip_prefix("./").unwrap_or(path).split('/').collect();
    let is_plain = |part: &&str| {
        (1..=STACK_NAME_BYTES_MAX).contains(&part.len())
            && *part != "."
            && *part != ".."
            && !part.contains(char::is_control)
    };
    (parts.len() <= STACK_DEPTH_MAX && parts.iter().all(is_plain)).then_some(parts)
}

/// The directory of all stacks is whatever the settings say; that of one is in it, and no link.
fn open_project(stacks_dir: &Path, project: &str, is_made: bool) -> Result<OwnedFd, Errno> {
    if is_made {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(stacks_dir)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let all = rustix::fs::open(stacks_dir, flags, Mode::empty())?;
    descend(&all, &[project], is_made)
}

/// The directory at these parts below `from`; made where there is none and it `is_made`.
fn descend(from: &OwnedFd, parts: &[&str], is_made: bool) -> Result<OwnedFd, Errno> {
    let mut dir = from.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for part in parts {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |dir: &OwnedFd| rustix::fs::openat(dir, *part, flags, Mode::empty());
        dir = match open(&dir) {
            Err(Errno::NOENT) if is_made => {
                match rustix::fs::mkdirat(&dir, *part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                open(&dir)?
            }
            opened => opened?,
        };
    }
    Ok(dir)
}

/// Puts a file where its parts say, as a whole: whoever reads meanwhile has the former one. A link in its place is
/// replaced, not followed.
fn put(own: &OwnedFd, parts: &[&str], content: &[u8]) -> io::Result<()> {
    let (name, above) = parts.split_last().ok_or(io::ErrorKind::InvalidInput)?;
    let above = descend(own, above, true)?;
    let former = rustix::fs::statat(&above, *name, AtFlags::SYMLINK_NOFOLLOW).ok();
    let former = former.filter(|former| FileType::from_raw_mode(former.st_mode) == FileType::RegularFile);
    // Containers read most of them as another user; variables are where passwords are.
    let usual = if name.starts_with(".env") { 0o600 } else { 0o644 };
    let mode = former.map_or(usual, |former| former.st_mode & 0o777);
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let fresh = format!(".fresh-{:016x}", u64::from_be_bytes(random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&above, &fresh, flags, Mode::from_raw_mode(0o600))?;
    let written = || -> io::Result<()> {
        let mut file = File::from(opened);
        file.write_all(content)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        rustix::fs::renameat(&above, &fresh, &above, *name)?;
        Ok(())
    };
    written().inspect_err(|_| {
        let _ = rustix::fs::unlinkat(&above, &fresh, AtFlags::empty());
    })
}

#[cfg(test)]
mod tests;
