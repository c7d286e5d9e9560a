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
pub(super) struct Lanes(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    lanes: HashMap<ContainerId, VecDeque<Change>>,
    /// Whose lane those take whom a change that still waits there gives another id.
    renamed: HashMap<ContainerId, ContainerId>,
}

impl Open {
    /// By which id a container's lane is known.
    fn key(&self, id: &ContainerId) -> ContainerId {
        *self.renamed.get(id).unwrap_or(id)
    }

    fn put(&mut self, key: ContainerId, change: Change) {
        if let Change::Altered { id, container, .. } = &change
            && container.id != *id
        {
            self.renamed.insert(container.id, key);
        }
        self.lanes.entry(key).or_default().push_back(change);
    }
}

impl Lanes {
    /// Puts a change at the end of its container's lane; gives it back where there is none.
    fn join(&self, id: &ContainerId, change: Change) -> Option<Change> {
        let mut open = hold(&self.0);
        let key = open.key(id);
        if !open.lanes.contains_key(&key) {
            return Some(change);
        }
        open.put(key, change);
        None
    }

    fn open(&self, id: ContainerId, first: Change) {
        hold(&self.0).put(id, first);
    }

    /// The next change of a lane, which is closed where there is none.
    fn next(&self, id: &ContainerId) -> Option<Change> {
        let mut open = hold(&self.0);
        let next = open.lanes.get_mut(id).and_then(VecDeque::pop_front);
        if next.is_none() {
            open.lanes.remove(id);
            open.renamed.retain(|_, key| key != id);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Also;

    #[test]
    fn what_comes_under_a_new_id_waits_behind_what_gives_it() {
        let (former, own) = (ContainerId([1; 32]), ContainerId([2; 32]));
        let lanes = Lanes::default();
        let vanished = |id| Change::Vanished { id };
        assert!(lanes.join(&own, vanished(own)).is_some(), "no lane is open");
        let container = wire::Container {
            id: own,
            ..wire::Container::default()
        };
        let altered = Change::Altered {
            id: former,
            container: Box::new(container),
            also: Also::default(),
        };
        lanes.open(former, altered.clone());
        assert_eq!(lanes.join(&own, vanished(own)), None);
        assert_eq!(lanes.next(&former), Some(altered));
        assert_eq!(lanes.next(&former), Some(vanished(own)));
        assert_eq!(lanes.next(&former), None);
        assert!(lanes.join(&own, vanished(own)).is_some(), "it is closed");
    }
}
