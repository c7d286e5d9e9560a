//! What can go wrong between us and the bridge.

use std::fmt;
use std::io;
use std::sync::Arc;

use wire::{Invalid, Refusal};

/// Why a call to the bridge has no answer, or not the one hoped for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkError {
    /// Nobody answers on the bridge's socket.
    Down(io::ErrorKind),
    /// The connection ended inside the call. An order may have been carried out or not.
    Lost,
    /// The bridge took longer than the call may take. An order may have been carried out or not.
    Late,
    /// Too many calls wait already.
    Crowded,
    /// The request does not fit into a frame.
    TooLong(Invalid),
    /// The bridge sent bytes that are no answer.
    Garbage(Invalid),
    /// The bridge sent an answer to another question.
    Unexpected {
        /// The number of the kind of answer that came.
        kind: u16,
    },
    /// The answer goes on beyond every measure.
    Endless,
    /// The bridge speaks version 1, and sent bytes that are no answer of it.
    Foreign(wire::v1::Invalid),
    /// The bridge speaks version 1, and ended the connection without an answer. An order may have
    /// been carried out or not.
    Unanswered,
    /// The bridge speaks version 1, and does not admit this process.
    Forbidden,
    /// The process that connected to the bridge for us has ended.
    Undialled,
    /// The bridge will not, and says why.
    Refused(Arc<Refusal>),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down(kind) => write!(f, "socketd-bridge is not running: {kind}"),
            Self::Lost => f.write_str("socketd-bridge went away before it answered"),
            Self::Late => f.write_str("socketd-bridge did not answer in time"),
            Self::Crowded => f.write_str("too many requests wait for socketd-bridge already"),
            Self::TooLong(invalid) => write!(f, "the request is too long for socketd-bridge: {invalid}"),
            Self::Garbage(invalid) => write!(f, "socketd-bridge sent no valid answer: {invalid}"),
            Self::Unexpected { kind } => write!(f, "socketd-bridge sent an unexpected answer {kind:#06x}"),
            Self::Endless => f.write_str("socketd-bridge sent an answer without end"),
            Self::Foreign(invalid) => write!(f, "the bridge sent no valid answer: {invalid}"),
            Self::Unanswered => f.write_str(
                "the bridge ended the connection without an answer, as it also does to those it does not admit",
            ),
            Self::Forbidden => write!(
                f,
                "the bridge does not admit socketd: only root and members of the group {} may ask it, from its \
                 own PID namespace",
                wire::v1::GROUP
            ),
            Self::Undialled => f.write_str(
                "the process that connects to the bridge as root has ended, and socketd may not start it again: \
                 restart socketd",
            ),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for LinkError {}
