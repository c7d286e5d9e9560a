//! Waiting for the journal to grow, without looking at it meanwhile.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A watch on the journal's directory.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: Inotify,
}

impl Watch {
    /// Begins to watch. What happens from here on is not missed.
    pub(super) fn begin(directory: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(directory, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO)?;
        Ok(Self { inotify })
    }

    /// Sleeps until something was written.
    pub(super) fn wait(&self) -> io::Result<()> {
        loop {
            match self.inotify.read_events() {
                Err(Errno::EINTR) => {}
                other => return Ok(other.map(drop)?),
            }
        }
    }
}
