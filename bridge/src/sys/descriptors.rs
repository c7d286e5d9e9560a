//! Descriptors that came with the process, or through a socket.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

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
    // to the crate and called once, as the first act of a `main`, before which neither Rust's
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
/// the rest; what it did pass on is owned from the first moment, so a peer that sends hundreds, or sends
/// them while no number is free, leaves none behind.
///
/// # Errors
/// What the kernel said; the end of a read timeout is `WouldBlock`.
pub fn receive(socket: &impl AsFd, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        let mut buffers = [io::IoSliceMut::new(buffer)];
        match recvmsg(socket, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            received => break received?,
        }
    };
    for received in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = received {
            descriptors.extend(received);
        }
    }
    Ok(message.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

    use super::*;

    fn open_descriptors() -> usize {
        fs::read_dir("/proc/self/fd").expect("a list").count()
    }

    /// Sends one byte with so many descriptors.
    fn send(stream: &UnixStream, count: usize) {
        let passed = vec![0; count];
        let control = [ControlMessage::ScmRights(&passed)];
        let sent = sendmsg::<()>(
            stream.as_raw_fd(),
            &[IoSlice::new(b"x")],
            &control,
            MsgFlags::empty(),
            None,
        );
        assert_eq!(sent, Ok(1), "{count} descriptors");
    }

    #[test]
    fn descriptors_beyond_the_room_are_left_to_nobody() {
        let (peer, stream) = UnixStream::pair().expect("a pair");
        // What aligns the room may hold two more.
        for (count, expected) in [(1, 1..=1), (4, 4..=4), (5, 4..=5), (253, 4..=6)] {
            // Other tests open and close files meanwhile: a leak is one for every try.
            let before = open_descriptors();
            for _ in 0..100 {
                send(&peer, count);
                let mut received = Vec::new();
                let length = receive(&stream, &mut [0; 8], &mut received).expect("a byte");
                assert_eq!(length, 1, "{count} descriptors");
                assert!(expected.contains(&received.len()), "{count}: {}", received.len());
            }
            let after = open_descriptors();
            assert!(
                after < before + 100,
                "{count} descriptors: {before}, then {after}"
            );
        }
    }
}
