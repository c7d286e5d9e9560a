//! Freezing containers and changing what they may use.

use std::sync::Arc;

use wire::files::Update;
use wire::spec::Resources;
use wire::{Action, Container, ContainerId, Refusal, RefusalCode, Status};

use super::run::refusal;
use super::{Supervisor, events};
use crate::clock;
use crate::lock::hold;
use crate::runtime::RuntimeError;

impl Supervisor {
    /// Freezes a container, or thaws it.
    pub(crate) fn freeze(&self, reference: &str, frozen: bool) -> Result<(), Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.may_touch(&id)?;
        self.ledger.writable()?;
        let turn = self.inventory.with(&id, |unit| Arc::clone(&unit.turn))?;
        let _turn = hold(&turn);
        let container = self.inventory.with(&id, |unit| unit.container.clone())?;
        let code = match (container.state.status, frozen) {
            (Status::Running, true) | (Status::Paused, false) => None,
            (Status::Paused, true) => Some(RefusalCode::Paused),
            (Status::Running, false) => Some(RefusalCode::NotPaused),
            (Status::Restarting, true) => Some(RefusalCode::Restarting),
            (_, true) => Some(RefusalCode::NotRunning),
            (_, false) => Some(RefusalCode::NotPaused),
        };
        if let Some(code) = code {
            return Err(Refusal::about(code, id.to_string()));
        }
        self.of_runtime(&id, |runtime| runtime.freeze(&id, frozen))?;
        let recorded = self.record_frozen(&container, frozen);
        if recorded.is_err() {
            // What cannot be told must not stand.
            let _ = self.of_runtime(&id, |runtime| runtime.freeze(&id, !frozen));
        }
        recorded
    }

    /// Thaws a container that is frozen, so that it can end. Called in its turn.
    pub(super) fn thaw_to_end(&self, container: &Container) -> Result<(), Refusal> {
        let id = &container.id;
        let runtime = self.runtime_of(id)?;
        if let Err(error) = runtime.freeze(id, false) {
            // Some kernels let what is frozen die: then there is nothing left to thaw.
            return match runtime.signal(id, 0) {
                Err(RuntimeError::NotRunning) => Ok(()),
                _ => Err(refusal(id, &error)),
            };
        }
        self.record_frozen(container, false)
    }

    fn record_frozen(&self, container: &Container, frozen: bool) -> Result<(), Refusal> {
        let (action, status) = if frozen {
            (Action::Pause, Status::Paused)
        } else {
            (Action::Unpause, Status::Running)
        };
        let event = events::of(container, action, clock::now());
        let (inventory, id) = (Arc::clone(&self.inventory), container.id);
        self.ledger.record(vec![event], move || {
            inventory.change(&id, |unit| unit.container.state.status = status);
        })?;
        self.health.look(&container.id, &container.spec);
        Ok(())
    }

    /// Changes limits and policy; answers with what the user should know.
    pub(crate) fn update(&self, update: &Update) -> Result<Vec<String>, Refusal> {
        let id = self.inventory.resolve(&update.reference)?;
        self.may_enter(&id)?;
        self.ledger.writable()?;
        let turn = self.inventory.with(&id, |unit| Arc::clone(&unit.turn))?;
        let _turn = hold(&turn);
        let before = self.inventory.with(&id, |unit| unit.container.clone())?;
        if matches!(before.state.status, Status::Removing | Status::Dead) {
            return Err(Refusal::because(
                RefusalCode::InvalidSpec,
                "Container is marked for removal and cannot be \"update\".",
            ));
        }
        let mut after = before.clone();
        merge_memory(&mut after.spec.resources, update)?;
        merge(&mut after.spec.resources, update);
        if let Some(policy) = &update.restart {
            if before.spec.auto_remove && policy.kind != wire::spec::RestartKind::No {
                return Err(Refusal::because(
                    RefusalCode::InvalidSpec,
                    "Restart policy cannot be updated because AutoRemove is enabled for the container",
                ));
            }
            after.spec.restart = policy.clone();
        }
        let runtime = self.runtime_of(&id)?;
        runtime.check(&after).map_err(|error| refusal(&id, &error))?;
        let warnings = runtime.update(&after).map_err(|error| refusal(&id, &error))?;
        if let Err(refusal) = self.record_update(&id, &after) {
            if let Err(error) = runtime.update(&before) {
                tracing::error!(%id, %error, "limits that could not be recorded stay");
            }
            return Err(refusal);
        }
        Ok(warnings)
    }

    fn record_update(&self, id: &ContainerId, after: &Container) -> Result<(), Refusal> {
        let event = events::of(after, Action::Update, clock::now());
        let (inventory, id) = (Arc::clone(&self.inventory), *id);
        let (resources, restart) = (after.spec.resources.clone(), after.spec.restart.clone());
        self.ledger.record(vec![event], move || {
            inventory.change(&id, |unit| {
                unit.container.spec.resources = resources;
                unit.container.spec.restart = restart;
            });
        })
    }
}

/// Swap that was not mentioned keeps its limit, also one that was only implied.
fn merge_memory(resources: &mut Resources, update: &Update) -> Result<(), Refusal> {
    let before = resources.memory_bytes;
    if let Some(memory) = update.memory_bytes {
        if update.memory_swap_bytes.is_none() && before != 0 && memory != 0 {
            if resources.memory_swap_bytes == 0 {
                resources.memory_swap_bytes = i64::try_from(before.saturating_mul(2)).unwrap_or(i64::MAX);
            }
            if u64::try_from(resources.memory_swap_bytes).is_ok_and(|together| together < memory) {
                return Err(Refusal::because(
                    RefusalCode::InvalidSpec,
                    "Memory limit should be smaller than already set memoryswap limit, \
                     update the memoryswap at the same time",
                ));
            }
        }
        resources.memory_bytes = memory;
    }
    if let Some(swap) = update.memory_swap_bytes {
        resources.memory_swap_bytes = swap;
    }
    Ok(())
}

fn merge(resources: &mut Resources, update: &Update) {
    fn set<T: Clone>(slot: &mut T, value: Option<&T>) {
        if let Some(value) = value {
            slot.clone_from(value);
        }
    }
    set(
        &mut resources.memory_reservation_bytes,
        update.memory_reservation_bytes.as_ref(),
    );
    set(&mut resources.nano_cpus, update.nano_cpus.as_ref());
    set(&mut resources.cpu_shares, update.cpu_shares.as_ref());
    set(&mut resources.cpu_period_us, update.cpu_period_us.as_ref());
    set(&mut resources.cpu_quota_us, update.cpu_quota_us.as_ref());
    set(&mut resources.cpuset_cpus, update.cpuset_cpus.as_ref());
    set(&mut resources.cpuset_mems, update.cpuset_mems.as_ref());
    set(&mut resources.pids_max, update.pids_max.as_ref());
}
