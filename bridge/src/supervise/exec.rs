//! Further processes in a container that runs.
//!
//! The table of them is in memory alone: a process goes on under whoever watches it when the bridge
//! ends, but nobody can ask for it any more.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use wire::container::Exit;
use wire::event::attribute;
use wire::exec::{CreateExec, ExecStarted, InspectExec, StartExec};
use wire::record::Value;
use wire::{Action, Container, ContainerId, Event, Exec, ExecSpec, Refusal, RefusalCode, Status, Time};

use super::run::refusal;
use super::{Errand, Supervisor, events, names};
use crate::clock;
use crate::inventory::Unit;
use crate::limits::{EXECS_BYTES_MAX, EXECS_MAX};
use crate::lock::hold;
use crate::runtime::{ExecOrder, ExecRun, RuntimeError};
use crate::signal;

/// Exit code of a process that could not be executed.
const CANNOT_EXECUTE: u32 = 126;

/// Exit code of a process whose command is not there.
const NOT_FOUND: u32 = 127;

/// How far a further process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Prepared,
    Started,
    Ended,
}

#[derive(Debug)]
struct Entry {
    exec: Exec,
    /// Its place in the order of all that were prepared.
    number: u64,
    bytes: usize,
    stage: Stage,
    /// Whether it was asked to end because its client has gone.
    hung_up: bool,
}

#[derive(Debug, Default)]
struct Contents {
    entries: BTreeMap<String, Entry>,
    bytes: usize,
    next: u64,
}

/// The further processes that are known.
#[derive(Debug, Default)]
pub(super) struct Table {
    contents: Mutex<Contents>,
}

impl Table {
    /// Adds one. Where there is no room, the oldest that ended goes, then the oldest that was never
    /// started; one that runs never does.
    pub(super) fn insert(&self, exec: Exec) -> Result<(), Refusal> {
        let bytes = exec.spec.encode().len();
        let mut contents = hold(&self.contents);
        while contents.entries.len() >= EXECS_MAX || contents.bytes.saturating_add(bytes) > EXECS_BYTES_MAX {
            let spare = contents
                .entries
                .values()
                .filter(|entry| entry.stage != Stage::Started)
                .min_by_key(|entry| (entry.stage == Stage::Prepared, entry.number))
                .map(|entry| entry.exec.id.clone());
            match spare {
                Some(id) => contents.remove(&id),
                None => return Err(Refusal::about(RefusalCode::TooMany, "execs")),
            }
        }
        let number = contents.next;
        contents.next += 1;
        contents.bytes += bytes;
        let entry = Entry {
            number,
            bytes,
            stage: Stage::Prepared,
            hung_up: false,
            exec,
        };
        contents.entries.insert(entry.exec.id.clone(), entry);
        Ok(())
    }

    pub(super) fn remove(&self, id: &str) {
        hold(&self.contents).remove(id);
    }

    /// Forgets all of a container that is no more.
    pub(super) fn forget(&self, container: &ContainerId) {
        let mut contents = hold(&self.contents);
        let of_it = contents
            .entries
            .values()
            .filter(|entry| entry.exec.container == *container);
        let ids: Vec<String> = of_it.map(|entry| entry.exec.id.clone()).collect();
        for id in ids {
            contents.remove(&id);
        }
    }

    fn with<T>(&self, id: &str, look: impl FnOnce(&mut Entry) -> T) -> Result<T, Refusal> {
        let mut contents = hold(&self.contents);
        let entry = contents.entries.get_mut(id);
        entry
            .map(look)
            .ok_or_else(|| Refusal::about(RefusalCode::NoSuchExec, id))
    }

    fn running_in(&self, container: &ContainerId) -> Vec<String> {
        let contents = hold(&self.contents);
        let mut running: Vec<&Entry> = contents
            .entries
            .values()
            .filter(|entry| entry.exec.container == *container && entry.exec.running)
            .collect();
        running.sort_by_key(|entry| entry.number);
        running.iter().map(|entry| entry.exec.id.clone()).collect()
    }
}

#[cfg(test)]
impl Table {
    /// As if it had been started.
    pub(super) fn pretend_started(&self, id: &str) {
        self.with(id, |entry| entry.stage = Stage::Started)
            .expect("it is known");
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.with(id, |_| ()).is_ok()
    }
}

impl Contents {
    fn remove(&mut self, id: &str) {
        if let Some(entry) = self.entries.remove(id) {
            self.bytes -= entry.bytes;
        }
    }
}

impl Entry {
    fn ended(&mut self, code: Option<u32>, finished_at: Time) {
        self.stage = Stage::Ended;
        self.exec.running = false;
        self.exec.pid = 0;
        self.exec.exit_code = code;
        self.exec.finished_at = finished_at;
    }
}

