//! Files of a container's log: written beside the bridge, read by `socketd` through descriptors.
//!
//! A file begins with a header of sixteen bytes:
//!
//! ```text
//! offset  bytes  what
//! 0       8      MAGIC
//! 8       8      the file's number, little-endian as every number here; the first of a log is 1
//! ```
//!
//! Then come entries, each:
//!
//! ```text
//! offset  bytes  what
//! 0       8      when, in nanoseconds since 1970
//! 8       1      1 standard output (or the terminal), 2 standard error
//! 9       1      flags: bit 0 set when the entry does not end a line
//! 10      2      zero
//! 12      4      length of the text, n, at most 16384
//! 16      n      the text, exactly as written, line feed included
//! 16+n    4      n again, so that a file can be read from its end
//! ```
//!
//! An entry is a line, or a part of one.

use crate::time::Time;

/// First bytes of a file.
pub const MAGIC: &[u8; 8] = b"SKTDLOG2";

/// Bytes before the first entry.
pub const FILE_HEADER_BYTES: usize = 16;

/// Bytes of an entry before its text.
pub const ENTRY_HEADER_BYTES: usize = 16;

/// Bytes of an entry after its text.
pub const ENTRY_TRAILER_BYTES: usize = 4;

/// Most bytes of text in an entry. Keeps the buffers of writer and reader small, whatever a
/// container calls a line.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

const PARTIAL: u8 = 1;

/// Where a container wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or its terminal.
    Output,
    /// Standard error.
    Error,
}

/// What stands before an entry's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHeader {
    /// When it was written.
    pub time: Time,
    /// Where to.
    pub stream: Stream,
    /// Whether its line goes on in another entry of the same stream.
    pub partial: bool,
    /// Bytes of text, at most [`TEXT_BYTES_MAX`].
    pub length: u32,
}

/// The header of the file with this number.
#[must_use]
pub fn file_header(number: u64) -> [u8; FILE_HEADER_BYTES] {
    let mut bytes = [0; FILE_HEADER_BYTES];
    let (magic, rest) = bytes.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    rest.copy_from_slice(&number.to_le_bytes());
    bytes
}

/// The number of the file with this header; none where it is no header.
#[must_use]
pub fn file_number(header: &[u8; FILE_HEADER_BYTES]) -> Option<u64> {
    let rest = header.strip_prefix(MAGIC)?;
    rest.first_chunk().copied().map(u64::from_le_bytes)
}

impl EntryHeader {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_HEADER_BYTES] {
        let mut bytes = [0; ENTRY_HEADER_BYTES];
        let stream = match self.stream {
            Stream::Output => 1,
            Stream::Error => 2,
        };
        let flags = if self.partial { PARTIAL } else { 0 };
        let (time, rest) = bytes.split_at_mut(8);
        let (marks, length) = rest.split_at_mut(4);
        time.copy_from_slice(&self.time.0.to_le_bytes());
        marks.copy_from_slice(&[stream, flags, 0, 0]);
        length.copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Reads it; none for bytes that are none.
    #[must_use]
    pub fn parse(bytes: &[u8; ENTRY_HEADER_BYTES]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (marks, length) = rest.split_first_chunk::<4>()?;
        let stream = match marks {
            [1, 0 | PARTIAL, 0, 0] => Stream::Output,
            [2, 0 | PARTIAL, 0, 0] => Stream::Error,
            _ => return None,
        };
        let length = u32::from_le_bytes(*length.first_chunk()?);
        if usize::try_from(length).ok()? > TEXT_BYTES_MAX {
            return None;
        }
        Some(Self {
            time: Time(u64::from_le_bytes(*time)),
            stream,
            partial: marks.get(1) == Some(&PARTIAL),
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back() {
        for (stream, partial) in [(Stream::Output, false), (Stream::Error, true)] {
            let header = EntryHeader {
                time: Time(0x0102_0304_0506_0708),
                stream,
                partial,
                length: 16_384,
            };
            assert_eq!(EntryHeader::parse(&header.encode()), Some(header));
        }
        assert_eq!(file_number(&file_header(7)), Some(7));
    }

    #[test]
    fn bytes_that_are_no_header_are_refused() {
        let good = EntryHeader {
            time: Time(1),
            stream: Stream::Output,
            partial: false,
            length: 1,
        }
        .encode();
        for (at, value) in [(8, 0), (8, 3), (9, 2), (10, 1), (11, 1), (13, 0x41)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(EntryHeader::parse(&bad), None, "byte {at} = {value}");
        }
        assert_eq!(file_number(b"SKTDLOG1\x01\0\0\0\0\0\0\0"), None);
    }
}
