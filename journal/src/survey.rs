//! The walk over every checksum of every segment: what is whole, what is not, and why.

use std::io;
use std::mem;

use wire::Time;

use crate::failure::{Act, OpenError, failed};
use crate::index::{Entry, Index};
use crate::record::{Kind, RECORD_HEADER_BYTES};
use crate::report::{Damage, DamageKind, Report, range};
use crate::scan::{Course, Found, Hole, Located, Scan};
use crate::segment::{self, HEAD_BYTES, SegmentHeader, VERSION};
use crate::storage::Storage;
use crate::width::wide;
use crate::window::Window;

/// A segment whose head has been read.
#[derive(Debug)]
struct Opened {
    first: u64,
    bytes: u64,
    header: Option<SegmentHeader>,
    head_damage: Vec<(usize, usize)>,
}

fn open_all(storage: &dyn Storage) -> Result<Vec<Opened>, OpenError> {
    let names = storage.names().map_err(failed(Act::List, 0))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| segment::first_of(name)).collect();
    firsts.sort_unstable();
    firsts.into_iter().map(|first| open(storage, first)).collect()
}

fn open(storage: &dyn Storage, first: u64) -> Result<Opened, OpenError> {
    let file = storage
        .open_to_read(&segment::name(first))
        .map_err(failed(Act::Open, first))?;
    let bytes = file.bytes().map_err(failed(Act::Read, first))?;
    let mut window = Window::new(&*file, bytes);
    let head = segment::read_head(window.bytes(0, HEAD_BYTES).map_err(failed(Act::Read, first))?);
    if let Some(header) = head.header
        && header.version > VERSION
    {
        return Err(OpenError::Version {
            segment: first,
            version: header.version,
        });
    }
    Ok(Opened {
        first,
        bytes,
        // A file under another's name says nothing reliable about its place in the order.
        header: head.header.filter(|header| header.first == first),
        head_damage: head.damage,
    })
}

/// The walk over every segment.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) index: Index,
    pub(crate) report: Report,
    /// Whether the segment of the same place in the index has a whole checkpoint.
    pub(crate) checkpoints: Vec<bool>,
    /// The header of the last segment, where it is whole to its last byte.
    pub(crate) clean_last: Option<SegmentHeader>,
    /// What lies behind the last whole record of the segment looked at last.
    tail: Option<Hole>,
}

impl Survey {
    /// Walks over everything in the directory.
    pub(crate) fn new(storage: &dyn Storage, host_id: [u8; 32]) -> Result<Self, OpenError> {
        let mut survey = Self::default();
        let segments = open_all(storage)?;
        let mut untils = Vec::with_capacity(segments.len());
        let mut until = u64::MAX;
        for segment in segments.iter().rev() {
            untils.push(until);
            // A segment that cannot be read must not cut the one before it short.
            if segment.header.is_some() {
                until = segment.first;
            }
        }
        for (segment, until) in segments.iter().zip(untils.into_iter().rev()) {
            survey.segment(storage, segment, until, host_id)?;
        }
        survey.tail();
        Ok(survey)
    }

    fn segment(
        &mut self,
        storage: &dyn Storage,
        segment: &Opened,
        until: u64,
        host_id: [u8; 32],
    ) -> Result<(), OpenError> {
        self.report.segments += 1;
        self.report.bytes = self.report.bytes.saturating_add(segment.bytes);
        self.clean_last = None;
        self.tail = None;
        let Some(header) = segment.header else {
            self.unreadable(segment);
            return Ok(());
        };
        self.missing_before(segment.first);
        for &(offset, bytes) in &segment.head_damage {
            self.report.damaged(Damage {
                segment: segment.first,
                offset: wide(offset),
                bytes: wide(bytes),
                kind: DamageKind::Head,
                lost: None,
            });
        }
        self.report.foreign_segments += u64::from(header.host_id != host_id);
        let newest = self.index.newest().max(header.newest_before);
        let mut entry = Entry::new(segment.first, Some(header.seal()), header.created, newest);
        entry.bytes = segment.bytes;
        let file = storage
            .open_to_read(&segment::name(segment.first))
            .map_err(failed(Act::Open, segment.first))?;
        let course = Course {
            until,
            ..Course::whole(segment.first, segment.bytes)
        };
        let scan = Scan::new(&*file, header.seal(), course);
        let walked = self
            .walk(scan, &mut entry)
            .map_err(failed(Act::Read, segment.first))?;
        if walked.holes == 0 && walked.tail.is_none() && segment.head_damage.is_empty() {
            self.clean_last = Some(header);
        }
        self.tail = walked.tail;
        self.checkpoints.push(walked.checkpoint);
        self.index.last = entry.last;
        self.index.entries.push_back(entry);
        Ok(())
    }

    fn unreadable(&mut self, segment: &Opened) {
        self.missing_before(segment.first);
        self.report.damaged(Damage {
            segment: segment.first,
            offset: 0,
            bytes: segment.bytes,
            kind: DamageKind::Segment,
            lost: None,
        });
        let newest = self.index.newest();
        let mut entry = Entry::new(segment.first, None, Time::NEVER, newest);
        entry.bytes = segment.bytes;
        self.checkpoints.push(false);
        self.index.entries.push_back(entry);
        // Nobody knows how many events it held; no number it may have used is used again.
        let most = segment.bytes / wide(RECORD_HEADER_BYTES);
        self.index.last = self.index.last.max(segment.first.saturating_add(most));
    }

