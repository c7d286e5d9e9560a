//! Changes that wait for their container's turn, so that none of another container waits with them.
//!
//! A change whose container is busy opens a lane: a thread that waits for the turn and carries out, in
//! order, that change and all that come for the same container meanwhile. It ends with the last.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::thread;

use wire::ContainerId;

use super::Supervisor;
use crate::limits::LANE_STACK_BYTES;
use crate::lock::hold;
use crate::runtime::Change;

/// The lanes that are open.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<ContainerId, VecDeque<Change>>>);

impl Lanes {
    /// Puts a change at the end of its container's lane; gives it back where there is none.
    fn join(&self, id: &ContainerId, change: Change) -> Option<Change> {
        match hold(&self.0).get_mut(id) {
            Some(lane) => {
                lane.push_back(change);
                None
            }
            None => Some(change),
        }
    }

    fn open(&self, id: ContainerId, first: Change) {
        hold(&self.0).insert(id, VecDeque::from([first]));
    }

    /// The next change of a lane, which is closed where there is none.
    fn next(&self, id: &ContainerId) -> Option<Change> {
        let mut lanes = hold(&self.0);
        let next = lanes.get_mut(id).and_then(VecDeque::pop_front);
        if next.is_none() {
            lanes.remove(id);
        }
        next
    }
}

/// The container that a change is about; none for one that is about no container that is known.
fn about(change: &Change) -> Option<ContainerId> {
    match change {
        Change::Exited { id, .. }
        | Change::Altered { id, .. }
        | Change::Vanished { id }
        | Change::Started { id, .. } => Some(*id),
        Change::ExecEnded { container, .. } => Some(*container),
        Change::Appeared(found) => Some(found.container.id),
        Change::ImagesChanged => None,
    }
}

impl Supervisor {
    /// Carries a change out, or has it carried out once its container is free.
    pub(super) fn take_in(self: &Arc<Self>, change: Change) {
        let Some(id) = about(&change) else {
            return self.carry_out(change);
        };
        let Some(change) = self.lanes.join(&id, change) else {
            return;
        };
        let free = self.inventory.with(&id, |unit| unit.turn.try_lock().is_ok());
        if free.unwrap_or(true) {
            return self.carry_out(change);
        }
        self.lanes.open(id, change);
        let supervisor = Arc::clone(self);
        let lane = move || {
            while let Some(change) = supervisor.lanes.next(&id) {
                supervisor.carry_out(change);
            }
        };
        let thread = thread::Builder::new()
            .name("lane".to_owned())
            .stack_size(LANE_STACK_BYTES);
        if let Err(error) = thread.spawn(lane) {
            tracing::error!(%error, "a busy container keeps the changes of others waiting");
            while let Some(change) = self.lanes.next(&id) {
                self.carry_out(change);
            }
        }
    }
}
