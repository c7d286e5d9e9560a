//! What is asked, done by the same calls as through the other doors: one arm each.

use std::sync::{Arc, Once};

use wire::request::Stop;
use wire::v1::limits::{CONTAINERS_MAX, IMAGES_MAX, STOP_TIMEOUT_S};
use wire::v1::{Capabilities, Info, Lifecycle, Request, Response, Status};
use wire::{Container, ContainerId, Opcode, Refusal, RefusalCode, Time};

use super::{history, render};
use crate::supervise::{Supervisor, is_up};

/// Digits of an identifier that a reference may have.
const DIGITS_MAX: usize = 32;

/// Where requests are dealt with.
#[derive(Debug)]
pub(super) struct Desk {
    supervisor: Arc<Supervisor>,
    /// The log is told once that lists are cut, not at every one of them.
    cut: Once,
}

impl Desk {
    pub(super) fn new(supervisor: Arc<Supervisor>) -> Self {
        Self {
            supervisor,
            cut: Once::new(),
        }
    }

    /// The whole answer, as bytes.
    pub(super) fn frame(&self, request: &Request) -> Vec<u8> {
        let answer = self.answer(request).and_then(|response| response.to_frame());
        answer.unwrap_or_else(|status| status.to_frame().to_vec())
    }

    /// Does what is asked.
    pub(super) fn answer(&self, request: &Request) -> Result<Response, Status> {
        let supervisor = &self.supervisor;
        supervisor
            .ceiling()
            .judge_opcode(counterpart(request))
            .map_err(|denied| status(denied.into()))?;
        match request {
            Request::Ping => Ok(Response::Pong),
            Request::Capabilities => Ok(Response::Capabilities(Capabilities::ALL)),
            Request::Info => Ok(Response::Info(self.info())),
            Request::ListContainers { all } => {
                let containers = self.chosen(*all, CONTAINERS_MAX, render::container);
                Ok(Response::Containers(containers))
            }
            Request::ListImages => Ok(Response::Images(self.chosen(true, IMAGES_MAX, render::image))),
            Request::InspectContainer { target } => {
                let id = self.resolve(target)?;
                let inspect = supervisor
                    .inventory()
                    .with(&id, |unit| render::inspect(&unit.container));
                Ok(Response::Container(Box::new(inspect.map_err(status)?)))
            }
            Request::StartContainer(order) => {
                let id = self.resolve(&order.target)?;
                done(supervisor.start(&id.to_string()))
            }
            Request::StopContainer(order) => done(supervisor.stop(&self.order(order)?)),
            Request::RestartContainer(order) => done(supervisor.restart(&self.order(order)?)),
            Request::PollEvents { since_s } => {
                let events = history::newest(supervisor.ledger(), *since_s);
                events.map(Response::Events).map_err(|error| {
                    tracing::warn!(%error, "the journal cannot be read");
                    Status::InternalError
                })
            }
        }
    }

    fn info(&self) -> Info {
        let (mut total, mut running) = (0_u32, 0_u32);
        self.supervisor.inventory().each(|unit| {
            total = total.saturating_add(1);
            running = running.saturating_add(is_up(&unit.container.state).into());
        });
        Info {
            total,
            running,
            stopped: total.saturating_sub(running),
        }
    }

    /// Records of containers: those that run first, then the newest first. There are no pages, so where
    /// an answer cannot hold all, it holds as many as it can.
    fn chosen<T>(&self, all: bool, max: usize, record: impl Fn(&Container) -> T) -> Vec<T> {
        let inventory = self.supervisor.inventory();
        let mut keys: Vec<(bool, Time, ContainerId)> = Vec::new();
        inventory.each(|unit| {
            let up = is_up(&unit.container.state);
            if all || up {
                keys.push((up, unit.container.created_at, unit.container.id));
            }
        });
        keys.sort_unstable_by(|a, b| b.cmp(a));
        if keys.len() > max {
            self.cut.call_once(|| {
                let (there, shown) = (keys.len(), max);
                tracing::warn!(
                    there,
                    shown,
                    "version 1 cannot list all containers; the rest is left out"
                );
            });
            keys.truncate(max);
        }
        // One that goes meanwhile is not shown.
        keys.iter()
            .filter_map(|(_, _, id)| inventory.with(id, |unit| record(&unit.container)).ok())
            .collect()
    }

