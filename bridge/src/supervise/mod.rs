//! Runtime change, journal, inventory, publication: in that order, always.
//!
//! Everything that happens to a container goes through here, whether a client asked for it, a
//! policy, or the container itself. Knows no socket and no client.

mod bounds;
mod errand;
mod events;
mod exec;
mod files;
mod health;
mod images;
mod inside;
mod lanes;
mod ledger;
mod life;
mod names;
mod outside;
mod probe;
mod reconcile;
mod restart;
mod run;
#[cfg(test)]
mod tests;
mod tune;
mod verdict;

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, RwLock};
use std::thread;

use wire::container::Exit;
use wire::network::NetworkInfo;
use wire::response::ContainerUsage;
use wire::{Action, ContainerId, Refusal, Status, Time};

use crate::ceiling::Ceiling;
use crate::inventory::Inventory;
use crate::lock::hold;
use crate::publish::Publisher;
use crate::runtime::{Change, Registry, Runtime, RuntimeError};

pub(crate) use errand::Errand;
pub(crate) use inside::LogOpening;
pub(crate) use ledger::Ledger;
pub(crate) use restart::Backoff;
pub(crate) use run::is_up;

/// Runs the containers and keeps the books.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// The most that may be asked.
    ceiling: Arc<Ceiling>,
    runtimes: Registry,
    inventory: Arc<Inventory>,
    ledger: Ledger,
    errands: Sender<Errand>,
    execs: Arc<exec::Table>,
    health: health::Checks,
    lanes: lanes::Lanes,
    /// Read while a container is made from an image, written while an image goes.
    image_use: RwLock<()>,
}

/// Why the supervisor could not begin.
#[derive(Debug)]
pub enum BeginError {
    /// The journal.
    Journal(journal::OpenError),
    /// A runtime.
    Runtime(RuntimeError),
    /// What was found could not be written down.
    Record(Refusal),
    /// A thread could not be started.
    Thread(io::Error),
}

impl std::fmt::Display for BeginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(error) => write!(f, "cannot open the journal: {error}"),
            Self::Runtime(error) => write!(f, "cannot begin with the runtime: {error}"),
            Self::Record(refusal) => write!(f, "cannot record what was found: {refusal}"),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for BeginError {}

impl Supervisor {
    /// Opens the journal, asks every runtime what is there, records the differences, and from
    /// then on follows every change.
    ///
    /// # Errors
    /// Nothing runs that did not run before.
    pub(crate) fn begin(
        journal_dir: &Path,
        host_id: [u8; 32],
        options: journal::Options,
        runtimes: Registry,
        ceiling: Arc<Ceiling>,
    ) -> Result<Arc<Self>, BeginError> {
        let opened = journal::Journal::open(journal_dir, host_id, options).map_err(BeginError::Journal)?;
        ledger::log_report(&opened.report);
        let (errands, errands_due) = channel();
        let (changes_sender, changes) = channel();
        let supervisor = Arc::new(Self {
            ceiling,
            runtimes,
            inventory: Arc::new(Inventory::new()),
            ledger: Ledger::new(opened.journal, Arc::new(Publisher::default())),
            errands,
            execs: Arc::default(),
            health: health::Checks::new().map_err(BeginError::Thread)?,
            lanes: lanes::Lanes::default(),
            image_use: RwLock::new(()),
        });
        let mut past = opened.past;
        supervisor
            .take_over_histories(&mut past)
            .map_err(BeginError::Record)?;
        let revivals = supervisor.reconcile(past, &changes_sender)?;
        supervisor.refresh_images();
        drop(changes_sender);
        supervisor.follow(changes).map_err(BeginError::Thread)?;
        errand::spawn(Arc::clone(&supervisor), errands_due).map_err(BeginError::Thread)?;
        supervisor
            .ledger
            .record_or_owe(vec![events::daemon(Action::Start)], || {});
        health::spawn(Arc::clone(&supervisor)).map_err(BeginError::Thread)?;
        supervisor.inventory.each(|unit| {
            let container = &unit.container;
            supervisor.health.look(&container.id, &container.spec);
        });
        for errand in revivals {
            supervisor.send(errand);
        }
        Ok(supervisor)
    }

    /// Records that the bridge ends in order. Where this is missing before the next start, it did not.
    pub(crate) fn tell_of_end(&self) {
        self.ledger
            .record_or_owe(vec![events::daemon(Action::Stop)], || {});
    }

