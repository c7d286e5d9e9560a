//! Descriptors that whoever started this program left open.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::unistd::close;

/// Closes every descriptor above standard error but these. Whoever started socketd may have left some open, and not
/// only for it. To be called before anything else is opened.
///
/// # Errors
/// They cannot be listed or closed.
pub fn close_inherited(kept: &[OwnedFd]) -> io::Result<()> {
    let mut inherited = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok());
        let is_kept = |number: &i32| kept.iter().any(|kept| kept.as_raw_fd() == *number);
        inherited.extend(number.filter(|number| *number > libc::STDERR_FILENO && !is_kept(number)));
    }
    for number in inherited {
        match close(number) {
            // The directory itself, closed by now.
            Ok(()) | Err(Errno::EBADF) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
