//! Descriptors that came with the process, or through a socket.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// Most descriptors looked at one by one where the kernel cannot close a range and `/proc` does not
/// say which are open. Stops a limit of a billion from becoming a minute of closing.
const FALLBACK_DESCRIPTORS_MAX: i32 = 65_536;

/// Closes every descriptor above standard error, irrevocably. For the first lines of `main` only,
/// while nothing in the process owns one: an owner would go on to use, and one day close, a number
/// that then belongs to something else. Does so once; a second call in the same process does nothing.
pub(crate) fn irrevocably_close_inherited() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    let first: libc::c_long = 3;
    let last = libc::c_long::from(libc::c_int::MAX);
    let no_flags: libc::c_long = 0;
    // SAFETY: takes three numbers and touches no memory. Nobody owns what it closes: this is private
    // to the crate and called once, as the first act of the shim's `main`, before which neither Rust's
    // runtime nor the C library keeps a descriptor above 2.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, no_flags) } == 0 {
        return;
    }
    let listed: Option<Vec<i32>> = fs::read_dir("/proc/self/fd").ok().map(|entries| {
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    });
    let all = listed.unwrap_or_else(|| (0..FALLBACK_DESCRIPTORS_MAX).collect());
    for fd in all.into_iter().filter(|&fd| fd > 2) {
        // SAFETY: as above. The directory's own descriptor, listed too, is closed already and its
        // number has not been used since, so closing it again only answers EBADF.
        unsafe { libc::close(fd) };
    }
}

/// Closes every descriptor of this process but these and the standard streams, irrevocably. For a copy
/// of the shim that is about to enter a container, and never runs the destructors of what it was
/// copied from.
///
/// # Errors
/// What reading `/proc/self/fd` said.
pub(crate) fn irrevocably_close_others(kept: &[RawFd]) -> io::Result<()> {
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2 && !kept.contains(fd)) {
        // SAFETY: takes a number and touches no memory. The owners of these are those of the process
        // that this one is a copy of; the copy ends by `_exit` or execution and drops none of them.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// Reads what is there on a socket into `buffer`, and adds the descriptors that came with it to
/// `descriptors`. Each closes on execution and belongs to the caller alone. There is room for four:
/// nobody here expects more than three, and one too many must be seen to be refused. The kernel closes
/// the rest.
///
/// # Errors
/// What the kernel said; the end of a read timeout is `WouldBlock`.
pub fn receive(socket: &impl AsFd, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let mut buffers = [io::IoSliceMut::new(buffer)];
    let socket = socket.as_fd().as_raw_fd();
    let message = loop {
        match recvmsg::<()>(socket, &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            received => break received?,
        }
    };
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            // SAFETY: the kernel has just put these descriptors into this process for this message,
            // which nobody else has seen; each becomes the property of exactly one OwnedFd.
            descriptors.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(message.bytes)
}
