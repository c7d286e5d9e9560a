//! The twelve bytes before every payload.

use core::mem::size_of;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, IntoBytes};

use super::layout::{
    CapabilitiesPayload, ContainerRecord, EventRecord, ImageRecord, InfoPayload, InspectRecord,
    LifecyclePayload, ListPayload, PollPayload, RawRequestHeader, RawResponseHeader, TargetPayload,
};
use super::limits::PAYLOAD_BYTES_MAX;
use super::response::PONG;
use super::{Invalid, MAGIC, Opcode, Status, VERSION};

/// Length of a header, in bytes.
pub const HEADER_BYTES: usize = 12;

/// What a server knows of a request before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// What is asked.
    pub opcode: Opcode,
    /// Bytes of payload that follow; as many as this opcode takes.
    pub length: u32,
}

impl RequestHeader {
    /// Checks a header against everything that can be known without the payload.
    ///
    /// # Errors
    /// The status to answer with; the payload is then left unread and the connection closed.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Status> {
        let raw = RawRequestHeader::ref_from_bytes(bytes).map_err(|_| Status::BadRequest)?;
        let length = raw.length.get();
        if raw.magic.get() != MAGIC || raw.version.get() != VERSION || length > PAYLOAD_BYTES_MAX {
            return Err(Status::BadRequest);
        }
        let opcode = Opcode::from_number(raw.opcode.get()).ok_or(Status::Unsupported)?;
        if !takes(opcode, length) {
            return Err(Status::BadRequest);
        }
        Ok(Self { opcode, length })
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let raw = RawRequestHeader {
            magic: U32::new(MAGIC),
            version: U16::new(VERSION),
            opcode: U16::new(self.opcode.number()),
            length: U32::new(self.length),
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(raw.as_bytes());
        bytes
    }
}

/// Whether a request may have a payload of this length. Where it needs none it may have any, which
/// is read and thrown away.
fn takes(opcode: Opcode, length: u32) -> bool {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    match opcode {
        Opcode::Ping | Opcode::Capabilities | Opcode::Info | Opcode::ListImages => true,
        Opcode::ListContainers => length == 0 || length == size_of::<ListPayload>(),
        Opcode::InspectContainer => length == size_of::<TargetPayload>(),
        Opcode::StartContainer | Opcode::StopContainer | Opcode::RestartContainer => {
            length == size_of::<LifecyclePayload>()
        }
        Opcode::PollEvents => length == 0 || length == size_of::<PollPayload>(),
    }
}

/// What a client knows of an answer before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHeader {
    /// How it went.
    pub status: Status,
    /// Bytes of payload that follow; as many as the answer to this opcode can have.
    pub length: u32,
}

impl ResponseHeader {
    /// Checks a header against everything that can be known without the payload.
    ///
    /// # Errors
    /// [`Invalid::Magic`], [`Invalid::Version`], [`Invalid::Status`], [`Invalid::TooLong`],
    /// [`Invalid::Length`].
    pub fn parse(bytes: &[u8; HEADER_BYTES], asked: Opcode) -> Result<Self, Invalid> {
        let raw = RawResponseHeader::ref_from_bytes(bytes).map_err(|_| Invalid::Torn)?;
        if raw.magic.get() != MAGIC {
            return Err(Invalid::Magic);
        }
        let version = raw.version.get();
        if version != VERSION {
            return Err(Invalid::Version(version));
        }
        let number = raw.status.get();
        let status = Status::from_number(number).ok_or(Invalid::Status(number))?;
        let length = raw.length.get();
        if length > PAYLOAD_BYTES_MAX {
            return Err(Invalid::TooLong(length));
        }
        if !answers(asked, status, length) {
            return Err(Invalid::Length(length));
        }
        Ok(Self { status, length })
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let raw = RawResponseHeader {
            magic: U32::new(MAGIC),
            version: U16::new(VERSION),
            status: U16::new(self.status.number()),
            length: U32::new(self.length),
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(raw.as_bytes());
        bytes
    }
}

/// Whether an answer may have a payload of this length.
fn answers(opcode: Opcode, status: Status, length: u32) -> bool {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if status != Status::Ok {
        return length == 0;
    }
    match opcode {
        Opcode::Ping => length == PONG.len(),
        Opcode::Capabilities => length == size_of::<CapabilitiesPayload>(),
        Opcode::Info => length == size_of::<InfoPayload>(),
        Opcode::ListContainers => length.is_multiple_of(size_of::<ContainerRecord>()),
        Opcode::InspectContainer => length == size_of::<InspectRecord>(),
        Opcode::StartContainer | Opcode::StopContainer | Opcode::RestartContainer => length == 0,
        Opcode::ListImages => length.is_multiple_of(size_of::<ImageRecord>()),
        Opcode::PollEvents => length.is_multiple_of(size_of::<EventRecord>()),
    }
}
