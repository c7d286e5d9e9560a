//! Starting and ending containers.

use std::sync::Arc;
use std::time::Duration;

use wire::container::Exit;
use wire::limits::STOP_TIMEOUT_S_MAX;
use wire::request::{Kill, Stop};
use wire::{Action, Container, ContainerId, Event, Refusal, RefusalCode, State, Status, Time};

use super::{Errand, Supervisor, events, verdict};
use crate::clock;
use crate::inventory::Unit;
use crate::limits::{KILL_TIMEOUT, STOP_TIMEOUT_S};
use crate::lock::hold;
use crate::runtime::{Runtime, RuntimeError, Started};
use crate::signal;

impl Supervisor {
    /// Starts a container that does not run.
    pub(crate) fn start(&self, reference: &str) -> Result<(), Refusal> {
        let id = self.inventory.resolve(reference)?;
        self.may_touch(&id)?;
        self.start_in_turn(&id, None)
    }

    /// Starts a container again, unless something happened to it since it ended.
    pub(super) fn revive(&self, id: &ContainerId, ended_at: Time) -> Result<(), Refusal> {
        self.start_in_turn(id, Some(ended_at))
    }

    /// Stops a container: its signal, a while, SIGKILL.
    pub(crate) fn stop(&self, stop: &Stop) -> Result<(), Refusal> {
        let id = self.inventory.resolve(&stop.reference)?;
        self.may_touch(&id)?;
        self.ledger.writable()?;
        if self.call_off_revival(&id)? {
            return Ok(());
        }
        self.bring_down(&id, stop)?;
        self.tell(&id, Action::Stop)
    }

    /// Stops a container if it runs, and starts it.
    pub(crate) fn restart(&self, stop: &Stop) -> Result<(), Refusal> {
        let id = self.inventory.resolve(&stop.reference)?;
        // Before it is stopped, for it would not start again.
        self.may_enter(&id)?;
        self.ledger.writable()?;
        match self.bring_down(&id, stop) {
            Ok(()) => self.tell(&id, Action::Stop)?,
            Err(refusal) if refusal.code == RefusalCode::NotRunning => {}
            Err(refusal) => return Err(refusal),
        }
        self.start_in_turn(&id, None)?;
        self.tell(&id, Action::Restart)
    }

    /// Sends a signal; for SIGKILL also waits for the end.
    pub(crate) fn kill(&self, kill: &Kill) -> Result<(), Refusal> {
        let id = self.inventory.resolve(&kill.reference)?;
        self.may_touch(&id)?;
        self.ledger.writable()?;
        let signal = match kill.signal {
            0 => signal::KILL,
            number => signal::checked(number)?,
        };
        let started_at = self.send_signal(&id, signal, false)?;
        if signal == signal::KILL {
            self.await_end(&id, started_at, Some(KILL_TIMEOUT))?;
        }
        Ok(())
    }

    /// Ends a container that runs, and waits until its end is recorded.
    pub(super) fn bring_down(&self, id: &ContainerId, stop: &Stop) -> Result<(), Refusal> {
        let (own_signal, own_timeout) = self.inventory.with(id, |unit| {
            let process = &unit.container.spec.process;
            (process.stop_signal.clone(), process.stop_timeout_s)
        })?;
        let signal = match stop.signal {
            0 => signal::parse(&own_signal).unwrap_or(signal::TERM),
            number => signal::checked(number)?,
        };
        let patience = patience(stop.timeout_s, own_timeout);
        let runtime = self.runtime_of(id)?;
        if stop.signal == 0 && runtime.ends_by_itself() {
            return self.let_end(runtime.as_ref(), id, patience);
        }
        let started_at = self.send_signal(id, signal, true)?;
        if signal != signal::KILL && self.await_end(id, started_at, Some(patience)).is_err() {
            match self.send_signal(id, signal::KILL, true) {
                // It ended in between.
                Err(refusal) if refusal.code == RefusalCode::NotRunning => return Ok(()),
                sent => sent?,
            };
        }
        self.await_end(id, started_at, Some(KILL_TIMEOUT))
    }

