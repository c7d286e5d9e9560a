//! What memory holds of the journal: one entry per segment and one mark per 64 KiB. No event.

use std::collections::VecDeque;

use wire::Time;

use crate::limits::MARK_EVERY_BYTES;
use crate::record::Seal;
use crate::scan::Course;
use crate::segment::HEAD_BYTES;
use crate::width::wide;

/// A place in a segment from which a walk may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// Every event from this one on stands at or after `offset`.
    sequence: u64,
    offset: u64,
    /// The latest time of any event of the whole journal before `offset`.
    newest_before: Time,
}

/// One segment.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) first: u64,
    /// The last whole durable event; `first - 1` where there is none.
    pub(crate) last: u64,
    /// Where its checkpoint ends and events begin.
    pub(crate) start: u64,
    /// Where the last whole durable record ends.
    pub(crate) end: u64,
    /// What the file takes on the disk.
    pub(crate) bytes: u64,
    /// None where the head is damaged beyond reading.
    pub(crate) seal: Option<Seal>,
    /// When it was made.
    pub(crate) created: Time,
    /// The latest time of its own events.
    pub(crate) newest_own: Time,
    /// The latest time of any event in it or before it. Never falls from entry to entry, whatever
    /// the wall clock did, and so can be searched.
    newest: Time,
    marks: Vec<Mark>,
}

impl Entry {
    pub(crate) fn new(first: u64, seal: Option<Seal>, created: Time, newest_before: Time) -> Self {
        Self {
            first,
            last: first.saturating_sub(1),
            start: wide(HEAD_BYTES),
            end: wide(HEAD_BYTES),
            bytes: wide(HEAD_BYTES),
            seal,
            created,
            newest_own: Time::NEVER,
            newest: newest_before,
            marks: Vec::new(),
        }
    }

    /// The latest time of any event in it or before it.
    pub(crate) fn newest(&self) -> Time {
        self.newest
    }

    /// Takes the checkpoint at the head into account.
    pub(crate) fn checkpoint(&mut self, end: u64) {
        self.start = end;
        self.end = end;
        self.bytes = self.bytes.max(end);
    }

    /// Takes a whole durable event record into account.
    pub(crate) fn extend(&mut self, sequence: u64, time: Time, offset: u64, end: u64) {
        let marked = self.marks.last().map_or(0, |mark| mark.offset);
        if offset.saturating_sub(marked) >= MARK_EVERY_BYTES {
            self.marks.push(Mark {
                sequence,
                offset,
                newest_before: self.newest,
            });
        }
        self.last = sequence;
        self.end = end;
        self.bytes = self.bytes.max(end);
        self.newest_own = self.newest_own.max(time);
        self.newest = self.newest.max(time);
    }

    /// The course on which every event after `after` with a time of at least `since` stands.
    fn course(&self, after: u64, since: Time) -> Course {
        let course = Course {
            until: self.last.saturating_add(1),
            ..Course::whole(self.first, self.end)
        };
        let passed = self
            .marks
            .partition_point(|mark| mark.sequence <= after.saturating_add(1) || mark.newest_before < since);
        match passed.checked_sub(1).and_then(|at| self.marks.get(at)) {
            None => course,
            Some(mark) => Course {
                next: mark.sequence,
                offset: mark.offset,
                ..course
            },
        }
    }
}

/// The first event that can still be read and the last there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first event that can still be read at all. Beyond `last_sequence` where none can.
    pub first_retained: u64,
    /// The last durable event; zero before the first ever.
    pub last_sequence: u64,
}

/// A segment to read and the part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// None where nothing in it can be read.
    pub(crate) seal: Option<Seal>,
    pub(crate) course: Course,
}

/// Every segment, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    pub(crate) entries: VecDeque<Entry>,
    /// The last durable event, or the last number that must not be used again.
    pub(crate) last: u64,
}

impl Index {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            first_retained: self
                .entries
                .front()
                .map_or(self.last.saturating_add(1), |entry| entry.first),
            last_sequence: self.last,
        }
    }

    /// The latest time of any event.
    pub(crate) fn newest(&self) -> Time {
        self.entries.back().map_or(Time::NEVER, Entry::newest)
    }

    /// Makes room for a new segment; one without an event gives way to one of the same name.
    pub(crate) fn begin(&mut self, entry: Entry) {
        if self.entries.back().is_some_and(|last| last.first == entry.first) {
            self.entries.pop_back();
        }
        self.entries.push_back(entry);
    }

    /// The first segment, by binary search, with an event after `after` and one, there or
    /// before it, of at least `since`.
    pub(crate) fn stretch(&self, after: u64, since: Time) -> Option<Stretch> {
        let place = self
            .entries
            .partition_point(|entry| entry.last <= after || entry.newest < since);
        let entry = self.entries.get(place)?;
        Some(Stretch {
            first: entry.first,
            last: entry.last,
            seal: entry.seal,
            course: entry.course(after, since),
        })
    }
}
