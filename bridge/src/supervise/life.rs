//! Making, naming and removing containers.

use std::sync::{Arc, PoisonError};

use wire::request::{Create, Remove, Rename, Stop};
use wire::response::Created;
use wire::{Action, Container, ContainerId, Refusal, RefusalCode, Status};

use super::run::{is_up, refusal};
use super::{Supervisor, events, names};
use crate::clock;
use crate::lock::hold;
use crate::runtime::Also;
use crate::signal;

/// Tries at a name of our own before giving up.
const NAME_ATTEMPTS: u32 = 64;

impl Supervisor {
    /// Makes a container.
    pub(crate) fn create(&self, create: Create) -> Result<Created, Refusal> {
        self.ledger.writable()?;
        self.inventory.check_room(&create.spec)?;
        self.ceiling.judge_asked(&create.spec)?;
        let id = names::new_id()?;
        let name = self.take_name(&create.name, id)?;
        let made = self.create_named(id, name.clone(), create);
        if made.is_err() {
            self.inventory.release(&name);
        }
        made
    }

    fn take_name(&self, asked: &str, id: ContainerId) -> Result<String, Refusal> {
        if !asked.is_empty() {
            names::check(asked)?;
            self.inventory.reserve(asked, id)?;
            return Ok(asked.to_owned());
        }
        let mut last = Refusal::default();
        for attempt in 0..NAME_ATTEMPTS {
            let name = names::invent(&id, attempt);
            match self.inventory.reserve(&name, id) {
                Ok(()) => return Ok(name),
                Err(refusal) => last = refusal,
            }
        }
        Err(last)
    }

    fn create_named(&self, id: ContainerId, name: String, create: Create) -> Result<Created, Refusal> {
        let _image_use = self.image_use.read().unwrap_or_else(PoisonError::into_inner);
        let runtime = self
            .runtimes
            .of_image(&create.image_id)
            .map_err(|refusal| Refusal {
                subject: create.spec.image.clone(),
                ..refusal
            })?;
        self.ceiling.judge_runtime(runtime.name())?;
        let mut container = Container {
            id,
            name,
            runtime: runtime.name().to_owned(),
            created_at: clock::now(),
            image_id: create.image_id,
            spec: create.spec,
            ..Container::default()
        };
        let warnings = runtime.check(&container).map_err(|error| refusal(&id, &error))?;
        runtime
            .create(&mut container)
            .map_err(|error| refusal(&id, &error))?;
        let event = events::of(&container, Action::Create, container.created_at);
        let inventory = Arc::clone(&self.inventory);
        let recorded = self.ledger.record(vec![event], move || {
            inventory.insert(container, false, Also::default())
        });
        if let Err(refusal) = recorded {
            if let Err(error) = runtime.remove(&id) {
                tracing::error!(%id, %error, "a container that could not be recorded is left behind");
            }
            return Err(refusal);
        }
        Ok(Created { id, warnings })
    }

    /// Gives a container another name.
    pub(crate) fn rename(&self, rename: &Rename) -> Result<(), Refusal> {
        self.ledger.writable()?;
        let id = self.inventory.resolve(&rename.reference)?;
        self.may_touch(&id)?;
        names::check(&rename.name)?;
        let turn = self.inventory.with(&id, |unit| Arc::clone(&unit.turn))?;
        let _turn = hold(&turn);
        let mut container = self.inventory.with(&id, |unit| unit.container.clone())?;
        let old = std::mem::replace(&mut container.name, rename.name.clone());
        if old == rename.name {
            return Err(Refusal::about(RefusalCode::SameName, old));
        }
        self.inventory.reserve(&rename.name, id)?;
        let renamed = self.runtime_of(&id).and_then(|runtime| {
            runtime
                .rename(&id, &rename.name)
                .map_err(|error| refusal(&id, &error))?;
            let event = events::of(&container, Action::Rename, clock::now());
            let event = events::with(event, wire::event::attribute::OLD_NAME, old.as_str());
            let (inventory, name, gone) = (Arc::clone(&self.inventory), rename.name.clone(), old.clone());
            let recorded = self.ledger.record(vec![event], move || {
                inventory.change(&id, |unit| unit.container.name = name);
                inventory.release(&gone);
            });
            if recorded.is_err() {
                let _ = runtime.rename(&id, &old);
            }
            recorded
        });
        if renamed.is_err() {
            self.inventory.release(&rename.name);
        }
        renamed
    }

    /// Removes a container; with force also one that runs.
    pub(crate) fn remove_asked(&self, remove: &Remove) -> Result<(), Refusal> {
        let id = self.inventory.resolve(&remove.reference)?;
        self.may_touch(&id)?;
        self.remove(&remove.reference, remove.force)
    }

    /// Removes a container by name, id or prefix.
    pub(super) fn remove(&self, reference: &str, force: bool) -> Result<(), Refusal> {
        self.ledger.writable()?;
        let id = self.inventory.resolve(reference)?;
        self.of_runtime(&id, |runtime| runtime.check_remove())?;
        if self.inventory.with(&id, |unit| is_up(&unit.container.state))? {
            if !force {
                return Err(Refusal::about(RefusalCode::ContainerRunning, id.to_string()));
            }
            let kill = Stop {
                signal: signal::KILL.unsigned_abs(),
                ..Stop::default()
            };
            match self.bring_down(&id, &kill) {
                Err(refusal) if refusal.code != RefusalCode::NotRunning => return Err(refusal),
                _ => {}
            }
        }
        let turn = self.inventory.with(&id, |unit| Arc::clone(&unit.turn))?;
        let _turn = hold(&turn);
        let (container, before) = self
            .inventory
            .with(&id, |unit| (unit.container.clone(), unit.container.state.status))?;
        if is_up(&container.state) {
            return Err(Refusal::about(RefusalCode::ContainerRunning, id.to_string()));
        }
        self.inventory
            .change(&id, |unit| unit.container.state.status = Status::Removing);
        if let Err(error) = self.runtime_of(&id)?.remove(&id) {
            tracing::error!(%id, %error, "a container could not be removed");
            let status = if before == Status::Created {
                before
            } else {
                Status::Dead
            };
            self.inventory.change(&id, |unit| {
                unit.container.state.status = status;
                unit.container.state.error = error.to_string();
            });
            return Err(refusal(&id, &error));
        }
        let inventory = Arc::clone(&self.inventory);
        let event = events::of(&container, Action::Destroy, clock::now());
        self.ledger
            .record_or_owe(vec![event], move || inventory.remove(&id));
        self.execs.forget(&id);
        self.health.look(&id, &container.spec);
        Ok(())
    }
}
