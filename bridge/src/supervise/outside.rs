//! What happens to containers by somebody else's hand: another program of the runtime's, or the
//! container itself. It has happened, so it is recorded, never refused.

use std::sync::Arc;

use wire::event::attribute;
use wire::{Action, Container, ContainerId, Event};

use super::reconcile::{nobody_saw, settle};
use super::run::{is_past, is_up};
use super::{Supervisor, events};
use crate::clock;
use crate::lock::hold;
use crate::runtime::{Also, Found, Started};

impl Supervisor {
    /// A container was made.
    pub(super) fn appeared(&self, mut found: Found) {
        if self.inventory.is_full() {
            tracing::warn!(container = %found.container.id, "too many containers: this one is left out");
            return;
        }
        found.container.name = self
            .inventory
            .free_name(&found.container.name, &found.container.id);
        let (mut told, also) = (Vec::new(), found.also.clone());
        let (container, stopped_by_hand) = settle(found, None, &mut told);
        let inventory = Arc::clone(&self.inventory);
        self.ledger.record_or_owe(told, move || {
            inventory.insert(container, stopped_by_hand, also);
        });
    }

    /// A container is another than before. What happened to it stays: state, time of making.
    pub(super) fn altered(&self, id: &ContainerId, mut container: Container, also: Also) {
        let Ok(turn) = self.inventory.with(id, |unit| Arc::clone(&unit.turn)) else {
            return;
        };
        let _turn = hold(&turn);
        let Ok(before) = self.inventory.with(id, |unit| unit.container.clone()) else {
            return;
        };
        container.name = self.inventory.free_name(&container.name, &before.id);
        container.state = before.state.clone();
        container.created_at = before.created_at;
        if container == before && self.inventory.also(id) == also {
            return;
        }
        let told = alterations(&before, &container);
        let (inventory, id) = (Arc::clone(&self.inventory), before.id);
        self.ledger
            .record_or_owe(told, move || inventory.replace(&id, container, also));
    }

    /// A container was removed.
    pub(super) fn vanished(&self, id: &ContainerId) {
        let Ok(turn) = self.inventory.with(id, |unit| Arc::clone(&unit.turn)) else {
            return;
        };
        let _turn = hold(&turn);
        let Ok(container) = self.inventory.with(id, |unit| unit.container.clone()) else {
            return;
        };
        let (mut told, now) = (Vec::new(), clock::now());
        if is_up(&container.state) {
            told.extend(events::ended(&container, &nobody_saw(), now));
        }
        told.push(events::of(&container, Action::Destroy, now));
        self.execs_ended_with(&container.id, now);
        let (inventory, id) = (Arc::clone(&self.inventory), container.id);
        self.ledger.record_or_owe(told, move || inventory.remove(&id));
        self.execs.forget(&id);
        self.health.look(&id, &container.spec);
    }

    /// A container runs. `again`: it ended and started from within.
    pub(super) fn started_outside(&self, id: &ContainerId, started: &Started, again: bool) {
        let Ok(turn) = self.inventory.with(id, |unit| Arc::clone(&unit.turn)) else {
            return;
        };
        let _turn = hold(&turn);
        let Ok(container) = self.inventory.with(id, |unit| unit.container.clone()) else {
            return;
        };
        let state = &container.state;
        if is_up(state) && (state.started_at == started.started_at || is_past(state, started.since_boot_ns)) {
            return;
        }
        let mut told = Vec::new();
        if is_up(state) {
            told.extend(events::ended(&container, &nobody_saw(), started.started_at));
            self.execs_ended_with(&container.id, started.started_at);
        }
        told.extend(events::started(&container, started.started_at, started.pid, None));
        if again {
            told.push(events::of(&container, Action::Restart, started.started_at));
        }
        let (inventory, id, started) = (Arc::clone(&self.inventory), container.id, started.clone());
        self.ledger.record_or_owe(told, move || {
            inventory.change(&id, |unit| super::run::runs(unit, &started, 0));
        });
        self.health.look(&container.id, &container.spec);
    }

    /// Takes over what the runtimes have kept of the time before this journal. What it says of a
    /// container that is known already is known better here.
    pub(super) fn take_over_histories(&self, past: &mut journal::fold::Past) -> Result<(), wire::Refusal> {
        for runtime in self.runtimes.all() {
            let history = runtime.history();
            let known = |id: &ContainerId| past.containers.contains_key(&id.to_string());
            let told: Vec<Event> = history
                .iter()
                .filter(|event| !known(&event.id))
                .map(|event| events::past(event, runtime.name()))
                .collect();
            if !told.is_empty() {
                tracing::info!(
                    events = told.len(),
                    runtime = runtime.name(),
                    "taking over what happened before"
                );
                self.ledger.record(told.clone(), || {})?;
                told.iter().for_each(|event| past.apply(event));
            }
            runtime.history_is_kept();
        }
        Ok(())
    }
}

/// The events that lead from one to the other.
fn alterations(before: &Container, after: &Container) -> Vec<Event> {
    let now = clock::now();
    if before.id != after.id {
        let mut told = vec![events::of(after, Action::Create, now)];
        if is_up(&after.state) {
            told.extend(events::started(
                after,
                after.state.started_at,
                after.state.pid,
                None,
            ));
        }
        told.push(events::of(before, Action::Destroy, now));
        return told;
    }
    let mut told = Vec::new();
    if before.name != after.name {
        let renamed = events::of(after, Action::Rename, now);
        told.push(events::with(renamed, attribute::OLD_NAME, before.name.as_str()));
    }
    if before.spec.resources != after.spec.resources {
        told.push(events::of(after, Action::Update, now));
    }
    told
}
