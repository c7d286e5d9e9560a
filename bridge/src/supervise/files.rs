//! A container's files: what changed, taking out, putting in, making an image of them.
//!
//! Reading takes no turn: it may last as long as its reader likes, and it touches nothing. Writing into
//! a container that runs takes none either, for the end of that container must be recorded meanwhile.
//! Writing into one that does not run keeps its turn, and so keeps it from being started: its layer can
//! be in use once.

use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};

use wire::event::attribute;
use wire::files::{Commit, ContainerPath, PathChange, PathStat, WriteArchive};
use wire::{Action, ContainerId, Event, Image, Refusal, RefusalCode, Status};

use super::images::image_refusal;
use super::run::{is_up, refusal};
use super::{Supervisor, events};
use crate::clock;
use crate::lock::hold;
use crate::runtime::{Runtime, RuntimeError, Tar};

impl Supervisor {
    /// What differs from the image.
    pub(crate) fn changes(&self, reference: &str) -> Result<Vec<PathChange>, Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.of_runtime(&id, |runtime| runtime.changes(&id))
    }

    /// What is at a path.
    pub(crate) fn stat_path(&self, ask: &ContainerPath) -> Result<PathStat, Refusal> {
        let id = self.inventory.resolve(&ask.reference)?;
        self.may_enter(&id)?;
        self.at_path(&id, |runtime| runtime.stat_path(&id, &ask.path))
    }

    /// Packs what is at a path.
    pub(crate) fn read_archive(&self, ask: &ContainerPath) -> Result<Tar, Refusal> {
        let id = self.inventory.resolve(&ask.reference)?;
        self.may_enter(&id)?;
        self.ledger.writable()?;
        let tar = self.at_path(&id, |runtime| runtime.read_archive(&id, &ask.path))?;
        let event = self.file_event(&id, Action::ReadArchive)?;
        let event = events::with(event, attribute::PATH, ask.path.as_str());
        self.ledger.record(vec![event], || {})?;
        Ok(tar)
    }

    /// Unpacks a tar in a container.
    pub(crate) fn write_archive(&self, ask: &WriteArchive, tar: OwnedFd) -> Result<(), Refusal> {
        let id = self.inventory.resolve(&ask.reference)?;
        self.may_enter(&id)?;
        self.ledger.writable()?;
        let turn = self.inventory.with(&id, |unit| Arc::clone(&unit.turn))?;
        {
            let turn = hold(&turn);
            let up = self.inventory.with(&id, |unit| is_up(&unit.container.state))?;
            let _turn = (!up).then_some(turn);
            self.at_path(&id, |runtime| runtime.write_archive(&id, ask, tar))?;
        }
        let event = self.file_event(&id, Action::WriteArchive)?;
        let event = events::with(event, attribute::PATH, ask.path.as_str());
        self.ledger.record_or_owe(vec![event], || {});
        Ok(())
    }

    /// Packs the whole root file system.
    pub(crate) fn export(&self, reference: &str) -> Result<Tar, Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.may_enter(&id)?;
        self.ledger.writable()?;
        let tar = self.of_runtime(&id, |runtime| runtime.export(&id))?;
        let event = self.file_event(&id, Action::Export)?;
        self.ledger.record(vec![event], || {})?;
        Ok(tar)
    }

    /// Makes an image of a container.
    pub(crate) fn commit(&self, commit: &Commit) -> Result<Image, Refusal> {
        let id = self.inventory.resolve(&commit.reference)?;
        self.may_enter(&id)?;
        self.ledger.writable()?;
        let runtime = self.runtime_of(&id)?;
        let running = self
            .inventory
            .with(&id, |unit| matches!(unit.container.state.status, Status::Running))?;
        let image = {
            // What the container was made from stays while it is read.
            let _image_use = self.image_use.read().unwrap_or_else(PoisonError::into_inner);
            let _still = if commit.pause && running {
                Still::hold(runtime.as_ref(), &id)?
            } else {
                None
            };
            runtime.commit(&id, commit).map_err(image_refusal)?
        };
        let mut told = Vec::new();
        if !commit.tag.is_empty() {
            told.push(events::image(&image.id, Action::Tag, &commit.tag));
        }
        // The container may have been removed meanwhile: then the image has only its own event.
        if let Ok(event) = self.file_event(&id, Action::Commit) {
            told.push(events::with(event, attribute::COMMENT, commit.comment.as_str()));
        }
        self.record_images(told)?;
        Ok(image)
    }

    fn file_event(&self, id: &ContainerId, action: Action) -> Result<Event, Refusal> {
        self.inventory
            .with(id, |unit| events::of(&unit.container, action, clock::now()))
    }

    /// Asks the runtime about a path; a refusal says in which container.
    fn at_path<T>(
        &self,
        id: &ContainerId,
        ask: impl FnOnce(&Arc<dyn Runtime>) -> Result<T, RuntimeError>,
    ) -> Result<T, Refusal> {
        let runtime = self.runtime_of(id)?;
        ask(&runtime).map_err(|error| match error {
            RuntimeError::NoSuchPath(_) => refusal(id, &error).held_by(id.to_string()),
            RuntimeError::PathConflict { path, reason } => {
                Refusal::about(RefusalCode::PathConflict, path).with_detail(reason)
            }
            error => refusal(id, &error),
        })
    }
}

/// A container that is frozen while its files are read. Dropped, it goes on.
struct Still<'a> {
    runtime: &'a dyn Runtime,
    id: &'a ContainerId,
}

impl<'a> Still<'a> {
    /// None where the container has ended, or this machine cannot freeze: then its files are read as
    /// they are.
    fn hold(runtime: &'a dyn Runtime, id: &'a ContainerId) -> Result<Option<Self>, Refusal> {
        match runtime.freeze(id, true) {
            Ok(()) => Ok(Some(Self { runtime, id })),
            Err(RuntimeError::Unsupported(_) | RuntimeError::NotRunning) => Ok(None),
            Err(error) => Err(refusal(id, &error)),
        }
    }
}

impl Drop for Still<'_> {
    fn drop(&mut self) {
        match self.runtime.freeze(self.id, false) {
            Ok(()) | Err(RuntimeError::NotRunning) => {}
            Err(error) => tracing::error!(id = %self.id, %error, "a container stays frozen"),
        }
    }
}

#[cfg(test)]
mod tests;
