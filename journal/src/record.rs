//! One record: its 48-byte header, its two checksums, its padding.
//!
//! Bytes to values and back. It must know nothing of files.

use bytemuck::{Pod, Zeroable};
use wire::Time;

use crate::limits::{CHECKPOINT_BYTES_MAX, EVENT_BYTES_MAX};
use crate::width::{narrow, wide};

/// Length of a record's header, in bytes.
pub const RECORD_HEADER_BYTES: usize = 48;

/// Records begin at multiples of this, so that a search for the next whole one has few places
/// to look at.
pub const ALIGN_BYTES: usize = 8;

/// The first bytes of every record.
pub const RECORD_MAGIC: [u8; 4] = *b"sjR\x01";

const PADDING: [u8; ALIGN_BYTES] = [0; ALIGN_BYTES];

/// The header as it lies in the file: every number little-endian, nothing aligned, nothing hidden.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct RawHeader {
    magic: [u8; 4],
    length: [u8; 4],
    kind: [u8; 4],
    payload_crc: [u8; 4],
    sequence: [u8; 8],
    time: [u8; 8],
    since_boot: [u8; 8],
    pending: [u8; 4],
    header_crc: [u8; 4],
}

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One event.
    Event,
    /// The fold of every event before the segment.
    Checkpoint,
    /// Something of a later version; passed over.
    Other(u32),
}

impl Kind {
    const fn number(self) -> u32 {
        match self {
            Self::Event => 1,
            Self::Checkpoint => 2,
            Self::Other(number) => number,
        }
    }

    const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Event,
            2 => Self::Checkpoint,
            other => Self::Other(other),
        }
    }

    /// Largest payload of this kind, in bytes.
    #[must_use]
    pub const fn payload_bytes_max(self) -> usize {
        match self {
            Self::Event => EVENT_BYTES_MAX,
            Self::Checkpoint | Self::Other(_) => CHECKPOINT_BYTES_MAX,
        }
    }
}

/// The starting values of a segment's two checksums, from its salt. Whoever cannot read the
/// segment cannot put bytes into an event that a search would take for a record of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    header: u32,
    payload: u32,
}

impl Seal {
    /// The seal of a segment with this salt.
    #[must_use]
    pub fn new(salt: [u8; 16]) -> Self {
        let (header, payload) = salt.split_at(8);
        Self {
            header: crc32c::crc32c(header),
            payload: crc32c::crc32c(payload),
        }
    }

    fn of_header(self, raw: &RawHeader) -> u32 {
        let bytes = bytemuck::bytes_of(raw);
        crc32c::crc32c_append(
            self.header,
            bytes.get(..RECORD_HEADER_BYTES - 4).unwrap_or_default(),
        )
    }

    fn of_payload(self, padded: &[u8]) -> u32 {
        crc32c::crc32c_append(self.payload, padded)
    }
}

/// A record's header, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the record holds.
    pub kind: Kind,
    /// Its place in the order of everything.
    pub sequence: u64,
    /// When what it holds happened, by the wall clock.
    pub time: Time,
    /// When it was written, in nanoseconds since the boot that the segment names.
    pub since_boot_ns: u64,
    /// How many records directly before it were not yet known to be durable when it was written.
    pub pending: u32,
    /// Length of the payload without its padding, in bytes.
    pub length: u32,
    payload_crc: u32,
}

/// Where a record is to stand; the part of its header that is not its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) sequence: u64,
    pub(crate) time: Time,
    pub(crate) since_boot_ns: u64,
    pub(crate) pending: u32,
}

impl Header {
    /// Reads a header; none where the bytes are not a whole one under this seal.
    #[must_use]
    pub fn decode(bytes: &[u8; RECORD_HEADER_BYTES], seal: Seal) -> Option<Self> {
        let raw: RawHeader = bytemuck::cast(*bytes);
        if raw.magic != RECORD_MAGIC || u32::from_le_bytes(raw.header_crc) != seal.of_header(&raw) {
            return None;
        }
        let header = Self {
            kind: Kind::from_number(u32::from_le_bytes(raw.kind)),
            sequence: u64::from_le_bytes(raw.sequence),
            time: Time(u64::from_le_bytes(raw.time)),
            since_boot_ns: u64::from_le_bytes(raw.since_boot),
            pending: u32::from_le_bytes(raw.pending),
            length: u32::from_le_bytes(raw.length),
            payload_crc: u32::from_le_bytes(raw.payload_crc),
        };
        (header.payload_bytes() <= header.kind.payload_bytes_max()).then_some(header)
    }

