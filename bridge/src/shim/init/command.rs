//! Finding the command, as a shell would, and the words for not finding it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{SFlag, stat};
use nix::unistd::{AccessFlags, execve, faccessat};

use crate::shim::failure::{Failure, Stage, Trouble};

/// The file that `command` names: itself where it holds a slash, else the first of that name in the
/// directories of `PATH` that can be executed. Asked as the user that will execute it.
///
/// # Errors
/// [`Trouble::CommandNotFound`], [`Trouble::CommandNotExecutable`].
pub(super) fn find(command: &str, env: &[String]) -> Result<PathBuf, Failure> {
    let not_found = |reason: &str| Failure::command(Trouble::CommandNotFound, command, reason);
    if command.contains('/') {
        return match executable(Path::new(command)) {
            Ok(()) => Ok(PathBuf::from(command)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {
                Err(not_found(&format!("stat {command}: no such file or directory")))
            }
            Err(_) => Err(Failure::command(
                Trouble::CommandNotExecutable,
                command,
                "permission denied",
            )),
        };
    }
    let path = env
        .iter()
        .find_map(|variable| variable.strip_prefix("PATH="))
        .unwrap_or_default();
    path.split(':')
        .map(|directory| Path::new(if directory.is_empty() { "." } else { directory }).join(command))
        .find(|candidate| !command.is_empty() && executable(candidate).is_ok())
        .ok_or_else(|| not_found("executable file not found in $PATH"))
}

fn executable(path: &Path) -> nix::Result<()> {
    let stat = stat(path)?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
        return Err(Errno::EISDIR);
    }
    faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS)
}

/// Becomes the command. Returns only the reason it could not.
#[must_use]
pub(super) fn execute(file: &Path, arguments: &[CString], env: &[CString]) -> Failure {
    let shown = file.to_string_lossy();
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else {
        return Failure::invalid("a path holds a NUL");
    };
    match execve(&path, arguments, env) {
        Ok(never) => match never {},
        // The file is there, so what is missing is its interpreter.
        Err(error @ (Errno::ENOENT | Errno::ENOTDIR)) => {
            Failure::command(Trouble::CommandNotFound, &shown, words(error))
        }
        Err(
            error @ (Errno::EACCES
            | Errno::EPERM
            | Errno::ENOEXEC
            | Errno::ETXTBSY
            | Errno::ELIBBAD
            | Errno::EISDIR),
        ) => Failure::command(Trouble::CommandNotExecutable, &shown, words(error)),
        Err(error) => Failure::system(Stage::Execute, &shown, &error.into()),
    }
}

fn words(error: Errno) -> &'static str {
    match error {
        Errno::ENOENT | Errno::ENOTDIR => "no such file or directory",
        Errno::EACCES | Errno::EISDIR => "permission denied",
        Errno::ENOEXEC | Errno::ELIBBAD => "exec format error",
        Errno::ETXTBSY => "text file busy",
        _ => "operation not permitted",
    }
}
