//! At the start: what the journal remembers against what the runtimes find.
//!
//! The journal is the truth about the past, the runtime about the present. What happened while
//! nobody looked is recorded now, with its own time where somebody kept it.

use std::collections::HashSet;
use std::sync::mpsc::Sender;
use std::time::Duration;

use journal::fold::{ContainerPast, Past};
use wire::container::Exit;
use wire::event::attribute;
use wire::{Action, Container, Event, EventKind, Status, Time};

use super::{BeginError, Errand, Supervisor, events, restart, verdict};
use crate::clock;
use crate::runtime::{Change, Condition, Found};

/// How far the clocks by which a runtime tells a start and an end may lie apart.
const CLOCK_TOLERANCE_NS: u64 = 1_000_000_000;

impl Supervisor {
    /// Fills the inventory and records the differences. Says which containers are to be started.
    pub(super) fn reconcile(&self, past: Past, changes: &Sender<Change>) -> Result<Vec<Errand>, BeginError> {
        let mut told = Vec::new();
        let mut seen = HashSet::new();
        for runtime in self.runtimes.all() {
            for mut found in runtime.begin(changes.clone()).map_err(BeginError::Runtime)? {
                let container = &mut found.container;
                let actor = container.id.to_string();
                container.name = self.inventory.free_name(&container.name, &container.id);
                let mut before = past.containers.get(&actor);
                for former in found.also.ids.iter().map(ToString::to_string) {
                    let Some(past) = past.containers.get(&former) else {
                        continue;
                    };
                    if before.is_none() {
                        let created = events::of(&found.container, Action::Create, clock::now());
                        told.push(events::found_later(created));
                        before = Some(past);
                    }
                }
                let also = found.also.clone();
                let (container, stopped_by_hand) = settle(found, before, &mut told);
                seen.insert(actor);
                self.inventory.insert(container, stopped_by_hand, also);
            }
        }
        for (actor, before) in past.containers.iter().filter(|(actor, _)| !seen.contains(*actor)) {
            told.push(vanished(actor, before));
        }
        if !told.is_empty() {
            tracing::info!(
                events = told.len(),
                "recording what happened while the bridge was down"
            );
            self.ledger.record(told, || {}).map_err(BeginError::Record)?;
        }
        Ok(self.revivals())
    }

    fn revivals(&self) -> Vec<Errand> {
        let mut revivals = Vec::new();
        self.inventory.each(|unit| {
            let state = &unit.container.state;
            if matches!(state.status, Status::Exited) {
                if restart::revive_at_begin(unit) {
                    revivals.push(Errand::Revive {
                        id: unit.container.id,
                        ended_at: state.finished_at,
                        after: Duration::ZERO,
                    });
                } else if unit.container.spec.auto_remove {
                    revivals.push(Errand::Remove {
                        id: unit.container.id,
                    });
                }
            }
        });
        for errand in &revivals {
            if let Errand::Revive { id, .. } = errand {
                self.inventory
                    .change(id, |unit| unit.container.state.status = Status::Restarting);
            }
        }
        revivals
    }
}

/// One container: its state, and the events that lead from what the journal knows to it.
pub(super) fn settle(
    found: Found,
    before: Option<&ContainerPast>,
    told: &mut Vec<Event>,
) -> (Container, bool) {
    let Found {
        mut container,
        condition,
        ..
    } = found;
    let unknown = ContainerPast::default();
    if before.is_none() {
        told.push(events::found_later(events::of(
            &container,
            Action::Create,
            container.created_at,
        )));
    }
    let before = before.unwrap_or(&unknown);
    if !before.name.is_empty() && before.name != container.name {
        let renamed = events::of(&container, Action::Rename, clock::now());
        told.push(events::found_later(events::with(
            renamed,
            attribute::OLD_NAME,
            before.name.as_str(),
        )));
    }
    if !before.created_at.is_never() {
        container.created_at = before.created_at;
    }
    container.state.restart_count = before.restart_count;
    container.state.started_at = before.started_at;
    container.state.finished_at = before.finished_at;
    match condition {
        Condition::Created => {
            if before.running {
                lost(&mut container, told);
            } else if !before.started_at.is_never() {
                ended(
                    &mut container,
                    before.exit.clone().unwrap_or_else(nobody_saw),
                    before.finished_at,
                );
            }
        }
        Condition::Running {
            pid,
            started_at,
            since_boot_ns,
            frozen,
        } => {
            settle_run(&mut container, before, (pid, started_at, frozen), told);
            container.state.started_since_boot_ns = since_boot_ns;
        }
        Condition::Exited {
            exit,
            started_at,
            finished_at,
        } => {
            settle_end(&mut container, before, (exit, started_at, finished_at), told);
        }
    }
    (container, before.stopped_by_hand)
}

