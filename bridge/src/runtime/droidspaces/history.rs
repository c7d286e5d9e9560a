//! The runtime's own file of events: what it has kept of the time before our journal.

use wire::v1::{Event, events};
use wire::{Action, Time};

use super::identity;
use super::limits::HISTORY_BYTES_MAX;
use super::workspace::{Workspace, read_file};
use crate::runtime::PastEvent;

/// Every event of the file that is one, oldest first. Records that were torn are passed over.
pub(super) fn read(workspace: &Workspace) -> Vec<PastEvent> {
    let bytes = read_file(&workspace.events(), HISTORY_BYTES_MAX).unwrap_or_default();
    let mut past: Vec<PastEvent> = events::scan(&bytes).filter_map(|event| neutral(&event)).collect();
    // Several writers may have put them in another order.
    past.sort_by_key(|event| event.time);
    past
}

fn neutral(event: &Event) -> Option<PastEvent> {
    let action = match event.action.as_str() {
        "start" => Action::Start,
        "die" => Action::Die,
        "restart" => Action::Restart,
        _ => return None,
    };
    Some(PastEvent {
        id: identity::of_uuid(&event.uuid)?,
        name: event.name.clone(),
        action,
        time: Time(u64::try_from(event.time_ns).ok().filter(|&time| time > 0)?),
    })
}
