//! The process itself: `socketd dial`.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recv, sendmsg, socket_with, sockopt,
};

use super::answer::{Answer, READY};
use super::confine::{ConfineError, irrevocably_confine};
use crate::link::StockAddress;

/// Why the dialer ends.
#[derive(Debug)]
pub enum DialError {
    /// Standard input is not the socket of a socketd.
    Alone,
    /// The address cannot be connected to.
    Address(Errno),
    /// Power could not be given up.
    Confine(ConfineError),
    /// socketd is gone in the midst of a message.
    Lost(Errno),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone => f.write_str("it is started by `socketd serve`, and has nothing to do by itself"),
            Self::Address(errno) => write!(f, "the address of the bridge: {errno}"),
            Self::Confine(error) => error.fmt(f),
            Self::Lost(errno) => write!(f, "socketd is gone: {errno}"),
        }
    }
}

impl std::error::Error for DialError {}

/// Gives up power, then connects to this address as often as standard input asks, until it closes.
///
/// # Errors
/// See [`DialError`].
pub fn dial(address: &StockAddress) -> Result<(), DialError> {
    let stdin = io::stdin();
    let front = stdin.as_fd();
    let asked = sockopt::socket_domain(front) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(front) == Ok(SocketType::SEQPACKET);
    if !asked {
        return Err(DialError::Alone);
    }
    let address = address.to_socket().map_err(DialError::Address)?;
    let filtered = irrevocably_confine().map_err(DialError::Confine)?;
    let [bare, ready] = &READY;
    tell(front, if filtered { ready } else { bare }, None).map_err(DialError::Lost)?;
    answer_all(front, &address).map_err(DialError::Lost)
}

/// One request after the other, and no memory taken for any: a flood of them costs nothing but its
/// answers, and who does not read these is waited for.
pub(super) fn answer_all(front: BorrowedFd<'_>, bridge: &SocketAddrUnix) -> Result<(), Errno> {
    let mut asked = [0];
    loop {
        match recv(front, &mut asked, RecvFlags::empty()) {
            Ok((_, 0)) => return Ok(()),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
        let [ticket] = asked;
        let told = match open(bridge) {
            Ok(connection) => tell(front, &answer(ticket, None), Some(connection.as_fd())),
            Err(errno) => tell(front, &answer(ticket, Some(errno)), None),
        };
        match told {
            Ok(()) => {}
            // Too many descriptors of root are on their way between processes.
            Err(Errno::TOOMANYREFS) => tell(front, &answer(ticket, Some(Errno::TOOMANYREFS)), None)?,
            Err(errno) => return Err(errno),
        }
    }
}

fn answer(ticket: u8, errno: Option<Errno>) -> [u8; super::answer::ANSWER_BYTES] {
    let errno = errno.map_or(0, Errno::raw_os_error);
    Answer { ticket, errno }.to_bytes()
}

/// A unix socket connects at once or not at all, so nothing is waited for here. Where the bridge's
/// queue is full, it is `EAGAIN`.
fn open(bridge: &SocketAddrUnix) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, bridge)?;
    Ok(socket)
}

fn tell(front: BorrowedFd<'_>, bytes: &[u8], passed: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if let Some(passed) = &passed {
        control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(passed)));
    }
    loop {
        match sendmsg(front, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
