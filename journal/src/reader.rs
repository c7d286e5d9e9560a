//! Events back out of the segments, by number and by time.

use std::fmt;
use std::io;
use std::sync::{PoisonError, RwLock};

use wire::{Event, Time};

use crate::index::{Bounds, Index, Stretch};
use crate::record::Kind;
use crate::recover::{event, payload_damage};
use crate::report::{Damage, DamageKind, note, range};
use crate::scan::{Found, Scan};
use crate::segment;
use crate::storage::Storage;

/// Events in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The events.
    pub events: Vec<Event>,
    /// The last event looked at, whether or not it passed. Ask after this one next; equal to
    /// `last_sequence` when there is nothing left.
    pub scanned_to: u64,
    /// The first event that can still be read at all. Beyond what was asked for: what lay between
    /// is no longer kept.
    pub first_retained: u64,
    /// The last durable event.
    pub last_sequence: u64,
    /// What was passed over because it is not as it was written.
    pub damage: Vec<Damage>,
    /// Places of damage beyond what the list holds.
    pub omitted: u64,
}

/// Why events could not be read. Damage is no reason; it is in the [`Batch`].
#[derive(Debug)]
pub struct ReadError {
    /// The first event of the segment.
    pub segment: u64,
    /// What the file system said.
    pub source: io::Error,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reading {} failed", segment::name(self.segment))
    }
}

impl core::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want {
    pub(crate) after: u64,
    pub(crate) since: Time,
    pub(crate) count_max: usize,
    pub(crate) bytes_max: usize,
}

/// One read under way.
#[derive(Debug)]
struct Reading {
    want: Want,
    batch: Batch,
    bytes: usize,
    /// A missing file has been looked for in vain already.
    missed: Option<u64>,
}

/// Reads what is asked for. Holds no lock while it touches the disk.
pub(crate) fn read(storage: &dyn Storage, index: &RwLock<Index>, want: Want) -> Result<Batch, ReadError> {
    let mut reading = Reading {
        want,
        batch: Batch {
            scanned_to: want.after,
            ..Batch::default()
        },
        bytes: 0,
        missed: None,
    };
    let bounds = loop {
        let (stretch, bounds) = {
            let index = index.read().unwrap_or_else(PoisonError::into_inner);
            (
                index.stretch(reading.batch.scanned_to, want.since),
                index.bounds(),
            )
        };
        let Some(stretch) = stretch else {
            reading.batch.scanned_to = bounds.last_sequence;
            break bounds;
        };
        let full = reading.stretch(storage, &stretch).map_err(|source| ReadError {
            segment: stretch.first,
            source,
        })?;
        if full {
            break bounds;
        }
    };
    let Bounds {
        first_retained,
        last_sequence,
    } = bounds;
    reading.batch.first_retained = first_retained;
    reading.batch.last_sequence = last_sequence;
    Ok(reading.batch)
}

impl Reading {
    /// Reads one stretch and says whether the batch is full.
    fn stretch(&mut self, storage: &dyn Storage, stretch: &Stretch) -> io::Result<bool> {
        let Some(seal) = stretch.seal else {
            self.pass_over(stretch);
            return Ok(false);
        };
        let file = match storage.open_to_read(&segment::name(stretch.first)) {
            Ok(file) => file,
            // Retention took it a moment ago, and the index will say so; or somebody else did.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.missed.replace(stretch.first) == Some(stretch.first) {
                    self.pass_over(stretch);
                }
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let mut scan = Scan::new(&*file, seal, stretch.course);
        while let Some(found) = scan.step()? {
            let record = match found {
                Found::Hole(hole) => {
                    self.damaged(Damage {
                        segment: stretch.first,
                        offset: hole.offset,
                        bytes: hole.bytes,
                        kind: DamageKind::Records,
                        lost: None,
                    });
                    continue;
                }
                Found::Record(record) if record.header.kind != Kind::Event => continue,
                Found::Record(record) => record,
            };
            // A stretch that has grown meanwhile is begun again at a mark before what was read of it.
            if record.header.sequence > self.batch.scanned_to && record.header.time >= self.want.since {
                if self.is_full(record.header.payload_bytes()) {
                    return Ok(true);
                }
                match event(&record, scan.payload(&record)?) {
                    Some(event) => {
                        self.bytes = self.bytes.saturating_add(record.header.payload_bytes());
                        self.batch.events.push(event);
                    }
                    None => self.damaged(payload_damage(stretch.first, &record)),
                }
            }
            self.batch.scanned_to = self.batch.scanned_to.max(record.header.sequence);
        }
        // The last events of the stretch may be damaged; they have been looked at all the same.
        self.batch.scanned_to = self.batch.scanned_to.max(stretch.last);
        Ok(false)
    }

    fn is_full(&self, next_bytes: usize) -> bool {
        let count = self.batch.events.len();
        count >= self.want.count_max
            // One event always fits, or a reader would never come past a long one.
            || (count > 0 && self.bytes.saturating_add(next_bytes) > self.want.bytes_max)
    }

    fn pass_over(&mut self, stretch: &Stretch) {
        self.damaged(Damage {
            segment: stretch.first,
            offset: 0,
            bytes: stretch.course.end,
            kind: DamageKind::Segment,
            lost: range(stretch.first, stretch.last),
        });
        self.batch.scanned_to = self.batch.scanned_to.max(stretch.last);
    }

    fn damaged(&mut self, damage: Damage) {
        note(&mut self.batch.damage, &mut self.batch.omitted, damage);
    }
}
