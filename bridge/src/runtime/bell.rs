//! The writing end of a pipe by which somebody is told that there is more of a log.

use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Whether nobody reads from it any more.
pub(super) fn is_deserted(bell: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(bell.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
