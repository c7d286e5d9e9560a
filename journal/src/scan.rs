//! Walks the records of one segment, from whole one to whole one, over whatever lies between.
//!
//! Everything that reads a segment reads it through here: recovery, readers, tools, the fuzzer.
//! It must know nothing of other segments, nor what an event means.

use std::io;

use crate::limits::CHECKPOINT_BYTES_MAX;
use crate::record::{ALIGN_BYTES, Header, Kind, RECORD_HEADER_BYTES, RECORD_MAGIC, Seal};
use crate::segment::HEAD_BYTES;
use crate::storage::File;
use crate::width::wide;
use crate::window::Window;

/// A whole record and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// Where in the file its header begins, in bytes.
    pub offset: u64,
    /// Its header.
    pub header: Header,
}

impl Located {
    /// Where in the file the next record begins, in bytes.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.header.record_bytes())
    }
}

/// Bytes that are no whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Where in the file they begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// The disk would not give all of them.
    pub unreadable: bool,
}

/// One step of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A whole record.
    Record(Located),
    /// Bytes that are none, up to the next whole record or to the end.
    Hole(Hole),
}

/// Where a walk begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// First event of the segment.
    pub first: u64,
    /// Events before this one are not expected any more: they stand before `offset`.
    pub next: u64,
    /// This event and what follows it are not part of the segment: the next one begins with it.
    pub until: u64,
    /// Where in the file the walk begins.
    pub offset: u64,
    /// Nothing at or after this is looked at.
    pub end: u64,
}

impl Course {
    /// All of a segment that ends at `end`.
    #[must_use]
    pub fn whole(first: u64, end: u64) -> Self {
        Self {
            first,
            next: first,
            until: u64::MAX,
            offset: wide(HEAD_BYTES),
            end,
        }
    }
}

/// A walk. [`Scan::step`] until it yields none.
#[derive(Debug)]
pub struct Scan<'f> {
    window: Window<'f>,
    seal: Seal,
    course: Course,
    /// A record found behind a hole that has just been told of.
    waiting: Option<Located>,
}

impl<'f> Scan<'f> {
    /// Begins a walk.
    #[must_use]
    pub fn new(file: &'f dyn File, seal: Seal, course: Course) -> Self {
        Self {
            window: Window::new(file, course.end),
            seal,
            course,
            waiting: None,
        }
    }

    /// The next event that is expected.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.course.next
    }

    /// Where the walk is, in bytes from the start of the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.course.offset
    }

    /// The next whole record or hole; none at the end of the segment.
    ///
    /// # Errors
    /// What the file system says, except for a bad sector, which is a hole.
    pub fn step(&mut self) -> io::Result<Option<Found>> {
        if let Some(record) = self.waiting.take() {
            return Ok(self.accept(record));
        }
        if self.course.next >= self.course.until || self.course.offset >= self.window.end() {
            return Ok(None);
        }
        let start = self.course.offset;
        if let Some(record) = self.probe(start)? {
            return Ok(self.accept(record));
        }
        self.waiting = self.search(start.saturating_add(wide(ALIGN_BYTES)))?;
        let end = self.waiting.map_or(self.window.end(), |record| record.offset);
        self.course.offset = end;
        Ok(Some(Found::Hole(Hole {
            offset: start,
            bytes: end.saturating_sub(start),
            unreadable: self.window.unreadable_after(start),
        })))
    }

    /// The payload of the record that the last step found, without its padding.
    ///
    /// # Errors
    /// What the file system says.
    pub fn payload(&mut self, record: &Located) -> io::Result<&[u8]> {
        let offset = record.offset.saturating_add(wide(RECORD_HEADER_BYTES));
        self.window.bytes(offset, record.header.payload_bytes())
    }

    fn accept(&mut self, record: Located) -> Option<Found> {
        if record.header.kind == Kind::Event {
            if record.header.sequence >= self.course.until {
                // Refused to its writer, who began a new segment with this number.
                self.course.offset = self.window.end();
                return None;
            }
            self.course.next = record.header.sequence.saturating_add(1);
        }
        self.course.offset = record.end();
        Some(Found::Record(record))
    }

    /// The whole record at `offset`, if one is there.
    fn probe(&mut self, offset: u64) -> io::Result<Option<Located>> {
        let bytes = self.window.bytes(offset, RECORD_HEADER_BYTES)?;
        let Some(head) = bytes.first_chunk::<RECORD_HEADER_BYTES>() else {
            return Ok(None);
        };
        let Some(header) = Header::decode(head, self.seal) else {
            return Ok(None);
        };
        if !self.is_expected(offset, &header) {
            return Ok(None);
        }
        let payload_at = offset.saturating_add(wide(RECORD_HEADER_BYTES));
        let padded = self.window.bytes(payload_at, header.padded_bytes())?;
        Ok(header
            .matches(padded, self.seal)
            .then_some(Located { offset, header }))
    }

    /// Whether a record with this header may stand here. What may not is taken for damage.
    fn is_expected(&self, offset: u64, header: &Header) -> bool {
        match header.kind {
            Kind::Event => header.sequence >= self.course.next && header.sequence < u64::MAX,
            Kind::Checkpoint => {
                offset == wide(HEAD_BYTES) && header.sequence == self.course.first.saturating_sub(1)
            }
            Kind::Other(_) => header.sequence == self.course.next.saturating_sub(1),
        }
    }

    /// The first whole record at or after `offset`.
    fn search(&mut self, mut offset: u64) -> io::Result<Option<Located>> {
        while offset < self.window.end() {
            // One call for everything in memory: a hole may be megabytes of zeros.
            let held = match self.window.bytes(offset, RECORD_MAGIC.len())?.len() {
                0 => return Ok(None),
                _ => self.window.held_from(offset),
            };
            let place = held
                .chunks(ALIGN_BYTES)
                .position(|chunk| chunk.starts_with(&RECORD_MAGIC));
            let Some(place) = place else {
                offset = offset.saturating_add(wide(held.len().next_multiple_of(ALIGN_BYTES)));
                continue;
            };
            offset = offset.saturating_add(wide(place * ALIGN_BYTES));
            if let Some(record) = self.probe(offset)? {
                return Ok(Some(record));
            }
            offset = offset.saturating_add(wide(ALIGN_BYTES));
        }
        Ok(None)
    }
}

// The largest record is read into memory as one piece.
const _: () = assert!(CHECKPOINT_BYTES_MAX.is_multiple_of(ALIGN_BYTES));
// Every record begins at a multiple of the alignment only if the first one does.
const _: () =
    assert!(HEAD_BYTES.is_multiple_of(ALIGN_BYTES) && RECORD_HEADER_BYTES.is_multiple_of(ALIGN_BYTES));
