//! Asking the dialer, which is all that is left to do once power is gone.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as BlockingStream;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::answer::{ANSWER_BYTES, Answer};
use super::start::Started;

/// Why the dialer gave no connection.
#[derive(Debug)]
pub enum DialerError {
    /// It could not connect.
    Refused(io::Error),
    /// It has ended, or speaks nonsense, which is the same: there will be no other.
    Gone,
}

impl fmt::Display for DialerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Gone => f.write_str("the dialer has ended"),
        }
    }
}

impl std::error::Error for DialerError {}

/// The dialer, as it is asked. It ends when this is dropped.
#[derive(Debug)]
pub struct Dialer {
    /// A socket of messages. Its type is the runtime's only one for unix sockets that exist already, and
    /// is used for nothing but to wait.
    socket: UnixStream,
    child: Option<Mutex<Child>>,
    /// What the next request is told from earlier ones by.
    ticket: AtomicU8,
    /// Whether its end was noticed, so that the log tells of it once.
    gone: AtomicBool,
}

impl Dialer {
    /// To be called within a runtime.
    ///
    /// # Errors
    /// The runtime cannot wait for its socket.
    pub fn new(started: Started) -> io::Result<Self> {
        Ok(Self {
            child: Some(Mutex::new(started.child)),
            ..Self::on(started.socket)?
        })
    }

    /// A dialer at the other end of this socket.
    pub(super) fn on(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: stream(socket)?,
            child: None,
            ticket: AtomicU8::new(0),
            gone: AtomicBool::new(false),
        })
    }

    /// A new connection to the bridge. Waits for ever for a dialer that does not answer; may be dropped
    /// while it waits. One at a time: a second caller would take the answer of the first.
    ///
    /// # Errors
    /// See [`DialerError`].
    pub async fn connect(&self) -> Result<UnixStream, DialerError> {
        let ticket = self.ticket.fetch_add(1, Ordering::Relaxed);
        self.send(ticket).await.map_err(|error| self.gone(&error))?;
        loop {
            let (answer, passed) = self.receive().await.map_err(|error| self.gone(&error))?;
            // The answer to one who no longer waited; its connection closes.
            if answer.ticket != ticket {
                continue;
            }
            return match (answer.errno, passed) {
                (0, Some(passed)) => stream(passed).map_err(DialerError::Refused),
                (0, None) => Err(self.gone(&io::ErrorKind::InvalidData.into())),
                (errno, _) => Err(DialerError::Refused(io::Error::from_raw_os_error(errno))),
            };
        }
    }

    async fn send(&self, ticket: u8) -> io::Result<()> {
        let send = || Ok(send(&self.socket, &[ticket], SendFlags::NOSIGNAL)?);
        self.socket.async_io(Interest::WRITABLE, send).await.map(|_| ())
    }

    async fn receive(&self) -> io::Result<(Answer, Option<OwnedFd>)> {
        let receive = || receive(&self.socket);
        self.socket.async_io(Interest::READABLE, receive).await
    }

    fn gone(&self, error: &io::Error) -> DialerError {
        if !self.gone.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the dialer has ended: the bridge cannot be reached until socketd is restarted");
        }
        if let Some(child) = &self.child {
            // What the kernel keeps of it until its parent has looked.
            let _ = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
        }
        DialerError::Gone
    }
}

fn stream(passed: OwnedFd) -> io::Result<UnixStream> {
    let stream = BlockingStream::from(passed);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// One message. More than an answer holds is cut by the kernel, further descriptors are closed.
fn receive(socket: &UnixStream) -> io::Result<(Answer, Option<OwnedFd>)> {
    // Room for one byte more than there should be, to see it.
    let mut bytes = [0; ANSWER_BYTES + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let length = recvmsg(socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let mut passed = None;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = part {
            passed = descriptors.next();
        }
    }
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let answer = bytes.get(..length).and_then(Answer::parse);
    Ok((answer.ok_or(io::ErrorKind::InvalidData)?, passed))
}
