//! Freezing a container that runs, and changing what it may use.

use std::io;

use wire::{Container, ContainerId};

use super::super::RuntimeError;
use super::{NativeRuntime, warnings};
use crate::shim::cgroup::Groups;
use crate::shim::plan::Plan;
use crate::shim::record::{self, Durability, file};

impl NativeRuntime {
    pub(super) fn set_frozen(&self, id: &ContainerId, frozen: bool) -> Result<(), RuntimeError> {
        let switched = Groups::of(&self.layout, id).freeze(frozen);
        switched.map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => RuntimeError::Unsupported(
                "Your kernel cannot freeze containers or the freezer cgroup is not mounted".to_owned(),
            ),
            _ => RuntimeError::System {
                attempt: if frozen {
                    "freeze the container"
                } else {
                    "thaw the container"
                },
                error,
            },
        })
    }

    /// Live first, for the kernel may refuse; then on disk, for the next start.
    pub(super) fn change_limits(&self, container: &Container) -> Result<Vec<String>, RuntimeError> {
        let id = &container.id;
        let mut kept = self.config(id)?;
        let (old, new) = (Plan::new(&kept)?, Plan::new(container)?);
        let runs = self.with_watcher(|watcher| watcher.run(id)).flatten().is_some();
        if runs {
            Groups::change(&self.layout, id, &old.group_limits, &new.group_limits)?;
        }
        kept.spec.resources = container.spec.resources.clone();
        kept.spec.restart = container.spec.restart.clone();
        let written = record::write(&self.directory(id), file::CONFIG, &kept, Durability::Synced);
        if written.is_err() && runs {
            Groups::change(&self.layout, id, &new.group_limits, &old.group_limits)?;
        }
        written.map_err(RuntimeError::system("write the container's configuration"))?;
        Ok(warnings::limits(&new, &self.layout))
    }
}
