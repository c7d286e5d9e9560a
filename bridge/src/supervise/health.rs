//! Health checks: a command that is run in a container again and again, and what its exit codes say.
//!
//! One thread for all of them. It sleeps until the next check is due, and for ever where there is
//! none. What it knows of a container is looked up when something happened to that container.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use wire::container::{Health, HealthStatus, Probe};
use wire::event::attribute;
use wire::{Action, Container, ContainerId, ExecSpec, RefusalCode, Spec, Status, Time};

use super::probe::Running;
use super::verdict::Check;
use super::{Supervisor, events, verdict};
use crate::clock;
use crate::inventory::Inventory;
use crate::limits::{KILL_TIMEOUT, PROBE_RETRY};
use crate::lock::hold;
use crate::signal;

#[derive(Debug)]
enum News {
    /// Something happened to a container.
    Look(ContainerId),
    /// A probe ended.
    Ended {
        exec: String,
        code: Option<u32>,
        finished_at: Time,
    },
}

#[derive(Debug, Default)]
struct Inbox {
    news: Vec<News>,
    /// Probes whose end is awaited, so that nobody else's wakes the thread.
    awaited: Vec<String>,
}

/// What the rest of the supervisor tells the thread.
#[derive(Debug)]
pub(super) struct Checks {
    inbox: Mutex<Inbox>,
    bell: EventFd,
}

impl Checks {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            inbox: Mutex::default(),
            bell: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        })
    }

    /// Something happened to this container. One that has no check wakes nobody.
    pub(super) fn look(&self, id: &ContainerId, spec: &Spec) {
        if Check::of(spec).is_some() {
            self.put(|inbox| inbox.news.push(News::Look(*id)));
        }
    }

    /// From here on the end of this probe is awaited. Called in its container's turn.
    pub(super) fn expect(&self, exec: &str) {
        hold(&self.inbox).awaited.push(exec.to_owned());
    }

    /// A further process ended. One that is no probe wakes nobody.
    pub(super) fn probe_ended(&self, exec: &str, code: Option<u32>, finished_at: Time) {
        let place = hold(&self.inbox).awaited.iter().position(|have| have == exec);
        if let Some(place) = place {
            self.put(|inbox| {
                inbox.awaited.swap_remove(place);
                inbox.news.push(News::Ended {
                    exec: exec.to_owned(),
                    code,
                    finished_at,
                });
            });
        }
    }

    fn put(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut hold(&self.inbox));
        let _ = self.bell.write(1);
    }

    fn take(&self) -> Vec<News> {
        let mut inbox = hold(&self.inbox);
        // Empty already is as good as emptied now.
        let _ = self.bell.read();
        std::mem::take(&mut inbox.news)
    }
}

/// One container that is checked.
#[derive(Debug)]
struct Monitor {
    /// Which run of it this is.
    run: Time,
    check: Check,
    /// When the next probe is due, while none runs.
    due: Instant,
    probe: Option<Running>,
}

impl Monitor {
    fn next(&self) -> Instant {
        self.probe.as_ref().map_or(self.due, |probe| probe.deadline)
    }
}

/// Starts the thread.
pub(super) fn spawn(supervisor: Arc<Supervisor>) -> io::Result<()> {
    thread::Builder::new()
        .name("health".to_owned())
        .spawn(move || {
            let mut watch = Watch {
                supervisor,
                monitors: BTreeMap::new(),
            };
            loop {
                watch.turn();
            }
        })
        .map(drop)
}

struct Watch {
    supervisor: Arc<Supervisor>,
    monitors: BTreeMap<ContainerId, Monitor>,
}

impl Watch {
    /// Waits for something and deals with it.
    fn turn(&mut self) {
        self.wait();
        let probes = self
            .monitors
            .values_mut()
            .filter_map(|monitor| monitor.probe.as_mut());
        probes.for_each(Running::read);
        for news in self.supervisor.health.take() {
            match news {
                News::Look(id) => self.look(&id),
                News::Ended {
                    exec,
                    code,
                    finished_at,
                } => self.ended(&exec, code, finished_at),
            }
        }
        let now = Instant::now();
        let due: Vec<ContainerId> = self
            .monitors
            .iter()
            .filter(|(_, monitor)| monitor.next() <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.due(&id, now);
        }
    }