    /// Has the runtime end a container that runs, and waits until its end is recorded.
    fn let_end(&self, runtime: &dyn Runtime, id: &ContainerId, patience: Duration) -> Result<(), Refusal> {
        let turn = self.inventory.with(id, |unit| Arc::clone(&unit.turn))?;
        let state = {
            let _turn = hold(&turn);
            self.inventory.with(id, |unit| unit.container.state.clone())?
        };
        if !is_up(&state) {
            return Err(Refusal::about(RefusalCode::NotRunning, id.to_string()));
        }
        self.inventory.change(id, |unit| unit.stopped_by_hand = true);
        match runtime.end(id, patience) {
            // It may have ended meanwhile, and be on its way here.
            Ok(()) | Err(RuntimeError::NotRunning) => {}
            Err(error) => return Err(refusal(id, &error)),
        }
        self.await_end(id, state.started_at, Some(KILL_TIMEOUT))
    }

    /// Records that something was done to a container by hand.
    fn tell(&self, id: &ContainerId, action: Action) -> Result<(), Refusal> {
        let event = self
            .inventory
            .with(id, |unit| events::of(&unit.container, action, clock::now()));
        match event {
            Ok(event) => self.ledger.record(vec![event], || {}),
            // Gone already, as one with auto_remove may be; its `destroy` says so.
            Err(_) => Ok(()),
        }
    }

    /// Sends a signal to a container that runs; says which run of it that was. `ends`: whether it is to
    /// end by it, and so must not stay frozen.
    fn send_signal(&self, id: &ContainerId, signal: i32, ends: bool) -> Result<Time, Refusal> {
        let turn = self.inventory.with(id, |unit| Arc::clone(&unit.turn))?;
        let _turn = hold(&turn);
        let container = self.inventory.with(id, |unit| unit.container.clone())?;
        let started_at = container.state.started_at;
        if !is_up(&container.state) {
            return Err(Refusal::about(RefusalCode::NotRunning, id.to_string()));
        }
        match self.runtime_of(id)?.signal(id, signal) {
            Ok(()) => {}
            Err(RuntimeError::NotRunning) => {
                return Err(Refusal::about(RefusalCode::NotRunning, id.to_string()));
            }
            Err(error) => return Err(refusal(id, &error)),
        }
        let (inventory, key) = (Arc::clone(&self.inventory), *id);
        let event = events::killed(&container, signal);
        self.ledger.record(vec![event], move || {
            inventory.change(&key, |unit| unit.stopped_by_hand = true)
        })?;
        let own = signal::parse(&container.spec.process.stop_signal).unwrap_or(signal::TERM);
        if container.state.status == Status::Paused && (ends || signal == own || signal == signal::KILL) {
            // What is frozen does not even die.
            self.thaw_to_end(&container)?;
        }
        Ok(started_at)
    }

    /// Waits until that run of the container has ended.
    fn await_end(
        &self,
        id: &ContainerId,
        started_at: Time,
        timeout: Option<Duration>,
    ) -> Result<(), Refusal> {
        let over = |state: &State| !is_up(state) || state.started_at != started_at;
        if self.inventory.wait_for(id, timeout, over) {
            return Ok(());
        }
        let detail = "the container did not end in time";
        Err(Refusal::about(RefusalCode::RuntimeFailed, id.to_string()).with_detail(detail))
    }

    /// A container that waits for its restart stays ended instead. False where it does not wait.
    fn call_off_revival(&self, id: &ContainerId) -> Result<bool, Refusal> {
        let turn = self.inventory.with(id, |unit| Arc::clone(&unit.turn))?;
        let _turn = hold(&turn);
        let event = self.inventory.with(id, |unit| {
            let waits = unit.container.state.status == Status::Restarting;
            waits.then(|| events::of(&unit.container, Action::Stop, clock::now()))
        })?;
        let Some(event) = event else { return Ok(false) };
        let (inventory, id) = (Arc::clone(&self.inventory), *id);
        self.ledger.record(vec![event], move || {
            inventory.change(&id, |unit| {
                unit.stopped_by_hand = true;
                unit.container.state.status = Status::Exited;
            });
        })?;
        Ok(true)
    }

