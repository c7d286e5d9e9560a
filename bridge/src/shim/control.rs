//! The shim's own socket, in its container's directory: one request a connection, from root alone.
//!
//! What a connection sends is an [`Ask`]; what comes back is an [`Answer`] and, for a further process
//! that ran, how it ended.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen, socket, sockopt,
};

use super::init::inside::descriptor_path;
use super::limits::{ASKING_MAX, BACKLOG};
use super::record::{self, Answer, Ask, file};

/// The socket, and who has connected but not asked yet.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    asking: Vec<Option<OwnedFd>>,
}

/// Makes a socket of the kind that both sides use.
fn unconnected() -> nix::Result<OwnedFd> {
    socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
}

/// The socket's address. Through a descriptor, for a directory's path can be longer than an address.
fn address(directory: &File) -> io::Result<UnixAddr> {
    Ok(UnixAddr::new(&descriptor_path(directory).join(file::CONTROL))?)
}

/// Connects to the shim of the container in `directory`.
///
/// # Errors
/// `ENOENT` and `ECONNREFUSED` when none lives there; else what the operating system said.
pub fn connect_to(directory: &Path) -> io::Result<OwnedFd> {
    let directory = File::open(directory)?;
    let socket = unconnected()?;
    connect(socket.as_raw_fd(), &address(&directory)?)?;
    Ok(socket)
}

impl Control {
    /// Makes the socket in `directory`, in place of one that an earlier shim left.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        match std::fs::remove_file(directory.join(file::CONTROL)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let directory = File::open(directory)?;
        let socket = unconnected()?;
        bind(socket.as_raw_fd(), &address(&directory)?)?;
        listen(&socket, Backlog::new(BACKLOG)?)?;
        let listener = UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            asking: Vec::new(),
        })
    }

    /// For looking at; none while enough are connected.
    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        (self.asking.len() < ASKING_MAX).then(|| self.listener.as_fd())
    }

    /// For looking at, with the number to [`take`](Self::take) each by.
    pub(super) fn asking(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        self.asking
            .iter()
            .enumerate()
            .filter_map(|(at, socket)| Some((at, socket.as_ref()?.as_fd())))
    }

    /// Takes one who waits to be let in; only root is.
    pub(super) fn accept(&mut self) {
        // One that has gone again is no error.
        let Ok((peer, _)) = self.listener.accept() else {
            return;
        };
        let peer = OwnedFd::from(peer);
        if getsockopt(&peer, sockopt::PeerCredentials).is_ok_and(|who| who.uid() == 0) {
            self.asking.push(Some(peer));
        }
    }

    /// Reads what a connection asks, with the descriptors that came along. None for one that has gone,
    /// or makes no sense: it is closed.
    pub(super) fn take(&mut self, at: usize) -> Option<(OwnedFd, Ask, Vec<OwnedFd>)> {
        let peer = self.asking.get_mut(at)?.take()?;
        let (ask, descriptors) = record::receive_with(&peer, record::ASK_BYTES_MAX).ok()??;
        Some((peer, ask, descriptors))
    }

    /// Forgets those that were taken. Numbers given before mean nothing after.
    pub(super) fn settle(&mut self) {
        self.asking.retain(Option::is_some);
    }
}

/// Answers. A peer that has gone is the same as one that was told.
pub(super) fn answer(peer: impl AsFd, answer: &Answer, descriptors: &[BorrowedFd<'_>]) -> bool {
    record::send_with(peer, answer, descriptors).is_ok()
}

/// Whether nobody lives at the other end.
#[must_use]
pub fn is_nobody(error: &io::Error) -> bool {
    matches!(
        Errno::from_raw(error.raw_os_error().unwrap_or_default()),
        Errno::ENOENT | Errno::ECONNREFUSED | Errno::EPIPE | Errno::ECONNRESET
    )
}