    fn wait(&self) {
        let streams = self
            .monitors
            .values()
            .filter_map(|monitor| monitor.probe.as_ref());
        let mut fds = vec![PollFd::new(
            self.supervisor.health.bell.as_fd(),
            PollFlags::POLLIN,
        )];
        fds.extend(
            streams
                .flat_map(Running::streams)
                .map(|stream| PollFd::new(stream, PollFlags::POLLIN)),
        );
        let next = self.monitors.values().map(Monitor::next).min();
        let timeout = next.map_or(PollTimeout::NONE, |next| {
            let left = next.saturating_duration_since(Instant::now());
            // Rounded up, so that a wait of under a millisecond does not spin.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        // An interruption is a wait that was short.
        let _ = poll(&mut fds, timeout);
    }

    /// Brings what is known of a container in line with what it is now.
    fn look(&mut self, id: &ContainerId) {
        let now = self.supervisor.inventory.with(id, |unit| {
            let state = &unit.container.state;
            let runs = state.status == Status::Running;
            runs.then_some(state.started_at)
                .zip(Check::of(&unit.container.spec))
        });
        let wanted = now.ok().flatten();
        if let Some(monitor) = self.monitors.get(id)
            && wanted.as_ref().is_some_and(|(run, _)| *run == monitor.run)
        {
            return;
        }
        if let Some(monitor) = self.monitors.remove(id)
            && let Some(probe) = monitor.probe
        {
            // It ends unheard: with its container, or at the latest when that is thawed.
            let _ = self.supervisor.signal_exec(id, &probe.exec, signal::KILL);
        }
        if let Some((run, check)) = wanted {
            let due = Instant::now() + self.interval(id, &check);
            let monitor = Monitor {
                run,
                check,
                due,
                probe: None,
            };
            self.monitors.insert(*id, monitor);
        }
    }

    fn interval(&self, id: &ContainerId, check: &Check) -> Duration {
        let stands = self.supervisor.inventory.with(id, |unit| {
            let state = &unit.container.state;
            let health = state.health.as_ref();
            let starting = health.is_none_or(|health| health.status == HealthStatus::Starting);
            (clock::ran_for(state, clock::now()), starting)
        });
        let (ran, starting) = stands.unwrap_or_default();
        check.next(ran, starting)
    }

    fn due(&mut self, id: &ContainerId, now: Instant) {
        let Some(monitor) = self.monitors.get_mut(id) else {
            return;
        };
        match &mut monitor.probe {
            None => self.begin(id),
            Some(probe) if !probe.killed => {
                probe.killed = true;
                probe.deadline = now + KILL_TIMEOUT;
                if let Err(refusal) = self.supervisor.signal_exec(id, &probe.exec, signal::KILL) {
                    tracing::warn!(%id, %refusal, "a health check that takes too long cannot be killed");
                }
            }
            // Not even that: whatever it waits for, the next one is due.
            Some(_) => self.finish(id, None, clock::now()),
        }
    }

    fn begin(&mut self, id: &ContainerId) {
        let Ok(container) = self.supervisor.inventory.with(id, |unit| unit.container.clone()) else {
            self.monitors.remove(id);
            return;
        };
        let Some(monitor) = self.monitors.get_mut(id) else {
            return;
        };
        let started_at = clock::now();
        let ran = clock::ran_for(&container.state, started_at);
        match self
            .supervisor
            .probe(&container, spec_of(&container, &monitor.check))
        {
            None => monitor.due = Instant::now() + PROBE_RETRY,
            // Its end is about to be told, and says nothing of its health.
            Some(Err(refusal)) if refusal.code == RefusalCode::NotRunning => {
                monitor.due = Instant::now() + PROBE_RETRY;
            }
            Some(Ok((exec, began))) => {
                let deadline = Instant::now() + monitor.check.timeout;
                monitor.probe = Some(Running::new(exec, (started_at, ran), deadline, began.streams));
            }
            Some(Err(refusal)) => {
                let probe = Probe {
                    started_at,
                    ended_at: clock::now(),
                    exit_code: -1,
                    output: refusal.detail,
                };
                self.conclude(id, ran, probe);
            }
        }
    }

    fn ended(&mut self, exec: &str, code: Option<u32>, finished_at: Time) {
        self.supervisor.forget_exec(exec);
        let of = |monitor: &Monitor| monitor.probe.as_ref().is_some_and(|probe| probe.exec == exec);
        let id = self
            .monitors
            .iter()
            .find(|(_, monitor)| of(monitor))
            .map(|(id, _)| *id);
        if let Some(id) = id {
            self.finish(&id, code, finished_at);
        }
    }

    /// A probe ended, or is given up.
    fn finish(&mut self, id: &ContainerId, code: Option<u32>, ended_at: Time) {
        let Some(monitor) = self.monitors.get_mut(id) else {
            return;
        };
        let Some(mut probe) = monitor.probe.take() else {
            return;
        };
        // What was in the pipes when it ended.
        probe.read();
        let output = probe.text();
        let (exit_code, output) = if probe.killed {
            (-1, verdict::too_long(monitor.check.timeout, &output))
        } else {
            let code = code.and_then(|code| i32::try_from(code).ok());
            (code.unwrap_or(-1), output)
        };
        let ran = probe.ran;
        let probe = Probe {
            started_at: probe.started_at,
            ended_at,
            exit_code,
            output,
        };
        self.conclude(id, ran, probe);
    }

    /// Keeps what a probe says that began when its container had run for `ran`, tells of a change of mind, and sets
    /// the time of the next.
    fn conclude(&mut self, id: &ContainerId, ran: Duration, probe: Probe) {
        let Some(monitor) = self.monitors.get(id) else {
            return;
        };
        let (run, check) = (monitor.run, monitor.check.clone());
        self.supervisor.judge(id, (run, ran), &check, probe);
        let due = Instant::now() + self.interval(id, &check);
        if let Some(monitor) = self.monitors.get_mut(id) {
            monitor.due = due;
        }
    }
}

impl Supervisor {
    /// Takes a probe of one run of a container, so long after its begin, into its health.
    fn judge(&self, id: &ContainerId, (run, ran): (Time, Duration), check: &Check, probe: Probe) {
        let before = self.inventory.with(id, |unit| {
            let state = &unit.container.state;
            (super::is_up(state) && state.started_at == run)
                .then(|| state.health.clone().unwrap_or_else(verdict::starting))
        });
        let Ok(Some(mut health)) = before else { return };
        let old = health.status;
        verdict::judge(&mut health, check, ran, probe);
        let status = health.status;
        let (inventory, key) = (Arc::clone(&self.inventory), *id);
        let keep = move || keep(&inventory, &key, run, health);
        if status == old {
            return keep();
        }
        let event = self.inventory.with(id, |unit| {
            events::of(&unit.container, Action::HealthStatus, clock::now())
        });
        if let Ok(event) = event {
            let event = events::with(event, attribute::HEALTH, verdict::word(status));
            self.ledger.record_or_owe(vec![event], keep);
        }
    }
}

/// Nobody waits here for a container that is busy, so the run may have ended meanwhile.
fn keep(inventory: &Inventory, id: &ContainerId, run: Time, health: Health) {
    if inventory.with(id, |unit| unit.container.state.started_at == run) == Ok(true) {
        inventory.change(id, |unit| {
            let state = &mut unit.container.state;
            if state.started_at == run {
                state.health = Some(health);
            }
        });
    }
}

fn spec_of(container: &Container, check: &Check) -> ExecSpec {
    ExecSpec {
        arguments: check.arguments.clone(),
        attach_stdout: true,
        attach_stderr: true,
        privileged: container.spec.security.privileged,
        ..ExecSpec::default()
    }
}