    /// Starts a container; with `ended_at` only if it still waits for a restart after that end.
    fn start_in_turn(&self, id: &ContainerId, ended_at: Option<Time>) -> Result<(), Refusal> {
        let turn = self.inventory.with(id, |unit| Arc::clone(&unit.turn))?;
        let _turn = hold(&turn);
        let container = self.inventory.with(id, |unit| unit.container.clone())?;
        let state = &container.state;
        match (state.status, ended_at) {
            (Status::Running | Status::Paused, _) => {
                return Err(Refusal::about(RefusalCode::AlreadyRunning, id.to_string()));
            }
            (Status::Removing | Status::Dead, _) => {
                return Err(Refusal::about(RefusalCode::NoSuchContainer, id.to_string()));
            }
            (Status::Restarting, Some(ended_at)) if state.finished_at == ended_at => {}
            (_, Some(_)) => return Ok(()),
            (_, None) => {}
        }
        self.ledger.writable()?;
        let by_policy = ended_at.map(|_| state.restart_count.saturating_add(1));
        let runtime = self.runtime_of(id)?;
        let judged = self.within_bounds(&container).map_err(RuntimeError::from);
        match judged.and_then(|()| runtime.start(id)) {
            Ok(started) => self.started(&container, started, by_policy),
            Err(RuntimeError::AlreadyRunning) => {
                Err(Refusal::about(RefusalCode::AlreadyRunning, id.to_string()))
            }
            Err(error) => {
                self.start_failed(id, &error);
                Err(refusal(id, &error))
            }
        }
    }

    fn started(
        &self,
        container: &Container,
        started: Started,
        by_policy: Option<u32>,
    ) -> Result<(), Refusal> {
        let (inventory, id) = (Arc::clone(&self.inventory), container.id);
        let restarts = by_policy.unwrap_or(0);
        let (told, became) = became(container, &started, by_policy);
        let recorded = self.ledger.record(told, move || {
            if let Some(became) = became {
                let mut also = inventory.also(&id);
                also.ids.push(id);
                inventory.replace(&id, became, also);
            }
            inventory.change(&id, |unit| runs(unit, &started, restarts));
        });
        self.health.look(&id, &container.spec);
        if recorded.is_err() {
            // A start that cannot be told must not stand.
            let _ = self.runtime_of(&id)?.signal(&id, signal::KILL);
        }
        recorded
    }

    /// A start that failed leaves its reason where a client can read it.
    fn start_failed(&self, id: &ContainerId, error: &RuntimeError) {
        tracing::info!(%id, %error, "a container could not be started");
        let code = match error {
            RuntimeError::CommandNotFound { .. } => 127,
            RuntimeError::CommandNotExecutable { .. } => 126,
            _ => 128,
        };
        self.inventory.change(id, |unit| {
            let state = &mut unit.container.state;
            if state.status == Status::Restarting {
                state.status = Status::Exited;
            }
            state.error = error.to_string();
            state.exit = Some(Exit {
                code,
                ..Exit::default()
            });
        });
        // One that was to go with its end has none to wait for.
        if let Ok(true) = self.inventory.with(id, |unit| unit.container.spec.auto_remove) {
            self.send(Errand::Remove { id: *id });
        }
    }
}

