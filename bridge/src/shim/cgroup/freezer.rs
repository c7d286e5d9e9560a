//! Freezing a group: nothing in it runs until it is thawed.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Group, Groups, Version};

/// Longest wait for the last process to stand still. Stops one that hangs in the kernel, which cannot
/// be frozen, from holding a session; everything is thawed again then.
const FREEZE_WAIT: Duration = Duration::from_secs(5);

/// How long each look at a freezer of version 1 lasts: it tells nobody when it is done.
const FREEZE_LOOK: Duration = Duration::from_millis(1);

/// The switch of version 1.
const STATE: &str = "freezer.state";

/// The switch of version 2.
const FREEZE: &str = "cgroup.freeze";

impl Groups {
    /// Whether everything in them is frozen; none where this kernel cannot freeze.
    #[must_use]
    pub fn frozen(&self) -> Option<bool> {
        self.freezer()?.is_frozen().ok()
    }

    /// Freezes everything in them, or thaws it, and returns once that is done.
    ///
    /// # Errors
    /// `Unsupported` where this kernel cannot; `TimedOut` for a process that does not stand still, and
    /// then everything runs as before; else what the kernel said.
    pub fn freeze(&self, frozen: bool) -> io::Result<()> {
        let Some(group) = self.freezer() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        group.switch(frozen)?;
        let done = group.await_switch(frozen);
        if done.is_err() && frozen {
            group.switch(false)?;
        }
        done
    }

    fn freezer(&self) -> Option<&Group> {
        self.groups.iter().find(|group| match group.version {
            Version::One => group.has("freezer") && group.path.exists(),
            Version::Two => group.path.join(FREEZE).exists(),
        })
    }
}

impl Group {
    fn switch(&self, frozen: bool) -> io::Result<()> {
        match self.version {
            Version::One => fs::write(self.path.join(STATE), if frozen { "FROZEN" } else { "THAWED" }),
            Version::Two => fs::write(self.path.join(FREEZE), if frozen { "1" } else { "0" }),
        }
    }

    fn is_frozen(&self) -> io::Result<bool> {
        match self.version {
            Version::One => Ok(fs::read_to_string(self.path.join(STATE))?.trim() == "FROZEN"),
            Version::Two => {
                let events = fs::read_to_string(self.path.join("cgroup.events"))?;
                Ok(events.lines().any(|line| line == "frozen 1"))
            }
        }
    }

    fn await_switch(&self, frozen: bool) -> io::Result<()> {
        let deadline = Instant::now() + FREEZE_WAIT;
        // Version 2 tells of a change by an exceptional condition; opened before the first look.
        let events = match self.version {
            Version::One => None,
            Version::Two => Some(File::open(self.path.join("cgroup.events"))?),
        };
        while self.is_frozen()? != frozen {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match &events {
                Some(events) => {
                    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                    match poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLPRI)], timeout) {
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                None => {
                    std::thread::sleep(FREEZE_LOOK);
                    // A process that was made meanwhile is met by asking again.
                    self.switch(frozen)?;
                }
            }
        }
        Ok(())
    }
}
