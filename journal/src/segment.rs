//! A segment's name and head.
//!
//! The head is the same 128 bytes twice, in two sectors, so that one bad sector does not take
//! the salt, and with it every record of the segment, away. It must know nothing of files.

use bytemuck::{Pod, Zeroable};
use wire::Time;

use crate::record::Seal;

/// Where the first record of a segment begins.
pub const HEAD_BYTES: usize = 1024;

/// Length of one copy of the header, in bytes.
pub const HEADER_BYTES: usize = 128;

/// Where the copies of the header begin.
pub const HEADER_OFFSETS: [usize; 2] = [0, 512];

/// The first bytes of every segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"socketdJ";

/// The format this version writes.
pub const VERSION: u16 = 1;

const SUFFIX: &str = ".segment";
const UNFINISHED_SUFFIX: &str = ".new";
const NAME_DIGITS: usize = 20;

/// The file name of the segment whose first event is `first`.
#[must_use]
pub fn name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The name under which a segment is made, before it has a whole head.
pub(crate) fn unfinished_name(first: u64) -> String {
    format!("{first:020}{UNFINISHED_SUFFIX}")
}

/// The first event of the segment with this file name; none where it is no segment's name.
#[must_use]
pub fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Whether this is the name of a segment that was never finished.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(UNFINISHED_SUFFIX)
        .is_some_and(|digits| digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The header as it lies in the file.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct RawHeader {
    magic: [u8; 8],
    version: [u8; 2],
    head_bytes: [u8; 2],
    reserved: [u8; 4],
    first: [u8; 8],
    created: [u8; 8],
    created_since_boot: [u8; 8],
    newest_before: [u8; 8],
    boot_id: [u8; 16],
    salt: [u8; 16],
    host_id: [u8; 32],
    reserved_end: [u8; 12],
    crc: [u8; 4],
}

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The format it is written in.
    pub version: u16,
    /// Sequence number of its first event.
    pub first: u64,
    /// When it was made, by the wall clock.
    pub created: Time,
    /// When it was made, in nanoseconds since the boot.
    pub created_since_boot_ns: u64,
    /// The latest time of any event in the segments before it.
    pub newest_before: Time,
    /// The boot in which it was written.
    pub boot_id: [u8; 16],
    /// From which its checksums start.
    pub salt: [u8; 16],
    /// The host on which it was written.
    pub host_id: [u8; 32],
}

impl SegmentHeader {
    /// The starting values of its checksums.
    #[must_use]
    pub fn seal(&self) -> Seal {
        Seal::new(self.salt)
    }

    /// One copy of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut raw = RawHeader {
            magic: SEGMENT_MAGIC,
            version: self.version.to_le_bytes(),
            head_bytes: u16::try_from(HEAD_BYTES).unwrap_or(u16::MAX).to_le_bytes(),
            reserved: [0; 4],
            first: self.first.to_le_bytes(),
            created: self.created.0.to_le_bytes(),
            created_since_boot: self.created_since_boot_ns.to_le_bytes(),
            newest_before: self.newest_before.0.to_le_bytes(),
            boot_id: self.boot_id,
            salt: self.salt,
            host_id: self.host_id,
            reserved_end: [0; 12],
            crc: [0; 4],
        };
        raw.crc = checksum(&raw).to_le_bytes();
        bytemuck::cast(raw)
    }

    /// Reads one copy; none where it is not a whole header.
    #[must_use]
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let raw: RawHeader = bytemuck::cast(*bytes);
        if raw.magic != SEGMENT_MAGIC || u32::from_le_bytes(raw.crc) != checksum(&raw) {
            return None;
        }
        Some(Self {
            version: u16::from_le_bytes(raw.version),
            first: u64::from_le_bytes(raw.first),
            created: Time(u64::from_le_bytes(raw.created)),
            created_since_boot_ns: u64::from_le_bytes(raw.created_since_boot),
            newest_before: Time(u64::from_le_bytes(raw.newest_before)),
            boot_id: raw.boot_id,
            salt: raw.salt,
            host_id: raw.host_id,
        })
    }
}