    /// Notes the events between the end of what came before and `first`.
    fn missing_before(&mut self, first: u64) {
        let Some(previous) = self.index.entries.back() else {
            return;
        };
        // What an unreadable segment held is already told of, and nobody knows where it ended.
        if previous.seal.is_none() {
            return;
        }
        if let Some(lost) = range(previous.last.saturating_add(1), first.saturating_sub(1)) {
            self.report.damaged(Damage {
                segment: previous.first,
                offset: previous.end,
                bytes: previous.bytes.saturating_sub(previous.end),
                kind: DamageKind::Records,
                lost: Some(lost),
            });
        }
    }

    fn walk(&mut self, mut scan: Scan<'_>, entry: &mut Entry) -> io::Result<Walked> {
        let mut walked = Walked::default();
        let mut expected = entry.first;
        while let Some(found) = scan.step()? {
            match found {
                Found::Hole(hole) => walked.tail = Some(hole),
                Found::Record(record) => {
                    self.settle(entry.first, &record, expected, &mut walked);
                    match record.header.kind {
                        Kind::Event => {
                            expected = record.header.sequence.saturating_add(1);
                            self.report.events += 1;
                            entry.extend(
                                record.header.sequence,
                                record.header.time,
                                record.offset,
                                record.end(),
                            );
                        }
                        Kind::Checkpoint => {
                            walked.checkpoint = true;
                            entry.checkpoint(record.end());
                        }
                        Kind::Other(_) => entry.end = record.end(),
                    }
                }
            }
        }
        for hole in walked.unproven.drain(..) {
            self.report.torn(hole);
        }
        if !walked.checkpoint && walked.holes == 0 && walked.tail.is_none() {
            // No hole says so: the file ends where its head does.
            walked.holes += 1;
            self.report.damaged(Damage {
                segment: entry.first,
                offset: wide(HEAD_BYTES),
                bytes: 0,
                kind: DamageKind::Checkpoint,
                lost: None,
            });
        }
        Ok(walked)
    }

    /// Decides about the hole before `record`, and about earlier ones that it bears witness to.
    fn settle(&mut self, segment: u64, record: &Located, expected: u64, walked: &mut Walked) {
        let durable_before = record.header.durable_before();
        let (proven, unproven): (Vec<_>, Vec<_>) = mem::take(&mut walked.unproven)
            .into_iter()
            .partition(|hole| hole.lost.is_none_or(|(_, last)| last < durable_before));
        walked.unproven = unproven;
        for hole in proven {
            self.report.damaged(hole);
        }
        let hole = walked.tail.take();
        let lost = match record.header.kind {
            Kind::Event => range(expected, record.header.sequence.saturating_sub(1)),
            Kind::Checkpoint | Kind::Other(_) => None,
        };
        if hole.is_none() && lost.is_none() {
            return;
        }
        walked.holes += 1;
        let offset = hole.map_or(record.offset, |hole| hole.offset);
        let at_head = offset == wide(HEAD_BYTES);
        let damage = Damage {
            segment,
            offset,
            bytes: hole.map_or(0, |hole| hole.bytes),
            kind: if at_head {
                DamageKind::Checkpoint
            } else {
                DamageKind::Records
            },
            lost,
        };
        let unreadable = hole.is_some_and(|hole| hole.unreadable);
        // The checkpoint was durable before the segment had its name.
        if at_head || unreadable || lost.is_none_or(|(_, last)| last < durable_before) {
            self.report.damaged(damage);
        } else {
            walked.unproven.push(damage);
        }
    }

    /// Decides about what lies behind the last whole record of the last segment.
    fn tail(&mut self) {
        let Some(hole) = self.tail else { return };
        let Some(entry) = self.index.entries.back() else {
            return;
        };
        let damage = Damage {
            segment: entry.first,
            offset: hole.offset,
            bytes: hole.bytes,
            kind: DamageKind::Records,
            lost: None,
        };
        if hole.offset == wide(HEAD_BYTES) {
            // The checkpoint itself is bad: that is no torn write, and what follows it is unknown.
            self.report.damaged(Damage {
                kind: DamageKind::Checkpoint,
                ..damage
            });
        } else if hole.unreadable {
            self.report.damaged(damage);
        } else {
            self.report.torn_tail = Some(damage);
            return;
        }
        // There may have been acknowledged events; none of their numbers is used again.
        let most = hole.bytes / wide(RECORD_HEADER_BYTES);
        self.index.last = self.index.last.saturating_add(most);
    }
}

/// What the walk over one segment found.
#[derive(Debug, Default)]
struct Walked {
    checkpoint: bool,
    /// Holes between whole records.
    holes: u64,
    /// The hole found last, while no whole record has been found behind it.
    tail: Option<Hole>,
    /// Holes that no later record has yet shown to have been durable.
    unproven: Vec<Damage>,
}