fn settle_run(
    container: &mut Container,
    before: &ContainerPast,
    (pid, started_at, frozen): (u32, Time, bool),
    told: &mut Vec<Event>,
) {
    if !(before.running && before.started_at == started_at) {
        if before.running {
            lost(container, told);
        }
        told.extend(events::started(container, started_at, pid, None));
    }
    let same_run = before.running && before.started_at == started_at;
    if frozen != (same_run && before.paused) {
        let action = if frozen { Action::Pause } else { Action::Unpause };
        told.push(events::found_later(events::of(container, action, clock::now())));
    }
    container.state.health = verdict::at_start(&container.spec);
    let state = &mut container.state;
    state.status = if frozen { Status::Paused } else { Status::Running };
    state.pid = pid;
    state.started_at = started_at;
    state.exit = None;
}

fn settle_end(
    container: &mut Container,
    before: &ContainerPast,
    (exit, started_at, finished_at): (Exit, Time, Time),
    told: &mut Vec<Event>,
) {
    let same_run = before.started_at == started_at || started_at.is_never();
    if same_run && !before.running {
        let known = if before.finished_at.is_never() {
            finished_at
        } else {
            before.finished_at
        };
        return ended(container, before.exit.clone().unwrap_or(exit), known);
    }
    let nameless = started_at.is_never();
    if same_run && nameless && finished_at.0.saturating_add(CLOCK_TOLERANCE_NS) < before.started_at.0 {
        // What is kept is the end of an earlier run. (One that says which run it ended is believed: a clock that
        // was set back makes an end lie before its start.)
        return lost(container, told);
    }
    if !same_run {
        if started_at < before.started_at {
            // A power loss brought the note of an earlier run back: of the last one nothing is known.
            return match &before.exit {
                Some(exit) if !before.running => ended(container, exit.clone(), before.finished_at),
                _ => lost(container, told),
            };
        }
        if before.running {
            lost(container, told);
        }
        told.extend(events::started(container, started_at, 0, None));
    }
    if !started_at.is_never() {
        container.state.started_at = started_at;
    }
    if finished_at.is_never() {
        return lost(container, told);
    }
    told.extend(events::ended(container, &exit, finished_at));
    ended(container, exit, finished_at);
}

/// It ran when the journal last heard of it, and nobody saw its end.
fn lost(container: &mut Container, told: &mut Vec<Event>) {
    let (exit, now) = (nobody_saw(), clock::now());
    told.extend(
        events::ended(container, &exit, now)
            .into_iter()
            .map(events::found_later),
    );
    ended(container, exit, now);
}

fn ended(container: &mut Container, exit: Exit, finished_at: Time) {
    let state = &mut container.state;
    state.status = Status::Exited;
    state.pid = 0;
    state.started_since_boot_ns = 0;
    state.finished_at = finished_at;
    state.exit = Some(exit);
}

pub(super) fn nobody_saw() -> Exit {
    Exit {
        unknown: true,
        ..Exit::default()
    }
}

/// A container that the journal knows and no runtime holds any more.
fn vanished(actor: &str, before: &ContainerPast) -> Event {
    let event = Event {
        time: clock::now(),
        kind: EventKind::Container,
        action: Action::Destroy,
        actor: actor.to_owned(),
        attributes: vec![wire::spec::Pair::new(attribute::NAME, before.name.as_str())],
        ..Event::default()
    };
    events::found_later(event)
}