fn checksum(raw: &RawHeader) -> u32 {
    let bytes = bytemuck::bytes_of(raw);
    crc32c::crc32c(bytes.get(..HEADER_BYTES - 4).unwrap_or_default())
}

/// Appends a whole head, both copies and the zeros between, to `out`.
pub(crate) fn write_head(out: &mut Vec<u8>, header: &SegmentHeader) {
    let start = out.len();
    for offset in HEADER_OFFSETS {
        out.resize(start + offset, 0);
        out.extend_from_slice(&header.encode());
    }
    out.resize(start + HEAD_BYTES, 0);
}

/// A head, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The header, from whichever copy is whole.
    pub(crate) header: Option<SegmentHeader>,
    /// Where the head is not as it was written: offset and length of each part.
    pub(crate) damage: Vec<(usize, usize)>,
}

/// Reads a head from the first [`HEAD_BYTES`] of a segment, or as many as there are.
pub(crate) fn read_head(bytes: &[u8]) -> Head {
    let mut head = Head {
        header: None,
        damage: Vec::new(),
    };
    let mut end = 0;
    for offset in HEADER_OFFSETS {
        check_zeros(bytes, end, offset, &mut head.damage);
        end = offset + HEADER_BYTES;
        let copy = bytes.get(offset..).and_then(<[u8]>::first_chunk::<HEADER_BYTES>);
        match copy.and_then(SegmentHeader::decode) {
            Some(header) => head.header = head.header.or(Some(header)),
            None => head.damage.push((offset, HEADER_BYTES)),
        }
    }
    check_zeros(bytes, end, HEAD_BYTES, &mut head.damage);
    head
}

fn check_zeros(bytes: &[u8], from: usize, to: usize, damage: &mut Vec<(usize, usize)>) {
    let whole = bytes
        .get(from..to)
        .is_some_and(|gap| gap.iter().all(|&byte| byte == 0));
    if !whole {
        damage.push((from, to - from));
    }
}

#[cfg(test)]
mod tests {
    use super::{HEAD_BYTES, SegmentHeader, VERSION, first_of, is_unfinished, name, read_head, write_head};
    use wire::Time;

    const HEADER: SegmentHeader = SegmentHeader {
        version: VERSION,
        first: 42,
        created: Time(1),
        created_since_boot_ns: 2,
        newest_before: Time(3),
        boot_id: [4; 16],
        salt: [5; 16],
        host_id: [6; 32],
    };

    #[test]
    fn names_sort_as_their_numbers_and_nothing_else_is_a_name() {
        assert_eq!(first_of(&name(42)), Some(42));
        assert_eq!(first_of(&name(u64::MAX)), Some(u64::MAX));
        assert!(name(9) < name(10));
        for other in [
            "1.segment",
            "+0000000000000000001.segment",
            "lock",
            "99999999999999999999.segment",
        ] {
            assert_eq!(first_of(other), None, "{other}");
        }
        assert!(is_unfinished("00000000000000000001.new"));
        assert!(!is_unfinished("1.new"));
    }

    #[test]
    fn any_flipped_byte_of_a_head_is_placed_and_the_header_survives() {
        let mut whole = Vec::new();
        write_head(&mut whole, &HEADER);
        assert_eq!(whole.len(), HEAD_BYTES);
        assert_eq!(read_head(&whole).damage, []);
        for at in 0..HEAD_BYTES {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let head = read_head(&bytes);
            assert_eq!(head.header, Some(HEADER), "byte {at}");
            assert_eq!(head.damage.len(), 1, "byte {at}");
            let (offset, length) = head.damage[0];
            assert!((offset..offset + length).contains(&at), "byte {at}");
        }
    }

    #[test]
    fn a_short_head_is_no_header() {
        let mut whole = Vec::new();
        write_head(&mut whole, &HEADER);
        for length in 0..128 {
            assert_eq!(read_head(&whole[..length]).header, None);
        }
    }
}