    /// Length of the payload without its padding, in bytes.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        narrow(u64::from(self.length))
    }

    /// Length of the payload with its padding, in bytes.
    #[must_use]
    pub fn padded_bytes(&self) -> usize {
        self.payload_bytes()
            .checked_next_multiple_of(ALIGN_BYTES)
            .unwrap_or(usize::MAX)
    }

    /// Length of the whole record in the file, in bytes.
    #[must_use]
    pub fn record_bytes(&self) -> u64 {
        wide(RECORD_HEADER_BYTES).saturating_add(wide(self.padded_bytes()))
    }

    /// Whether `padded` is this record's payload with its padding.
    #[must_use]
    pub fn matches(&self, padded: &[u8], seal: Seal) -> bool {
        padded.len() == self.padded_bytes() && seal.of_payload(padded) == self.payload_crc
    }

    /// Every event before this one was durable when this record was written.
    #[must_use]
    pub fn durable_before(&self) -> u64 {
        self.sequence.saturating_sub(u64::from(self.pending))
    }
}

/// Length in the file of a record with a payload of `payload_bytes`, in bytes.
pub(crate) fn record_bytes(payload_bytes: usize) -> usize {
    RECORD_HEADER_BYTES.saturating_add(
        payload_bytes
            .checked_next_multiple_of(ALIGN_BYTES)
            .unwrap_or(usize::MAX),
    )
}

/// Appends one whole record to `out`.
pub(crate) fn write(out: &mut Vec<u8>, seal: Seal, place: Place, payload: &[u8]) {
    let padding = PADDING
        .get(..record_bytes(payload.len()) - RECORD_HEADER_BYTES - payload.len())
        .unwrap_or_default();
    let payload_crc = crc32c::crc32c_append(seal.of_payload(payload), padding);
    let mut raw = RawHeader {
        magic: RECORD_MAGIC,
        length: u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes(),
        kind: place.kind.number().to_le_bytes(),
        payload_crc: payload_crc.to_le_bytes(),
        sequence: place.sequence.to_le_bytes(),
        time: place.time.0.to_le_bytes(),
        since_boot: place.since_boot_ns.to_le_bytes(),
        pending: place.pending.to_le_bytes(),
        header_crc: [0; 4],
    };
    raw.header_crc = seal.of_header(&raw).to_le_bytes();
    out.extend_from_slice(bytemuck::bytes_of(&raw));
    out.extend_from_slice(payload);
    out.extend_from_slice(padding);
}

#[cfg(test)]
mod tests {
    use super::{Header, Kind, Place, RECORD_HEADER_BYTES, Seal, write};
    use wire::Time;

    const SEAL: [u8; 16] = *b"0123456789abcdef";

    fn sample(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let place = Place {
            kind: Kind::Event,
            sequence: 7,
            time: Time(8),
            since_boot_ns: 9,
            pending: 2,
        };
        write(&mut out, Seal::new(SEAL), place, payload);
        out
    }

    fn read(bytes: &[u8], seal: Seal) -> Option<Header> {
        let (head, payload) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>()?;
        Header::decode(head, seal).filter(|header| header.matches(payload, seal))
    }

    #[test]
    fn every_length_round_trips_and_is_padded_to_eight() {
        for length in 0..40 {
            let bytes = sample(&vec![3; length]);
            assert_eq!(bytes.len() % 8, 0);
            let header = read(&bytes, Seal::new(SEAL)).unwrap();
            assert_eq!(
                (header.sequence, header.time, header.since_boot_ns),
                (7, Time(8), 9)
            );
            assert_eq!((header.payload_bytes(), header.durable_before()), (length, 5));
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let whole = sample(b"thirteen byte");
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&bytes, Seal::new(SEAL)), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_of_another_segment_is_none() {
        let mut other = SEAL;
        other[0] ^= 1;
        assert_eq!(read(&sample(b"x"), Seal::new(other)), None);
        let mut other = SEAL;
        other[15] ^= 1;
        assert_eq!(read(&sample(b"x"), Seal::new(other)), None);
    }
}