/// The events of a start, and what the container is from here on where the start made it another.
fn became(
    container: &Container,
    started: &Started,
    by_policy: Option<u32>,
) -> (Vec<Event>, Option<Container>) {
    let start = |container| events::started(container, started.started_at, started.pid, by_policy);
    let Some(became) = &started.became else {
        return (start(container), None);
    };
    let after = Container {
        name: container.name.clone(),
        created_at: container.created_at,
        state: container.state.clone(),
        ..Container::clone(became)
    };
    let mut told = vec![events::of(&after, Action::Create, started.started_at)];
    told.extend(start(&after));
    told.push(events::of(container, Action::Destroy, started.started_at));
    (told, Some(after))
}

/// A unit whose container has just started.
pub(super) fn runs(unit: &mut Unit, started: &Started, restart_count: u32) {
    unit.stopped_by_hand = false;
    let state = &mut unit.container.state;
    state.status = Status::Running;
    state.pid = started.pid;
    state.started_at = started.started_at;
    state.started_since_boot_ns = started.since_boot_ns;
    state.error.clear();
    state.restart_count = restart_count;
    // How the run before ended is history now.
    state.exit = None;
    state.health = verdict::at_start(&unit.container.spec);
}

/// Whether the first process exists.
pub(crate) fn is_up(state: &State) -> bool {
    matches!(state.status, Status::Running | Status::Paused)
}

/// Whether a run that started so long after the machine, in nanoseconds, is one before the run there is: what is
/// told of it waited for whoever started that one, and is over. 0 is no run that is known.
pub(super) fn is_past(state: &State, since_boot_ns: u64) -> bool {
    since_boot_ns != 0 && since_boot_ns < state.started_since_boot_ns
}

/// How long a container is given between signal and SIGKILL.
fn patience(asked_s: Option<i32>, own_s: Option<u32>) -> Duration {
    let seconds = match asked_s {
        None => own_s.unwrap_or(STOP_TIMEOUT_S),
        // For ever, as far as that goes.
        Some(negative) if negative < 0 => STOP_TIMEOUT_S_MAX,
        Some(seconds) => u32::try_from(seconds).unwrap_or(STOP_TIMEOUT_S),
    };
    Duration::from_secs(u64::from(seconds.min(STOP_TIMEOUT_S_MAX)))
}

/// What a client is told of a runtime's failure.
pub(super) fn refusal(id: &ContainerId, error: &RuntimeError) -> Refusal {
    let (code, subject) = match error {
        RuntimeError::NoSuchContainer(id) => (RefusalCode::NoSuchContainer, id.to_string()),
        RuntimeError::NoSuchImage(image) => (RefusalCode::NoSuchImage, image.to_string()),
        RuntimeError::NotRunning => (RefusalCode::NotRunning, id.to_string()),
        RuntimeError::AlreadyRunning => (RefusalCode::AlreadyRunning, id.to_string()),
        RuntimeError::CommandNotFound { command, .. } => (RefusalCode::CommandNotFound, command.clone()),
        RuntimeError::CommandNotExecutable { command, .. } => {
            (RefusalCode::CommandNotExecutable, command.clone())
        }
        RuntimeError::NoSuchUser(_) => (RefusalCode::NoSuchUser, String::new()),
        RuntimeError::InvalidSpec(_) => (RefusalCode::InvalidSpec, String::new()),
        RuntimeError::Unsupported(_) => (RefusalCode::Unsupported, String::new()),
        RuntimeError::NotPermitted(_) => (RefusalCode::NotPermitted, String::new()),
        RuntimeError::InvalidArchive(_) => (RefusalCode::InvalidArchive, String::new()),
        RuntimeError::NoSuchPath(path) => (RefusalCode::NoSuchPath, path.clone()),
        RuntimeError::NotADirectory(path) => (RefusalCode::NotADirectory, path.clone()),
        RuntimeError::PathConflict { path, .. } => (RefusalCode::PathConflict, path.clone()),
        RuntimeError::ReadOnly(path) => (RefusalCode::ReadOnly, path.clone()),
        RuntimeError::System { .. } => (RefusalCode::RuntimeFailed, id.to_string()),
    };
    Refusal::about(code, subject).with_detail(error.to_string())
}
