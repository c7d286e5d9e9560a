//! How a request went.

use super::header::ResponseHeader;
use super::{HEADER_BYTES, header};

/// How a request went. Anything but [`Status::Ok`] comes without a payload, and without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It was done.
    Ok,
    /// A malformed request, an empty or too long reference, or a UUID prefix of several containers.
    BadRequest,
    /// An opcode that the server does not know.
    Unsupported,
    /// The reference names no container.
    NotFound,
    /// Everything else, an answer that does not fit its limits included.
    InternalError,
    /// The peer may not ask; sent before the request is read.
    Forbidden,
    /// START of a running container.
    AlreadyRunning,
    /// STOP of a stopped container.
    AlreadyStopped,
}

impl Status {
    /// Every status, by rising number.
    pub const ALL: &'static [Self] = &[
        Self::Ok,
        Self::BadRequest,
        Self::Unsupported,
        Self::NotFound,
        Self::InternalError,
        Self::Forbidden,
        Self::AlreadyRunning,
        Self::AlreadyStopped,
    ];

    /// The number in the header.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Ok => 0,
            Self::BadRequest => 1,
            Self::Unsupported => 2,
            Self::NotFound => 3,
            Self::InternalError => 4,
            Self::Forbidden => 5,
            Self::AlreadyRunning => 6,
            Self::AlreadyStopped => 7,
        }
    }

    /// The status of a number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.number() == number)
    }

    /// The whole answer: a header without a payload.
    #[must_use]
    pub fn to_frame(self) -> [u8; HEADER_BYTES] {
        header::ResponseHeader::to_bytes(ResponseHeader {
            status: self,
            length: 0,
        })
    }
}