impl Supervisor {
    /// Prepares a further process and says its id.
    pub(crate) fn create_exec(&self, create: CreateExec) -> Result<String, Refusal> {
        let id = self.inventory.resolve(&create.reference)?;
        self.ledger.writable()?;
        let container = self.inventory.with(&id, |unit| unit.container.clone())?;
        can_exec(&container)?;
        self.may_execute(&container, &create.spec)?;
        if create.spec.arguments.is_empty() {
            return Err(Refusal::because(
                RefusalCode::InvalidSpec,
                "No exec command specified",
            ));
        }
        self.of_runtime(&id, |runtime| runtime.check_exec(&create.spec))?;
        let (exec, event) = self.prepare(&container, create.spec)?;
        let recorded = self.ledger.record(vec![event], || {});
        if let Err(refusal) = recorded {
            self.execs.remove(&exec);
            return Err(refusal);
        }
        Ok(exec)
    }

    /// A place in the table, and the event that says so.
    fn prepare(&self, container: &Container, spec: ExecSpec) -> Result<(String, Event), Refusal> {
        let exec = names::new_id()?.to_string();
        let event = about(container, Action::ExecCreate, clock::now(), &exec);
        let event = events::with(event, attribute::COMMAND, spec.arguments.join(" "));
        self.execs.insert(Exec {
            id: exec.clone(),
            container: container.id,
            spec,
            ..Exec::default()
        })?;
        Ok((exec, event))
    }

    /// Starts a prepared process.
    pub(crate) fn start_exec(&self, start: &StartExec) -> Result<(ExecStarted, Vec<OwnedFd>), Refusal> {
        let id = self.execs.with(&start.id, |entry| entry.exec.container)?;
        self.ledger.writable()?;
        let turn = self.inventory.with(&id, |unit| Arc::clone(&unit.turn))?;
        let _turn = hold(&turn);
        let container = self.inventory.with(&id, |unit| unit.container.clone())?;
        let spec = self.execs.with(&start.id, |entry| {
            if entry.stage != Stage::Prepared {
                return Err(Refusal::about(RefusalCode::ExecStarted, start.id.as_str()));
            }
            can_exec(&container)?;
            self.may_execute(&container, &entry.exec.spec)?;
            entry.stage = Stage::Started;
            // From here on nobody asks for it, and it is most of what is kept.
            let env = std::mem::take(&mut entry.exec.spec.env);
            let mut spec = entry.exec.spec.clone();
            spec.env = env;
            if (start.rows, start.columns) != (0, 0) {
                (spec.rows, spec.columns) = (start.rows, start.columns);
            }
            Ok(spec)
        })??;
        let ran = self.run_exec(&container, &start.id, &spec, start.detach, Vec::new())?;
        Ok((ran.started, ran.streams))
    }

    /// Executes and records it, after `before`. Called in the container's turn.
    fn run_exec(
        &self,
        container: &Container,
        exec: &str,
        spec: &ExecSpec,
        detach: bool,
        before: Vec<Event>,
    ) -> Result<ExecRun, Refusal> {
        let runtime = self.runtime_of(&container.id)?;
        let order = ExecOrder {
            id: exec,
            spec,
            detach,
        };
        let ran = match runtime.exec(&container.id, order) {
            Ok(ran) => ran,
            Err(error) => {
                let code = match error {
                    RuntimeError::CommandNotFound { .. } => NOT_FOUND,
                    _ => CANNOT_EXECUTE,
                };
                let _ = self
                    .execs
                    .with(exec, |entry| entry.ended(Some(code), clock::now()));
                return Err(refusal(&container.id, &error));
            }
        };
        let started_at = clock::now();
        let event = about(container, Action::ExecStart, started_at, exec);
        let mut told = before;
        told.push(events::with(event, attribute::COMMAND, spec.arguments.join(" ")));
        let (table, key, pid) = (Arc::clone(&self.execs), exec.to_owned(), ran.started.pid);
        let recorded = self.ledger.record(told, move || {
            let _ = table.with(&key, |entry| {
                entry.exec.running = true;
                entry.exec.pid = pid;
                entry.exec.started_at = started_at;
            });
        });
        if let Err(refusal) = recorded {
            // A start that cannot be told must not stand.
            let _ = runtime.signal_exec(&container.id, exec, signal::KILL);
            let _ = self.execs.with(exec, |entry| entry.ended(None, clock::now()));
            return Err(refusal);
        }
        Ok(ran)
    }

