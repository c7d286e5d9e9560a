//! What can be wrong with bytes from a peer or a disk.

use core::fmt;

/// Bytes that are not the value they should be. Payloads are numbers and fixed names,
/// so that a hostile peer cannot put its own text into our log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// The first four bytes are not the protocol's.
    Magic,
    /// A frame version we do not speak.
    Version(u8),
    /// Header flags we do not know.
    Flags(u8),
    /// A frame longer than its direction allows.
    TooLong {
        /// The length the header states, in bytes.
        length: u32,
        /// The most that is accepted, in bytes.
        max: u32,
    },
    /// The bytes end inside a value.
    Truncated,
    /// Bytes are left over after the last value.
    TrailingBytes(usize),
    /// A message kind that this side does not accept.
    UnknownKind(u16),
    /// A record holds a field that this version does not know.
    UnknownField {
        /// The record's name.
        record: &'static str,
        /// The field's number.
        tag: u16,
    },
    /// Field numbers of a record do not rise.
    FieldOrder {
        /// The record's name.
        record: &'static str,
        /// The number that came too late or twice.
        tag: u16,
    },
    /// A field that holds its default is written although it must be left out.
    Redundant {
        /// The record's name.
        record: &'static str,
        /// The field's number.
        tag: u16,
    },
    /// A byte that must be 0 or 1 is neither.
    Bool(u8),
    /// A string is not UTF-8 or holds a NUL.
    Text,
    /// A string or list passes its limit.
    TooMany {
        /// What was counted.
        what: &'static str,
        /// The count that was stated.
        count: u32,
        /// The most that is accepted.
        max: u32,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not a socketd frame"),
            Self::Version(version) => write!(f, "unknown frame version {version}"),
            Self::Flags(flags) => write!(f, "unknown frame flags {flags:#04x}"),
            Self::TooLong { length, max } => write!(f, "frame of {length} bytes, at most {max} allowed"),
            Self::Truncated => f.write_str("bytes end inside a value"),
            Self::TrailingBytes(count) => write!(f, "{count} bytes left over"),
            Self::UnknownKind(kind) => write!(f, "unknown message kind {kind:#06x}"),
            Self::UnknownField { record, tag } => write!(f, "{record} has no field {tag}"),
            Self::FieldOrder { record, tag } => write!(f, "field {tag} of {record} out of order"),
            Self::Redundant { record, tag } => write!(f, "field {tag} of {record} holds its default"),
            Self::Bool(byte) => write!(f, "{byte} where 0 or 1 must stand"),
            Self::Text => f.write_str("text is not UTF-8 without NUL"),
            Self::TooMany { what, count, max } => write!(f, "{what} of {count}, at most {max} allowed"),
        }
    }
}

impl core::error::Error for Invalid {}
