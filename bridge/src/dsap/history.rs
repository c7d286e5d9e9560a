//! The journal as version 1 has it: what happened to containers, without a place in the order of
//! everything.

use journal::ReadError;
use wire::event::attribute;
use wire::v1::limits::EVENTS_MAX;
use wire::{Action, Event, EventKind, Time, v1};

use super::limits::EVENT_BLOCK;
use super::render::uuid_of_hex;
use crate::limits::EVENT_PAGE_BYTES;
use crate::supervise::Ledger;

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// The newest events from a second on, that second included, oldest first; as many as an answer holds.
/// Looks at no more of the journal than it needs for them.
///
/// # Errors
/// The disk's.
pub(super) fn newest(ledger: &Ledger, since_s: i64) -> Result<Vec<v1::Event>, ReadError> {
    let since = Time(
        u64::try_from(since_s)
            .unwrap_or_default()
            .saturating_mul(SECOND_NS),
    );
    let bounds = ledger.bounds();
    let first = match since {
        // The event before the first one there is.
        Time::NEVER => bounds.first_retained.saturating_sub(1),
        since => ledger.position(since)?,
    };
    let (mut end, mut blocks, mut count) = (bounds.last_sequence, Vec::new(), 0);
    while end > first && count < EVENTS_MAX {
        let start = end.saturating_sub(EVENT_BLOCK).max(first);
        let block = read(ledger, start, end, since)?;
        count += block.len();
        blocks.push(block);
        end = start;
    }
    let mut events: Vec<v1::Event> = blocks.into_iter().rev().flatten().collect();
    events.drain(..events.len().saturating_sub(EVENTS_MAX));
    Ok(events)
}

/// Those after one place in the journal, up to another.
fn read(ledger: &Ledger, start: u64, end: u64, since: Time) -> Result<Vec<v1::Event>, ReadError> {
    let (mut after, mut events) = (start, Vec::new());
    while after < end {
        let count = usize::try_from(end - after).unwrap_or(usize::MAX);
        let batch = ledger.read(after, Time::NEVER, count, EVENT_PAGE_BYTES)?;
        let within = batch.events.iter().filter(|event| event.sequence <= end);
        events.extend(within.filter(|event| event.time >= since).filter_map(told));
        // The journal has been cut, or ends here.
        if batch.scanned_to <= after {
            break;
        }
        after = batch.scanned_to;
    }
    Ok(events)
}

/// What version 1 says of an event; none where it has no word for it.
fn told(event: &Event) -> Option<v1::Event> {
    let action = match (event.kind, event.action) {
        (EventKind::Container, Action::Start) => "start",
        (EventKind::Container, Action::Die) => "die",
        (EventKind::Container, Action::Restart) => "restart",
        _ => return None,
    };
    Some(v1::Event {
        time_ns: i64::try_from(event.time.0).unwrap_or(i64::MAX),
        action: action.to_owned(),
        uuid: uuid_of_hex(&event.actor),
        name: event.attribute(attribute::NAME).unwrap_or_default().to_owned(),
    })
}
