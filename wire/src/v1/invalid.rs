//! What can be wrong with bytes of version 1.

use core::fmt;

use super::limits::PAYLOAD_BYTES_MAX;

/// An answer that is not one, or a request that cannot be put into bytes. Payloads are numbers and
/// fixed names, so that a peer cannot put its own text into our log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// The first four bytes are not [`MAGIC`](super::MAGIC).
    Magic,
    /// A version other than 1.
    Version(u16),
    /// A status without a name.
    Status(u16),
    /// A payload beyond [`PAYLOAD_BYTES_MAX`].
    TooLong(u32),
    /// A payload of a length that this answer cannot have.
    Length(u32),
    /// There are fewer or more bytes than the header says.
    Torn,
    /// A record counts more entries than it has room for.
    Count {
        /// What was counted.
        what: &'static str,
        /// The count that was stated.
        count: u16,
    },
    /// Four bytes that are not `PONG`.
    Pong,
    /// A version of the inspected record, or a size of it, other than the one there is.
    Record {
        /// The version stated.
        version: u16,
        /// The size stated, in bytes.
        size: u32,
    },
    /// A reference that does not fit its slot, or holds a NUL; cut short it would name another
    /// container.
    Target,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not a message of version 1"),
            Self::Version(version) => write!(f, "version {version} where 1 must stand"),
            Self::Status(status) => write!(f, "unknown status {status}"),
            Self::TooLong(length) => write!(
                f,
                "payload of {length} bytes, at most {PAYLOAD_BYTES_MAX} allowed"
            ),
            Self::Length(length) => write!(f, "{length} bytes are no payload of this answer"),
            Self::Torn => f.write_str("not as many bytes as the header says"),
            Self::Count { what, count } => write!(f, "{count} {what} in a record that has no room for them"),
            Self::Pong => f.write_str("a ping was answered with something else"),
            Self::Record { version, size } => {
                write!(f, "inspected record of version {version}, {size} bytes")
            }
            Self::Target => f.write_str("a reference is too long, or holds a NUL"),
        }
    }
}

impl core::error::Error for Invalid {}
