//! Packers: one child for each look at a container's files, and who is at work where.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use wire::ContainerId;

use super::super::RuntimeError;
use super::program::Program;
use crate::launcher;
use crate::lock::hold;
use crate::pack::task::{Task, Verdict, Word};
use crate::shim::record;
use crate::sys::pidfd;

/// Most packers at one time. Stops clients that do not read from collecting processes.
pub(super) const PACKERS_MAX: usize = 32;

/// Most of them on the files of one container, those included that were killed and hang in the kernel. Stops
/// one whose file system hangs from taking the places of all others, and from collecting processes.
const PACKERS_OF_ONE_MAX: usize = 8;

/// Longest wait for a packer's first word: it has only a path to look up. Stops a file system that hangs
/// from keeping who asks, and a thread with it.
const FIRST_WORD_WAIT: Duration = Duration::from_secs(30);

/// Longest wait for a packer whose tar has been sent to its end: what is left of it is in a pipe. As long as
/// the front waits.
const LAST_WORD_WAIT: Duration = Duration::from_secs(600);

/// Longest wait for a killed packer to be gone. Stops one that hangs in the kernel from keeping its
/// container from starting.
const KILLED_WAIT: Duration = Duration::from_secs(2);

/// Who is at work.
#[derive(Debug, Default, Clone)]
pub(super) struct Packers(Arc<Mutex<AtWork>>);

#[derive(Debug, Default)]
struct AtWork {
    /// By process id: on whose files, and when the process started.
    packers: HashMap<u32, (ContainerId, u64)>,
    /// Killed, and not gone: they hang in a file system, and go when that lets them.
    stuck: Vec<(ContainerId, Child)>,
    /// Containers that are being started, to whose files nobody goes meanwhile.
    starting: Vec<ContainerId>,
}

/// A container that is being started. Dropped, it is not any more.
#[derive(Debug)]
pub(super) struct Starting {
    packers: Packers,
    id: ContainerId,
}

impl Packers {
    /// Ends all work on a container's files and lets none begin: its layer is about to be mounted, and
    /// what an earlier run or a packer has mounted must be gone by then.
    pub(super) fn make_way(&self, id: &ContainerId) -> Starting {
        let theirs: Vec<(u32, u64)> = {
            let mut at_work = hold(&self.0);
            at_work.starting.push(*id);
            let of_container = at_work.packers.iter().filter(|(_, (whose, _))| whose == id);
            of_container.map(|(pid, (_, ticks))| (*pid, *ticks)).collect()
        };
        for (pid, ticks) in &theirs {
            // One that is gone already is no error.
            let _ = pidfd::signal(*pid, *ticks, libc::SIGKILL);
        }
        for (pid, ticks) in theirs {
            pidfd::await_end(pid, ticks, KILLED_WAIT);
        }
        Starting {
            packers: self.clone(),
            id: *id,
        }
    }

    /// Starts a packer on a container's files. `tar` is where the tar goes or comes from.
    ///
    /// # Errors
    /// `EBUSY` when there are too many, or when the container is being started.
    pub(super) fn start(
        &self,
        program: &Program,
        id: &ContainerId,
        task: &Task,
        tar: Stdio,
    ) -> Result<Packer, RuntimeError> {
        // One at a time, so that none begins unseen between the look and the entry in the list.
        let mut at_work = hold(&self.0);
        at_work
            .stuck
            .retain_mut(|(_, child)| matches!(child.try_wait(), Ok(None)));
        let busy = if at_work.starting.contains(id) {
            Some("look at the container's files: it is being started")
        } else if at_work.of(id) >= PACKERS_OF_ONE_MAX {
            Some("look at the container's files: too many do, or hang in them")
        } else if at_work.packers.len() >= PACKERS_MAX {
            Some("look at the container's files: too many do")
        } else {
            None
        };
        if let Some(attempt) = busy {
            return Err(RuntimeError::system(attempt)(Errno::EBUSY));
        }
        let (ours, child) = spawn(program, task, tar)?;
        // One that has ended already has said why, and needs no killing: no process began at zero.
        let ticks = pidfd::start_ticks(child.id()).unwrap_or_default();
        at_work.packers.insert(child.id(), (*id, ticks));
        Ok(Packer {
            packers: self.clone(),
            child: Some(child),
            id: *id,
            ticks,
            words: ours,
        })
    }
}

impl AtWork {
    fn of(&self, id: &ContainerId) -> usize {
        let working = self.packers.values().filter(|(of, _)| of == id).count();
        working + self.stuck.iter().filter(|(of, _)| of == id).count()
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let mut at_work = hold(&self.packers.0);
        if let Some(place) = at_work.starting.iter().position(|id| *id == self.id) {
            at_work.starting.swap_remove(place);
        }
    }
}

