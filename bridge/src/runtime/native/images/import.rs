//! One import: a directory of its own under `incoming`, and the unpacker at work in it.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use wire::reader::Unknown;
use wire::record::Value;

use super::ROOTFS;
use crate::launcher;
use crate::runtime::RuntimeError;
use crate::tree;
use crate::unpack::report::{REPORT_BYTES_MAX, Report, SENTENCE_CHARS_MAX, Verdict};

/// A half-made image. Dropped, it is gone, unless it was moved away before.
pub(super) struct Staging<'a> {
    incoming: BorrowedFd<'a>,
    name: OsString,
    /// The directory that holds `rootfs`, and will hold the record.
    pub(super) dir: OwnedFd,
}

impl<'a> Staging<'a> {
    /// Makes an empty one.
    ///
    /// # Errors
    /// What the system said; nothing is left behind.
    pub(super) fn make(incoming: BorrowedFd<'a>) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // `incoming` is emptied at every start, and nobody else writes there.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = OsString::from(format!("{}-{number}", std::process::id()));
        mkdirat(incoming, name.as_os_str(), Mode::S_IRWXU)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let dir = openat(incoming, name.as_os_str(), flags, Mode::empty());
        let made = dir.and_then(|dir| {
            mkdirat(&dir, ROOTFS, Mode::S_IRWXU)?;
            // What an image has whose archive says nothing about its root; umask must not matter.
            nix::sys::stat::fchmodat(
                &dir,
                ROOTFS,
                Mode::from_bits_truncate(0o755),
                nix::sys::stat::FchmodatFlags::FollowSymlink,
            )?;
            Ok(dir)
        });
        match made {
            Ok(dir) => Ok(Self { incoming, name, dir }),
            Err(errno) => {
                remove_or_log(incoming, &name);
                Err(errno.into())
            }
        }
    }

    /// Its name below `incoming`.
    pub(super) fn name(&self) -> &OsString {
        &self.name
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        remove_or_log(self.incoming, &self.name);
    }
}

/// Removes a tree that nobody refers to any more. What stays is tried again at the next start.
pub(super) fn remove_or_log(dir: BorrowedFd<'_>, name: &OsString) {
    if let Err(error) = tree::remove(dir, name) {
        tracing::warn!(name = %name.display(), %error, "cannot remove what is left of an image");
    }
}

/// The unpacker; dropped, it is dead.
struct Unpacker(Child);

impl Drop for Unpacker {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has `program` unpack `tar` into `rootfs`, and waits as long as the sender takes.
///
/// # Errors
/// [`RuntimeError::InvalidArchive`] with the unpacker's sentence, or what the system said.
pub(super) fn unpack(program: &Path, rootfs: &PathBuf, tar: OwnedFd) -> Result<Report, RuntimeError> {
    let mut command = Command::new(program);
    command
        .arg("unpack")
        .env_clear()
        .current_dir(rootfs)
        .stdin(Stdio::from(tar))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let child = launcher::spawn(command).map_err(RuntimeError::system("start the unpacker"))?;
    let mut unpacker = Unpacker(child);
    let mut bytes = Vec::new();
    if let Some(stdout) = unpacker.0.stdout.take() {
        stdout
            .take(REPORT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(RuntimeError::system("read the unpacker's report"))?;
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > REPORT_BYTES_MAX) {
        return Err(nonsense());
    }
    let status = unpacker
        .0
        .wait()
        .map_err(RuntimeError::system("wait for the unpacker"))?;
    judge(&bytes, status)
}

fn judge(bytes: &[u8], status: ExitStatus) -> Result<Report, RuntimeError> {
    if let Some(signal) = status.signal() {
        tracing::warn!(signal, "the unpacker was killed");
        return Err(RuntimeError::System {
            attempt: "unpack the archive",
            error: io::Error::other(format!("unpacker killed by signal {signal}")),
        });
    }
    let report = Report::decode(bytes, Unknown::Refuse).map_err(|invalid| {
        tracing::warn!(%invalid, %status, "the unpacker's report cannot be read");
        nonsense()
    })?;
    match report.verdict {
        Verdict::Done if status.success() => Ok(report),
        Verdict::InvalidArchive => Err(RuntimeError::InvalidArchive(printable(&report.sentence))),
        Verdict::System => {
            tracing::warn!(reason = printable(&report.sentence), "unpacking failed");
            Err(RuntimeError::System {
                attempt: "unpack the archive",
                error: Errno::from_raw(report.errno).into(),
            })
        }
        Verdict::Done | Verdict::Unknown(_) => Err(nonsense()),
    }
}

fn nonsense() -> RuntimeError {
    RuntimeError::System {
        attempt: "unpack the archive",
        error: io::Error::other("the unpacker's report makes no sense"),
    }
}

/// The sentence holds names out of the archive: no terminal of an administrator is to obey them.
fn printable(sentence: &str) -> String {
    sentence
        .chars()
        .take(SENTENCE_CHARS_MAX)
        .map(|char| if char.is_control() { '?' } else { char })
        .collect()
}

/// Empties a directory of the store.
pub(super) fn sweep(dir: &OwnedFd, path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        remove_or_log(dir.as_fd(), &entry?.file_name());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(report: &Report, status: i32, expected: &str) {
        let judged = judge(&report.encode(), ExitStatus::from_raw(status));
        let said = judged.map_or_else(|error| error.to_string(), |_| "done".to_owned());
        assert_eq!(said, expected);
    }

    #[test]
    fn reports_are_believed_only_whole() {
        let done = Report {
            verdict: Verdict::Done,
            ..Report::default()
        };
        check(&done, 0, "done");
        check(
            &done,
            1 << 8,
            "unpack the archive: the unpacker's report makes no sense",
        );
        check(&done, 9, "unpack the archive: unpacker killed by signal 9");
        let refused = Report {
            sentence: "a\x1b[2Jb".to_owned(),
            ..Report::default()
        };
        check(&refused, 1 << 8, "a?[2Jb");
        let full = Report {
            verdict: Verdict::System,
            errno: nix::libc::ENOSPC,
            ..Report::default()
        };
        check(
            &full,
            1 << 8,
            "unpack the archive: No space left on device (os error 28)",
        );
        assert!(judge(b"", ExitStatus::from_raw(0)).is_err());
        assert!(judge(b"\x01\x00garbage", ExitStatus::from_raw(0)).is_err());
    }
}