    /// Prepares and starts a process that nobody asked for, unless the container is busy: then there is
    /// none. It writes, and nobody writes to it.
    pub(super) fn probe(
        &self,
        container: &Container,
        spec: ExecSpec,
    ) -> Option<Result<(String, ExecRun), Refusal>> {
        let turn = self
            .inventory
            .with(&container.id, |unit| Arc::clone(&unit.turn))
            .ok()?;
        let Ok(_turn) = turn.try_lock() else { return None };
        let run = |unit: &Unit| {
            let state = &unit.container.state;
            (state.status, state.started_at)
        };
        let now = self.inventory.with(&container.id, run).ok()?;
        if now != (Status::Running, container.state.started_at) || self.ledger.writable().is_err() {
            return None;
        }
        Some(self.prepare(container, spec.clone()).and_then(|(exec, created)| {
            let _ = self.execs.with(&exec, |entry| entry.stage = Stage::Started);
            match self.run_exec(container, &exec, &spec, false, vec![created]) {
                Ok(ran) => {
                    self.health.expect(&exec);
                    Ok((exec, ran))
                }
                Err(refusal) => {
                    self.execs.remove(&exec);
                    Err(refusal)
                }
            }
        }))
    }

    /// Ends a further process whose client is gone: asks it to, and kills it a while later.
    pub(crate) fn hang_up_exec(&self, id: &str) -> Result<(), Refusal> {
        let first = self.execs.with(id, |entry| {
            let first = entry.exec.running && !entry.hung_up;
            entry.hung_up |= first;
            first.then_some(entry.exec.container)
        })?;
        let Some(container) = first else { return Ok(()) };
        self.send(Errand::KillExec {
            container,
            exec: id.to_owned(),
        });
        self.signal_exec(&container, id, signal::TERM)
    }

    /// Kills a further process that did not end when it was asked to.
    pub(super) fn kill_exec(&self, container: &ContainerId, exec: &str) -> Result<(), Refusal> {
        self.signal_exec(container, exec, signal::KILL)
    }

    /// Sends a signal to a further process if it runs still.
    pub(super) fn signal_exec(
        &self,
        container: &ContainerId,
        exec: &str,
        signal: i32,
    ) -> Result<(), Refusal> {
        if !self.execs.with(exec, |entry| entry.exec.running).unwrap_or(false) {
            return Ok(());
        }
        self.of_runtime(container, |runtime| runtime.signal_exec(container, exec, signal))
    }

    /// What a further process is.
    pub(crate) fn inspect_exec(&self, inspect: &InspectExec) -> Result<Exec, Refusal> {
        self.execs.with(&inspect.id, |entry| entry.exec.clone())
    }

    /// Ids of the further processes that run in a container, oldest first.
    pub(crate) fn execs_of(&self, container: &ContainerId) -> Vec<String> {
        self.execs.running_in(container)
    }

    /// A further process ended. One that an earlier bridge started is in no table, but recorded.
    pub(super) fn exec_ended(&self, container: &ContainerId, exec: &str, exit: &Exit, finished_at: Time) {
        let Ok(turn) = self.inventory.with(container, |unit| Arc::clone(&unit.turn)) else {
            return;
        };
        let _turn = hold(&turn);
        self.record_exec_end(container, exec, exit, finished_at);
    }

    /// All that still run in a container whose first process ended: the kernel has killed them.
    pub(super) fn execs_ended_with(&self, container: &ContainerId, finished_at: Time) {
        let killed = Exit {
            code: 128 + signal::KILL.unsigned_abs(),
            ..Exit::default()
        };
        for exec in self.execs.running_in(container) {
            self.record_exec_end(container, &exec, &killed, finished_at);
        }
    }

    fn record_exec_end(&self, container: &ContainerId, exec: &str, exit: &Exit, finished_at: Time) {
        if self
            .execs
            .with(exec, |entry| entry.stage == Stage::Ended)
            .unwrap_or(false)
        {
            return;
        }
        let event = self.inventory.with(container, |unit| {
            about(&unit.container, Action::ExecDie, finished_at, exec)
        });
        let Ok(mut event) = event else { return };
        let code = (!exit.unknown).then_some(exit.code);
        if let Some(code) = code {
            event = events::with(event, attribute::EXIT_CODE, code.to_string());
        }
        let (table, key) = (Arc::clone(&self.execs), exec.to_owned());
        self.ledger.record_or_owe(vec![event], move || {
            let _ = table.with(&key, |entry| entry.ended(code, finished_at));
        });
        self.health.probe_ended(exec, code, finished_at);
    }

    /// Forgets a process that nobody will ask for.
    pub(super) fn forget_exec(&self, exec: &str) {
        self.execs.remove(exec);
    }
}

fn can_exec(container: &Container) -> Result<(), Refusal> {
    let code = match container.state.status {
        Status::Running => return Ok(()),
        Status::Paused => RefusalCode::Paused,
        Status::Restarting => RefusalCode::Restarting,
        _ => RefusalCode::NotRunning,
    };
    Err(Refusal::about(code, container.id.to_string()))
}

fn about(container: &Container, action: Action, time: Time, exec: &str) -> Event {
    events::with(events::of(container, action, time), attribute::EXEC, exec)
}
