//! The fixed header before every payload.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Invalid;

/// First bytes of every frame.
pub const MAGIC: [u8; 4] = *b"SKTD";
/// The frame version this crate speaks.
pub const VERSION: u8 = 2;
/// Length of the header, in bytes.
pub const HEADER_BYTES: usize = 12;

/// Set in `flags` when another frame of the same answer follows.
const FLAG_MORE: u8 = 1;

/// Whether an answer ends with this frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The last (or only) frame of a message.
    Last,
    /// Another frame of the same answer follows.
    More,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
    magic: [u8; 4],
    version: u8,
    flags: u8,
    kind: U16,
    length: U32,
}

/// A checked header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message kind: an opcode, or what an answer is.
    pub kind: u16,
    /// Whether the answer goes on in another frame.
    pub flow: Flow,
    /// Bytes of payload that follow.
    pub length: u32,
}

impl Header {
    /// Checks a header against the longest payload its direction allows.
    ///
    /// # Errors
    /// [`Invalid::Magic`], [`Invalid::Version`], [`Invalid::Flags`], [`Invalid::TooLong`].
    pub fn parse(bytes: &[u8; HEADER_BYTES], length_max: u32) -> Result<Self, Invalid> {
        let raw = RawHeader::ref_from_bytes(bytes).map_err(|_| Invalid::Truncated)?;
        if raw.magic != MAGIC {
            return Err(Invalid::Magic);
        }
        if raw.version != VERSION {
            return Err(Invalid::Version(raw.version));
        }
        let flow = match raw.flags {
            0 => Flow::Last,
            FLAG_MORE => Flow::More,
            flags => return Err(Invalid::Flags(flags)),
        };
        let length = raw.length.get();
        if length > length_max {
            return Err(Invalid::TooLong {
                length,
                max: length_max,
            });
        }
        Ok(Self {
            kind: raw.kind.get(),
            flow,
            length,
        })
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let raw = RawHeader {
            magic: MAGIC,
            version: VERSION,
            flags: match self.flow {
                Flow::Last => 0,
                Flow::More => FLAG_MORE,
            },
            kind: U16::new(self.kind),
            length: U32::new(self.length),
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(raw.as_bytes());
        bytes
    }
}

/// Appends one frame to `out`: header, then whatever `payload` writes.
///
/// # Errors
/// [`Invalid::TooLong`] when the payload passes `length_max`; `out` is then as it was.
pub fn append(
    out: &mut Vec<u8>,
    kind: u16,
    flow: Flow,
    length_max: u32,
    payload: impl FnOnce(&mut Vec<u8>),
) -> Result<(), Invalid> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    payload(out);
    let length = u32::try_from(out.len() - start - HEADER_BYTES).unwrap_or(u32::MAX);
    if length > length_max {
        out.truncate(start);
        return Err(Invalid::TooLong {
            length,
            max: length_max,
        });
    }
    if let Some(slot) = out.get_mut(start..start + HEADER_BYTES) {
        slot.copy_from_slice(&Header { kind, flow, length }.to_bytes());
    }
    Ok(())
}
