//! Event records one after the other, in a file or an answer.
//!
//! The file has no header, no length and no checksum, and its writers neither lock nor finish: one
//! short write shifts every record after it. A record is known by its kind, a field of 32 bytes that
//! is the same in all of them; where it does not stand in its place it is searched for.

use core::mem::{offset_of, size_of};

use zerocopy::FromBytes;

use super::Event;
use super::layout::{EventRecord, Recorded};
use super::limits::WORD_BYTES;

/// Length of one record, in bytes.
pub const EVENT_BYTES: usize = size_of::<EventRecord>();

const KIND_AT: usize = offset_of!(EventRecord, kind);
const KIND: &[u8; WORD_BYTES] = b"container\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The events in these bytes, in their order; whatever is no event is passed over. Reads each byte
/// a bounded number of times, whatever they are.
#[must_use]
pub fn scan(bytes: &[u8]) -> Events<'_> {
    Events { bytes, at: 0 }
}

/// Appends an event as the file has it.
pub fn append(event: &Event, out: &mut Vec<u8>) {
    event.write(out);
}

/// The iterator of [`scan`].
#[derive(Debug, Clone)]
pub struct Events<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Events<'_> {
    fn read(&self, at: usize) -> Option<Event> {
        let (record, _) = EventRecord::ref_from_prefix(self.bytes.get(at..)?).ok()?;
        Event::read_sound(record)
    }

    /// Where a record may begin that does not begin at `at`. A record whose last bytes were not
    /// written reads as whole where the next one begins with the same NULs, so a record may begin
    /// before the end of what was read as the one before it.
    fn search(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        let found = rest.windows(WORD_BYTES).position(|window| window == KIND)?;
        Some(at + found)
    }
}

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.read(self.at) {
            self.at += EVENT_BYTES;
            return Some(event);
        }
        let mut kind_at = self.at;
        loop {
            kind_at = self.search(kind_at)?;
            let start = kind_at.checked_sub(KIND_AT);
            if let Some((start, event)) = start.and_then(|start| Some((start, self.read(start)?))) {
                self.at = start + EVENT_BYTES;
                return Some(event);
            }
            kind_at += 1;
        }
    }
}
