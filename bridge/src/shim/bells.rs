//! Who wants to know that something was written to the log, or that the run has ended: writing ends of
//! pipes. A byte says that there is something, the end of the pipe that there will be no more.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::write;

use super::failure::{Failure, Stage, at};
use super::limits::BELLS_MAX;

/// The bells of one container.
#[derive(Debug, Default)]
pub(super) struct Bells {
    bells: Vec<OwnedFd>,
}

impl Bells {
    /// Keeps one more, and rings it: what was written until now may have been missed.
    ///
    /// # Errors
    /// `EMFILE` when there are too many.
    pub(super) fn add(&mut self, bell: OwnedFd) -> Result<(), Failure> {
        if self.bells.len() >= BELLS_MAX {
            return Err(Failure::system(Stage::Log, "bell", &Errno::EMFILE.into()));
        }
        fcntl(&bell, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(at(Stage::Log, "bell"))?;
        if is_heard(&bell) {
            self.bells.push(bell);
        }
        Ok(())
    }

    /// Rings all of them; those whose reader has gone are let go.
    pub(super) fn ring(&mut self) {
        self.bells.retain(is_heard);
    }

    /// For looking at: each reports an error once its reader has gone.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.bells.iter().map(AsFd::as_fd)
    }

    /// Ends all of them: nothing more will be written.
    pub(super) fn end(&mut self) {
        self.bells.clear();
    }
}

/// Rings it. A pipe that is full is as good as one rung: its reader has not looked yet.
fn is_heard(bell: &OwnedFd) -> bool {
    matches!(write(bell, b"\n"), Ok(_) | Err(Errno::EAGAIN | Errno::EINTR))
}
