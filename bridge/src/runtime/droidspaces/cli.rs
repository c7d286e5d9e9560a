//! The runtime's own command: what starts and stops containers, and keeps its books about it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::libc;

use super::limits::{OUTPUT_BYTES_MAX, WORDS_BYTES_MAX};
use crate::launcher;
use crate::sys::pidfd;

/// Where the command's own children find their programs, on Android and elsewhere.
pub(super) const PATH: &str = "/system/bin:/system/xbin:/product/bin:/system_ext/bin:/odm/bin:/vendor/bin:\
                    /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Has the command do what is asked itself, and not its daemon.
pub(super) const DIRECT: &str = "DS_NO_PROXY";

/// The command.
#[derive(Debug)]
pub(super) struct Cli {
    path: PathBuf,
    /// Where its output lies while it runs.
    folder: PathBuf,
    number: AtomicU64,
}

/// A command that runs.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    output: File,
    ticks: u64,
}

/// What became of a command.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It ended with this code, and said this.
    Ended(Option<i32>, String),
    /// It goes on.
    Late,
}

impl Cli {
    pub(super) fn new(path: PathBuf, folder: &Path) -> Self {
        Self {
            path,
            folder: folder.to_owned(),
            number: AtomicU64::new(0),
        }
    }

    /// Starts it: this very program, with a clean environment, in a group of its own so that no signal
    /// meant for us reaches it.
    pub(super) fn start(&self, arguments: &[&str]) -> io::Result<Running> {
        let program = open(&self.path)?;
        // Not a pipe: what it leaves running would hold its end open.
        let output = self.scratch()?;
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        command
            .arg0(&self.path)
            .args(arguments)
            .env_clear()
            .env(DIRECT, "1")
            .env("PATH", PATH)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        let child = launcher::spawn(command)?;
        let ticks = pidfd::start_ticks(child.id()).unwrap_or(0);
        Ok(Running { child, output, ticks })
    }

    fn scratch(&self) -> io::Result<File> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("output-{number}"));
        let mut options = OpenOptions::new();
        options
            .read(true)
            .append(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let file = options.open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }
}

/// Opens the program: a regular file that belongs to root and that nobody else may write.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let program = options.read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let about = program.metadata()?;
    if !about.is_file() || about.uid() != 0 || about.mode() & 0o022 != 0 {
        let sentence = format!(
            "{} must be a file of root's that nobody else may write",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, sentence));
    }
    Ok(program)
}

impl Running {
    /// Waits for it so long. One that takes longer goes on, and is waited for by a thread of its own.
    pub(super) fn wait(mut self, longest: Duration) -> Outcome {
        pidfd::await_end(self.child.id(), self.ticks, longest);
        match self.child.try_wait() {
            Ok(Some(status)) => Outcome::Ended(code(status), self.words()),
            Ok(None) | Err(_) => {
                let reap = thread::Builder::new().name("command".to_owned());
                let _ = reap.spawn(move || drop(self.child.wait()));
                Outcome::Late
            }
        }
    }

    /// What it said last, on one line, without colours.
    fn words(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = self.output.seek(SeekFrom::Start(0));
        let _ = read.and_then(|_| (&mut self.output).take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes));
        words(&String::from_utf8_lossy(&bytes))
    }
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

/// The end of a text, on one line, without what only a terminal understands.
fn words(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // ESC [ ... letter
            if letters.next() == Some('[') {
                letters.by_ref().find(|letter| ('@'..='~').contains(letter));
            }
        } else if letter.is_control() {
            plain.push(' ');
        } else {
            plain.push(letter);
        }
    }
    let joined = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let from = joined.len().saturating_sub(WORDS_BYTES_MAX);
    let from = (from..=joined.len())
        .find(|&at| joined.is_char_boundary(at))
        .unwrap_or(0);
    joined.get(from..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_for_people() {
        for (text, expected) in [
            ("", ""),
            (
                "\u{1b}[31merror\u{1b}[0m: no\n  rootfs\t here\n",
                "error: no rootfs here",
            ),
            ("\u{1b}x\u{1b}", ""),
            ("a\u{7}b", "a b"),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
        }
        let long = "ä".repeat(WORDS_BYTES_MAX);
        assert!(words(&long).len() <= WORDS_BYTES_MAX);
    }
}
