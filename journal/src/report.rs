//! What recovery found that is not as it was written, and where.

use std::fmt;

use crate::limits::DAMAGE_PLACES_MAX;
use crate::segment;

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// Part of a segment's head; the other copy of the header served.
    Head,
    /// Both copies of a segment's header; nothing in the segment can be read.
    Segment,
    /// The segment's checkpoint; the events, or a later checkpoint, served.
    Checkpoint,
    /// Event records, or bytes between them.
    Records,
    /// A whole record whose payload is not an event that this version can read.
    Payload,
}

/// One place that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// First event of the segment, which is its name; see [`Damage::file_name`].
    pub segment: u64,
    /// Where in the segment's file it begins, in bytes.
    pub offset: u64,
    /// How many bytes it takes; zero where events are missing that left no bytes.
    pub bytes: u64,
    /// What it is.
    pub kind: DamageKind,
    /// The events that are lost by it, first and last; none where none is.
    pub lost: Option<(u64, u64)>,
}

impl Damage {
    /// Name of the segment's file.
    #[must_use]
    pub fn file_name(&self) -> String {
        segment::name(self.segment)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DamageKind::Head => "one copy of the head is damaged",
            DamageKind::Segment => "the head is damaged, nothing can be read",
            DamageKind::Checkpoint => "the checkpoint is damaged",
            DamageKind::Records => "records are damaged",
            DamageKind::Payload => "a record holds no event",
        };
        let name = self.file_name();
        write!(f, "{name} at byte {}, {} bytes: {what}", self.offset, self.bytes)?;
        match self.lost {
            None => Ok(()),
            Some((first, last)) if first == last => write!(f, "; event {first} is lost"),
            Some((first, last)) => write!(f, "; events {first} to {last} are lost"),
        }
    }
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Bytes after the last whole record of the last segment: a write that a crash cut short, and
    /// that nobody was told had succeeded. They are passed over for good.
    pub torn_tail: Option<Damage>,
    /// The same, where whole records of the same unfinished write stand behind it.
    pub torn: Vec<Damage>,
    /// Everything else that is not as it was written, in the order of the journal.
    pub damage: Vec<Damage>,
    /// Places beyond what the lists hold.
    pub omitted: u64,
    /// Segments that were written on another host.
    pub foreign_segments: u64,
    /// Segments looked at.
    pub segments: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// Whole event records found.
    pub events: u64,
}

impl Report {
    /// Whether everything is as it was written; what a crash cut short does not count.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty() && self.omitted == 0
    }

    pub(crate) fn damaged(&mut self, damage: Damage) {
        note(&mut self.damage, &mut self.omitted, damage);
    }

    pub(crate) fn torn(&mut self, damage: Damage) {
        note(&mut self.torn, &mut self.omitted, damage);
    }
}

pub(crate) fn note(list: &mut Vec<Damage>, omitted: &mut u64, damage: Damage) {
    if list.len() < DAMAGE_PLACES_MAX {
        list.push(damage);
    } else {
        *omitted = omitted.saturating_add(1);
    }
}

/// The events from `first` to `last`; none where there are none between them.
pub(crate) fn range(first: u64, last: u64) -> Option<(u64, u64)> {
    (first <= last).then_some((first, last))
}
