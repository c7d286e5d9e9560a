//! The WebSocket: messages of any size, cut in any way, in a bounded room.
//!
//! A message that is too large for memory is in a file without a name, both ways: an archive is one single message of
//! this protocol.

#[cfg(fuzzing)]
pub mod fuzzing;
mod outbox;
mod reader;
mod scanner;
mod spool;
mod writer;

use std::fmt;
use std::io;

pub(super) use outbox::{Coding, Gone, Large, Outbox};
pub(super) use reader::{LargeMessage, Reader, Received, Unkept};
pub(super) use scanner::BodyKind;
pub(super) use spool::{Room, Spool};
pub(super) use writer::write;

/// Why nothing more comes, or goes.
#[derive(Debug)]
pub(crate) enum SocketError {
    /// The line broke.
    Broken(io::Error),
    /// The server closed: its code (1005 where it gave none) and its reason.
    Closed(u16, String),
    /// The server sent what is no WebSocket.
    Protocol(&'static str),
    /// Nothing came for too long.
    Silent,
    /// Nothing could be sent for too long.
    Stalled,
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the connection was cut")
            }
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Closed(code, reason) if reason.is_empty() => write!(f, "the server closed ({code})"),
            Self::Closed(code, reason) => write!(f, "the server closed ({code}): {reason}"),
            Self::Protocol(text) => write!(f, "the server sent no WebSocket: {text}"),
            Self::Silent => f.write_str("the server has been silent for too long"),
            Self::Stalled => f.write_str("the server has read nothing for too long"),
        }
    }
}

impl std::error::Error for SocketError {}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}