    /// Finds the container that is meant: by its name, or another that leads to it, or by the beginning of
    /// the 32 digits that version 1 has of its identifier, or of one it had before.
    fn resolve(&self, target: &str) -> Result<ContainerId, Status> {
        let digits = target.len() <= DIGITS_MAX && target.bytes().all(|byte| byte.is_ascii_hexdigit());
        let begins = |id: &ContainerId| digits && id.hex().as_str().starts_with(target);
        let (mut named, mut nearly, mut begun, mut several) = (None, None, None, false);
        self.supervisor.inventory().each(|unit| {
            let container = &unit.container;
            if container.name == target {
                named = Some(container.id);
            } else if unit.also.names.iter().any(|name| name == target) {
                nearly = Some(container.id);
            } else if begins(&container.id) || unit.also.ids.iter().any(begins) {
                several |= begun.is_some();
                begun = Some(container.id);
            }
        });
        match (named.or(nearly), begun) {
            (Some(id), _) => Ok(id),
            (None, Some(_)) if several => Err(Status::BadRequest),
            (None, Some(id)) => Ok(id),
            (None, None) => Err(Status::NotFound),
        }
    }

    /// A stop as the supervisor takes it. Where the request leaves the time open and the container says
    /// none of its own, it is version 1's.
    fn order(&self, order: &Lifecycle) -> Result<Stop, Status> {
        let id = self.resolve(&order.target)?;
        let own = self
            .supervisor
            .inventory()
            .with(&id, |unit| unit.container.spec.process.stop_timeout_s);
        let timeout_s = match (order.timeout_s, own.map_err(status)?) {
            (-1, Some(_)) => None,
            (-1, None) => i32::try_from(STOP_TIMEOUT_S).ok(),
            (seconds, _) => Some(seconds),
        };
        Ok(Stop {
            reference: id.to_string(),
            timeout_s,
            ..Stop::default()
        })
    }
}

/// What asks the same through the other doors.
fn counterpart(request: &Request) -> Opcode {
    match request {
        Request::Ping => Opcode::Ping,
        Request::Capabilities => Opcode::Capabilities,
        Request::Info => Opcode::Info,
        Request::ListContainers { .. } => Opcode::ListContainers,
        Request::ListImages => Opcode::ListImages,
        Request::InspectContainer { .. } => Opcode::InspectContainer,
        Request::StartContainer(_) => Opcode::Start,
        Request::StopContainer(_) => Opcode::Stop,
        Request::RestartContainer(_) => Opcode::Restart,
        Request::PollEvents { .. } => Opcode::PollEvents,
    }
}

fn done(outcome: Result<(), Refusal>) -> Result<Response, Status> {
    outcome.map(|()| Response::Done).map_err(status)
}

/// What version 1 has for a refusal. It has no words, so those go to the log.
fn status(refusal: Refusal) -> Status {
    let status = match refusal.code {
        RefusalCode::NoSuchContainer => Status::NotFound,
        RefusalCode::AmbiguousContainer => Status::BadRequest,
        RefusalCode::AlreadyRunning => Status::AlreadyRunning,
        RefusalCode::NotRunning => Status::AlreadyStopped,
        RefusalCode::NotPermitted => Status::Forbidden,
        _ => Status::InternalError,
    };
    match status {
        Status::InternalError => tracing::warn!(%refusal, "a request of version 1 failed"),
        Status::Forbidden => tracing::info!(%refusal, "a request of version 1 is refused"),
        _ => {}
    }
    status
}
