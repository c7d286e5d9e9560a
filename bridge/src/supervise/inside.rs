//! Looking into a container: its log, its terminal, its processes, what it uses.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use wire::event::attribute;
use wire::files::{LogFile, Resize};
use wire::stats::{ProcessInfo, Stats};
use wire::{Action, ContainerId, Refusal};

use super::run::refusal;
use super::{Supervisor, events};
use crate::clock;
use crate::runtime::{InputEnd, Runtime, RuntimeError};

/// A log, opened.
#[derive(Debug)]
pub(crate) struct LogOpening {
    /// Its files, oldest first.
    pub(crate) files: Vec<(LogFile, OwnedFd)>,
    /// Whether the container has a terminal.
    pub(crate) tty: bool,
    /// Whether it runs.
    pub(crate) running: bool,
    /// Whether the files hold what was written and nothing else.
    pub(crate) raw: bool,
}

impl Supervisor {
    /// Asks the runtime that holds a container.
    pub(super) fn of_runtime<T>(
        &self,
        id: &ContainerId,
        ask: impl FnOnce(&Arc<dyn Runtime>) -> Result<T, RuntimeError>,
    ) -> Result<T, Refusal> {
        let runtime = self.runtime_of(id)?;
        ask(&runtime).map_err(|error| refusal(id, &error))
    }

    /// Opens a container's log. `bell`: the writing end of the pipe that is to tell of what follows,
    /// known to the runtime before the files are opened, so that nothing falls between the two.
    pub(crate) fn open_log(&self, reference: &str, bell: Option<OwnedFd>) -> Result<LogOpening, Refusal> {
        let id = self.inventory.resolve(reference)?;
        if let Some(bell) = bell {
            self.of_runtime(&id, |runtime| runtime.ring(&id, bell))?;
        }
        // Before the files: what starts between the two must not be taken for what they hold.
        let (tty, running) = self.inventory.with(&id, |unit| {
            let container = &unit.container;
            (container.spec.process.tty, super::is_up(&container.state))
        })?;
        let runtime = self.runtime_of(&id)?;
        let files = runtime.open_log(&id).map_err(|error| refusal(&id, &error))?;
        Ok(LogOpening {
            files,
            tty,
            running,
            raw: runtime.logs_are_raw(),
        })
    }

    /// As [`open_log`](Self::open_log), for a client that is attached from here on.
    pub(crate) fn attach(&self, reference: &str, bell: Option<OwnedFd>) -> Result<LogOpening, Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.may_touch(&id)?;
        self.ledger.writable()?;
        let opening = self.open_log(reference, bell)?;
        let event = self.inventory.with(&id, |unit| {
            events::of(&unit.container, Action::Attach, clock::now())
        })?;
        self.ledger.record(vec![event], || {})?;
        Ok(opening)
    }

    /// Opens the way to a container's standard input.
    pub(crate) fn open_input(&self, reference: &str) -> Result<InputEnd, Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.may_enter(&id)?;
        self.of_runtime(&id, |runtime| runtime.open_input(&id))
    }

    /// Gives a container's terminal a size.
    pub(crate) fn resize(&self, resize: &Resize) -> Result<(), Refusal> {
        let id = self.inventory.resolve(&resize.reference)?;
        self.may_touch(&id)?;
        self.of_runtime(&id, |runtime| runtime.resize(&id, resize.rows, resize.columns))?;
        let event = self.inventory.with(&id, |unit| {
            events::of(&unit.container, Action::Resize, clock::now())
        })?;
        let event = events::with(event, attribute::ROWS, resize.rows.to_string());
        let event = events::with(event, attribute::COLUMNS, resize.columns.to_string());
        self.ledger.record(vec![event], || {})
    }

    /// The processes of a container that runs.
    pub(crate) fn processes(&self, reference: &str) -> Result<Vec<ProcessInfo>, Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.of_runtime(&id, |runtime| runtime.processes(&id))
    }

    /// What a container uses; all zero where it does not run.
    pub(crate) fn stats(&self, reference: &str) -> Result<Stats, Refusal> {
        let id = self.inventory.resolve(reference)?;
        let runtime = self.runtime_of(&id)?;
        match runtime.stats(&id) {
            Err(RuntimeError::NotRunning) => Ok(Stats::default()),
            other => other.map_err(|error| refusal(&id, &error)),
        }
    }
}
