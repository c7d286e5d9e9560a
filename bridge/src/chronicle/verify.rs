//! Whether every byte is as it was written.

use std::io::{self, Write};
use std::path::Path;

use journal::{Archive, Damage};
use wire::Time;

use super::{ChronicleError, Verdict, look};

/// Events read at once.
const PAGE_EVENTS: usize = 4096;
/// Bytes read at once, about.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Checks every checksum, the order and the continuity, and that every event can be understood.
pub(super) fn run(state_dir: &Path) -> Result<Verdict, ChronicleError> {
    let archive = look(state_dir)?;
    let mut damage = archive.report.damage.clone();
    let omitted = read_all(&archive, &mut damage)?;
    // Opening and reading meet the same places; the one that says what is lost says more.
    damage.sort_by_key(|place| (place.segment, place.offset, place.lost.is_none()));
    damage.dedup_by_key(|place| (place.segment, place.offset));
    tell(&archive, &damage, omitted).map_err(ChronicleError::Output)
}

/// Reads every event, for opening looks at records from the outside.
fn read_all(archive: &Archive, damage: &mut Vec<Damage>) -> Result<u64, ChronicleError> {
    let (mut after, mut omitted) = (0, archive.report.omitted);
    loop {
        let batch = archive
            .read(after, Time::NEVER, PAGE_EVENTS, PAGE_BYTES)
            .map_err(ChronicleError::Read)?;
        damage.extend(batch.damage.iter().filter(|place| !is_torn(archive, place)));
        omitted = omitted.saturating_add(batch.omitted);
        if batch.scanned_to >= batch.last_sequence || batch.scanned_to <= after {
            return Ok(omitted);
        }
        after = batch.scanned_to;
    }
}

/// Whether a place is one that a crash cut short, which is no damage.
fn is_torn(archive: &Archive, place: &Damage) -> bool {
    let report = &archive.report;
    report
        .torn_tail
        .iter()
        .chain(&report.torn)
        .any(|torn| torn == place)
}

fn tell(archive: &Archive, damage: &[Damage], omitted: u64) -> io::Result<Verdict> {
    let mut out = io::stdout().lock();
    let (report, bounds) = (&archive.report, archive.bounds());
    writeln!(
        out,
        "{} segments, {} bytes, {} events: {} to {}",
        report.segments, report.bytes, report.events, bounds.first_retained, bounds.last_sequence
    )?;
    for place in damage {
        writeln!(out, "damaged: {place}")?;
    }
    if omitted > 0 {
        writeln!(out, "damaged: {omitted} places more")?;
    }
    for place in &report.torn {
        writeln!(out, "cut short by a crash, and never acknowledged: {place}")?;
    }
    // At the very end nothing tells a write that was cut short from one that was damaged later.
    if let Some(place) = &report.torn_tail {
        writeln!(out, "the last write was cut short, or is damaged: {place}")?;
    }
    let whole = damage.is_empty() && omitted == 0 && report.torn_tail.is_none();
    writeln!(out, "{}", if whole { "whole" } else { "not whole" })?;
    Ok(if whole { Verdict::Whole } else { Verdict::Damaged })
}
