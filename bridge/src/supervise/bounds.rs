//! What the ceiling says of containers that are asked about.
//!
//! A container that has more than the ceiling allows is one that was made before the ceiling was lowered, or by
//! another program. It can be looked at, stopped, killed, frozen, renamed and removed; it is not started, not
//! entered, its files are not touched, and nothing about it is changed.

use wire::{Container, ContainerId, ExecSpec, Refusal};

use super::Supervisor;
use crate::ceiling::Denied;

impl Supervisor {
    /// Refuses to act on a container of a runtime whose containers are only to be looked at.
    pub(super) fn may_touch(&self, id: &ContainerId) -> Result<(), Refusal> {
        let runtime = self.inventory.with(id, |unit| unit.container.runtime.clone())?;
        Ok(self.ceiling.judge_runtime(&runtime)?)
    }

    /// Refuses to start, enter or change a container that has more than is allowed.
    pub(super) fn may_enter(&self, id: &ContainerId) -> Result<(), Refusal> {
        let container = self.inventory.with(id, |unit| unit.container.clone())?;
        Ok(self.within_bounds(&container)?)
    }

    /// Refuses a further process that is given more than is allowed, or is in a container that has it.
    pub(super) fn may_execute(&self, container: &Container, exec: &ExecSpec) -> Result<(), Refusal> {
        let asked = self.runtimes.find(&container.runtime)?.asked(container);
        Ok(self.ceiling.judge_exec(container, &asked, exec)?)
    }

    /// Judges a container with everything that it has.
    pub(super) fn within_bounds(&self, container: &Container) -> Result<(), Denied> {
        // Nobody runs one of a runtime that is not here, whatever it has.
        let asked = self
            .runtimes
            .find(&container.runtime)
            .map_or_else(|_| container.spec.clone(), |runtime| runtime.asked(container));
        self.ceiling.judge(container, &asked)
    }
}