    /// Takes each lock that answers need, and gives it back: returns only where all of them can be had.
    pub(crate) fn touch(&self) {
        self.inventory.each(|_| {});
        let _ = (self.ledger.bounds(), self.ledger.failure());
    }

    /// The most that may be asked.
    pub(crate) fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }

    /// What exists now.
    pub(crate) fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// What happened.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The runtimes' names, the default first.
    pub(crate) fn runtime_names(&self) -> Vec<String> {
        self.runtimes.names()
    }

    /// The runtimes' networks, their ids left open.
    pub(crate) fn networks(&self) -> Vec<NetworkInfo> {
        let of = |runtime: &dyn Runtime| runtime.networks();
        self.runtimes.all().flat_map(of).collect()
    }

    /// Disk used by each container, measured now.
    pub(crate) fn usage(&self) -> Vec<ContainerUsage> {
        self.runtimes.all().flat_map(Runtime::usage).collect()
    }

    /// Follows the runtimes' changes for as long as any of them can send one.
    fn follow(self: &Arc<Self>, changes: Receiver<Change>) -> io::Result<()> {
        let supervisor = Arc::clone(self);
        let follow = move || {
            for change in changes {
                supervisor.take_in(change);
            }
        };
        thread::Builder::new()
            .name("changes".to_owned())
            .spawn(follow)
            .map(drop)
    }

    fn carry_out(&self, change: Change) {
        match change {
            Change::Exited {
                id,
                exit,
                finished_at,
                since_boot_ns,
            } => self.ended(&id, &exit, finished_at, since_boot_ns),
            Change::ExecEnded {
                container,
                exec,
                exit,
                finished_at,
            } => self.exec_ended(&container, &exec, &exit, finished_at),
            Change::Appeared(found) => self.appeared(*found),
            Change::Altered { id, container, also } => self.altered(&id, *container, also),
            Change::Vanished { id } => self.vanished(&id),
            Change::Started { id, started, again } => self.started_outside(&id, &started, again),
            Change::ImagesChanged => self.refresh_images(),
        }
    }

    /// A container's first process ended, that started so long after the machine.
    fn ended(&self, id: &ContainerId, exit: &Exit, finished_at: Time, since_boot_ns: u64) {
        let Ok(turn) = self.inventory.with(id, |unit| Arc::clone(&unit.turn)) else {
            return;
        };
        let turn = hold(&turn);
        let decided = self.inventory.with(id, |unit| {
            let running =
                run::is_up(&unit.container.state) && !run::is_past(&unit.container.state, since_boot_ns);
            running.then(|| {
                let verdict = restart::decide(unit, exit, finished_at);
                (
                    events::ended(&unit.container, exit, finished_at),
                    verdict,
                    unit.container.spec.auto_remove,
                )
            })
        });
        let Ok(Some((events, verdict, auto_remove))) = decided else {
            return;
        };
        self.execs_ended_with(id, finished_at);
        let (inventory, key, exit) = (Arc::clone(&self.inventory), *id, exit.clone());
        let status = if verdict.is_some() {
            Status::Restarting
        } else {
            Status::Exited
        };
        self.ledger.record_or_owe(events, move || {
            inventory.change(&key, |unit| {
                let state = &mut unit.container.state;
                state.status = status;
                state.pid = 0;
                state.started_since_boot_ns = 0;
                state.finished_at = finished_at;
                state.exit = Some(exit);
                if let Some(backoff) = verdict {
                    unit.backoff = backoff;
                }
            });
        });
        let _ = self
            .inventory
            .with(id, |unit| self.health.look(id, &unit.container.spec));
        drop(turn);
        if let Some(backoff) = verdict {
            self.send(Errand::Revive {
                id: *id,
                ended_at: finished_at,
                after: backoff.wait(),
            });
        } else if auto_remove {
            self.send(Errand::Remove { id: *id });
        }
    }

    fn send(&self, errand: Errand) {
        if self.errands.send(errand).is_err() {
            tracing::error!("errands are no longer run");
        }
    }

    /// The runtime that holds a container.
    fn runtime_of(&self, id: &ContainerId) -> Result<Arc<dyn Runtime>, Refusal> {
        let name = self.inventory.with(id, |unit| unit.container.runtime.clone())?;
        self.runtimes.find(&name)
    }
}