fn spawn(program: &Program, task: &Task, tar: Stdio) -> Result<(OwnedFd, Child), RuntimeError> {
    let (ours, theirs): (OwnedFd, OwnedFd) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(RuntimeError::system("talk to the packer"))?;
    record::send_message(&ours, task).map_err(RuntimeError::system("talk to the packer"))?;
    let mut command = Command::new(program.path());
    command
        .arg0("socketd-bridge")
        .arg("pack")
        .env_clear()
        .stdin(tar)
        .stdout(Stdio::from(theirs))
        .stderr(Stdio::null());
    let child = launcher::spawn(command).map_err(RuntimeError::system("start the packer"))?;
    Ok((ours, child))
}

/// A packer at work. Dropped, it is dead.
#[derive(Debug)]
pub(super) struct Packer {
    packers: Packers,
    /// None once it was let go of.
    child: Option<Child>,
    id: ContainerId,
    ticks: u64,
    words: OwnedFd,
}

impl Packer {
    /// Its first word that is no failure, which comes soon or not at all.
    ///
    /// # Errors
    /// As [`word`](Self::word); `ETIMEDOUT`.
    pub(super) fn first_word(&mut self, path: &str) -> Result<Word, RuntimeError> {
        self.await_word(FIRST_WORD_WAIT)?;
        self.word(path)
    }

    /// What becomes readable when it has something to say.
    ///
    /// # Errors
    /// What the operating system said.
    pub(super) fn ears(&self) -> Result<OwnedFd, RuntimeError> {
        self.words
            .try_clone()
            .map_err(RuntimeError::system("hear from the packer"))
    }

    fn await_word(&self, longest: Duration) -> Result<(), RuntimeError> {
        let mut fds = [PollFd::new(self.words.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) => Err(RuntimeError::system(
                "look at the container's files, which do not answer",
            )(Errno::ETIMEDOUT)),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(RuntimeError::system("hear from the packer")(error)),
        }
    }

    /// Its next word that is no failure.
    ///
    /// # Errors
    /// The failure it told, about `path`; or that it ended without a word.
    pub(super) fn word(&mut self, path: &str) -> Result<Word, RuntimeError> {
        let word = record::receive_message::<Word>(&self.words)
            .map_err(RuntimeError::system("hear from the packer"))?;
        let Some(word) = word else {
            return Err(RuntimeError::System {
                attempt: "look at the container's files",
                error: io::Error::new(io::ErrorKind::UnexpectedEof, "the packer ended without a word"),
            });
        };
        let sentence = printable(&word.sentence);
        Err(match word.verdict {
            Verdict::Found | Verdict::Differs | Verdict::Done => return Ok(word),
            Verdict::NoSuchPath => RuntimeError::NoSuchPath(path.to_owned()),
            Verdict::NotADirectory => RuntimeError::NotADirectory(path.to_owned()),
            Verdict::ReadOnly => RuntimeError::ReadOnly(path.to_owned()),
            Verdict::PathConflict => RuntimeError::PathConflict {
                path: printable(&word.path),
                reason: sentence,
            },
            Verdict::InvalidArchive => RuntimeError::InvalidArchive(sentence),
            Verdict::NotRunning => RuntimeError::NotRunning,
            Verdict::NotPermitted => RuntimeError::NotPermitted(sentence),
            Verdict::System | Verdict::Unknown(_) => RuntimeError::System {
                attempt: "look at the container's files",
                error: io::Error::new(io::Error::from_raw_os_error(word.errno).kind(), sentence),
            },
        })
    }

    /// Waits until it says that all is done.
    ///
    /// # Errors
    /// As [`word`](Self::word).
    pub(super) fn finish(mut self, path: &str) -> Result<(), RuntimeError> {
        while self.word(path)?.verdict != Verdict::Done {}
        Ok(())
    }

    /// The same, for one that reads a tar: so long after the sender of that has come to its end.
    ///
    /// # Errors
    /// As [`word`](Self::word); `ETIMEDOUT`.
    pub(super) fn finish_reading(self, sender: &OwnedFd, path: &str) -> Result<(), RuntimeError> {
        // A pipe has lost its writers, a socket's other side will say no more: nix does not name that.
        let over = PollFlags::POLLHUP | PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut fds = [
            PollFd::new(self.words.as_fd(), PollFlags::POLLIN),
            PollFd::new(sender.as_fd(), over),
        ];
        while matches!(poll(&mut fds, PollTimeout::NONE), Err(Errno::EINTR)) {}
        self.await_word(LAST_WORD_WAIT)?;
        self.finish(path)
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // Fails only for a process that is gone already.
        let _ = child.kill();
        // A file system can hold it up for as long as it likes, but not us.
        pidfd::await_end(child.id(), self.ticks, KILLED_WAIT);
        let mut at_work = hold(&self.packers.0);
        let hangs = matches!(child.try_wait(), Ok(None));
        // Not before it was reaped, or is kept elsewhere: until then nobody else has its id.
        at_work.packers.remove(&child.id());
        if hangs {
            at_work.stuck.push((self.id, child));
        }
    }
}

/// Words hold names that somebody else chose: no terminal of an administrator is to obey them.
fn printable(sentence: &str) -> String {
    let printed = sentence
        .chars()
        .map(|char| if char.is_control() { '?' } else { char });
    printed.collect()
}
