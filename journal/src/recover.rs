//! From files to an index, a fold and a report. Reads; changes nothing.
//!
//! First every checksum of every segment, without looking into events; then the fold, from the
//! last whole checkpoint on. See FORMAT.md for why what is taken for torn was never acknowledged.

use std::io;

use wire::Event;
use wire::reader::Unknown;
use wire::record::Value;

use crate::failure::{Act, OpenError, failed};
use crate::fold::Past;
use crate::index::{Entry, Index};
use crate::record::Kind;
use crate::report::{Damage, DamageKind, Report, range};
use crate::scan::{Course, Found, Located, Scan};
use crate::segment::{self, SegmentHeader};
use crate::storage::Storage;
use crate::survey::Survey;

/// What was found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) past: Past,
    pub(crate) report: Report,
    /// The last segment's header, where it is whole to its last byte and may be written further.
    pub(crate) clean_last: Option<SegmentHeader>,
}

/// Reads everything in the directory.
pub(crate) fn recover(storage: &dyn Storage, host_id: [u8; 32]) -> Result<Recovered, OpenError> {
    let mut survey = Survey::new(storage, host_id)?;
    let past = fold(storage, &survey.index, &survey.checkpoints, &mut survey.report)?;
    Ok(Recovered {
        index: survey.index,
        past,
        report: survey.report,
        clean_last: survey.clean_last,
    })
}

/// The fold of everything, from the last whole checkpoint on.
fn fold(
    storage: &dyn Storage,
    index: &Index,
    checkpoints: &[bool],
    report: &mut Report,
) -> Result<Past, OpenError> {
    let mut start = checkpoints.len();
    let mut past = Past::default();
    for (place, entry) in index.entries.iter().enumerate().rev() {
        start = place;
        if checkpoints.get(place) == Some(&true)
            && let Some(found) = checkpoint(storage, entry, report).map_err(failed(Act::Read, entry.first))?
        {
            past = found;
            break;
        }
    }
    for entry in index.entries.range(start.min(index.entries.len())..) {
        fold_segment(storage, entry, &mut past, report).map_err(failed(Act::Read, entry.first))?;
    }
    Ok(past)
}

fn checkpoint(storage: &dyn Storage, entry: &Entry, report: &mut Report) -> io::Result<Option<Past>> {
    let Some(seal) = entry.seal else {
        return Ok(None);
    };
    let file = storage.open_to_read(&segment::name(entry.first))?;
    let mut scan = Scan::new(&*file, seal, Course::whole(entry.first, entry.end));
    let Some(Found::Record(record)) = scan.step()? else {
        return Ok(None);
    };
    let past = Past::decode(scan.payload(&record)?).ok();
    if past.is_none() {
        report.damaged(payload_damage(entry.first, &record));
    }
    Ok(past)
}

fn fold_segment(
    storage: &dyn Storage,
    entry: &Entry,
    past: &mut Past,
    report: &mut Report,
) -> io::Result<()> {
    let Some(seal) = entry.seal else {
        return Ok(());
    };
    let file = storage.open_to_read(&segment::name(entry.first))?;
    let course = Course {
        until: entry.last.saturating_add(1),
        ..Course::whole(entry.first, entry.end)
    };
    let mut scan = Scan::new(&*file, seal, course);
    while let Some(found) = scan.step()? {
        let Found::Record(record) = found else { continue };
        if record.header.kind != Kind::Event {
            continue;
        }
        match event(&record, scan.payload(&record)?) {
            Some(event) => past.apply(&event),
            None => report.damaged(payload_damage(entry.first, &record)),
        }
    }
    Ok(())
}

/// The event of a whole record; none where its payload is none.
pub(crate) fn event(record: &Located, payload: &[u8]) -> Option<Event> {
    let mut event = Event::decode(payload, Unknown::Skip).ok()?;
    // Number and time stand in the header alone, so that they cannot disagree.
    event.sequence = record.header.sequence;
    event.time = record.header.time;
    Some(event)
}

/// A whole record that holds no event.
pub(crate) fn payload_damage(segment: u64, record: &Located) -> Damage {
    Damage {
        segment,
        offset: record.offset,
        bytes: record.header.record_bytes(),
        kind: DamageKind::Payload,
        lost: range(record.header.sequence, record.header.sequence)
            .filter(|_| record.header.kind == Kind::Event),
    }
}
