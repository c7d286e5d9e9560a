//! A bridge that speaks version 1, seen as one of ours.
//!
//! Every call of this protocol is answered with what that one can say: lists and inspections are
//! translated, events get numbers and a memory, and what has no counterpart is refused by name. The
//! bridge serves one connection after the other and holds all of them up while a container stops, so
//! it is asked one thing at a time ([`rpc`]); who waits longer than a call may take is told so.
//!
//! What is kept between calls ([`known`], [`history`]) is what its answers leave out: which revision a
//! list has, when a container was first seen running, which events were told already.

mod address;
mod call;
mod events;
mod history;
mod host;
mod identity;
mod known;
mod lists;
mod orders;
mod rpc;
mod shape;
mod waits;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::Sender;
use wire::request::Nothing;
use wire::response::Capabilities;
use wire::v1::{Opcode as Stocked, Status};
use wire::{Flow, Opcode, Refusal, RefusalCode, Request, Response, v1};

pub use address::{AddressError, StockAddress};
pub(super) use call::Call;
pub(crate) use host::look as look_at_machine;

use self::history::History;
use self::known::Known;
use self::rpc::Rpc;
use super::LinkError;
use crate::dialer::Dialer;

/// The version of this protocol, as the rest of socketd speaks it.
const VERSION: u16 = 2;

/// What a call's frames are sent to.
type Frames = Sender<Result<(Flow, Response), LinkError>>;

/// Opcodes that have an answer.
const SERVED: &[Opcode] = &[
    Opcode::Ping,
    Opcode::Capabilities,
    Opcode::Info,
    Opcode::ListContainers,
    Opcode::InspectContainer,
    Opcode::ListImages,
    Opcode::PollEvents,
    Opcode::Subscribe,
    Opcode::Wait,
    Opcode::Start,
    Opcode::Stop,
    Opcode::Restart,
];

/// A bridge that speaks version 1.
#[derive(Debug)]
pub(super) struct Stock {
    rpc: Rpc,
    known: Mutex<Known>,
    history: Mutex<History>,
}

impl Stock {
    pub(super) fn new(address: StockAddress, dialer: Option<Dialer>) -> Self {
        Self {
            rpc: Rpc::new(address, dialer),
            known: Mutex::new(Known::new()),
            history: Mutex::new(History::new()),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request; ends early when nobody takes the frames any more.
    async fn serve(self: Arc<Self>, request: Request, frames: Frames) {
        let answer = match request {
            Request::Subscribe(subscribe) => self.subscribe(subscribe, &frames).await,
            Request::Wait(wait) => self.wait(wait, &frames).await,
            other => self.answer(other).await,
        };
        let _ = frames.send(answer.map(|response| (Flow::Last, response))).await;
    }

    /// The one frame of a short answer.
    async fn answer(&self, request: Request) -> Result<Response, LinkError> {
        match request {
            Request::Ping(_) => self.ping().await,
            Request::Capabilities(_) => Ok(Response::Capabilities(capabilities())),
            Request::Info(_) => self.info().await,
            Request::ListContainers(if_newer) => self.list_containers(if_newer).await,
            Request::InspectContainer(container) => self.inspect(&container.reference).await,
            Request::ListImages(if_newer) => self.list_images(if_newer).await,
            Request::PollEvents(poll) => self.poll(poll).await,
            Request::Start(container) => self.start(&container.reference).await,
            Request::Stop(stop) => self.stop(stop).await,
            Request::Restart(stop) => self.restart(stop).await,
            other => Err(unsupported(format!(
                "the bridge speaks version 1 of its protocol, which cannot {}",
                act(other.opcode())
            ))),
        }
    }

    async fn ping(&self) -> Result<Response, LinkError> {
        match self.rpc.ask(&v1::Request::Ping).await? {
            Ok(v1::Response::Pong) => Ok(Response::Pong(Nothing {})),
            other => Err(strange(Stocked::Ping, &other)),
        }
    }
}

fn capabilities() -> Capabilities {
    let opcodes: Vec<u16> = SERVED.iter().map(|opcode| opcode.number()).collect();
    Capabilities {
        version: VERSION,
        permitted: opcodes.clone(),
        opcodes,
        ..Capabilities::default()
    }
}

/// What an opcode without an answer asks for, as it follows "cannot".
fn act(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Create => "create containers",
        Opcode::Remove => "remove containers",
        Opcode::Rename => "rename containers",
        Opcode::Kill => "send signals",
        Opcode::Pause | Opcode::Unpause => "freeze or thaw containers",
        Opcode::Update => "change limits",
        Opcode::OpenLog | Opcode::Attach | Opcode::OpenInput | Opcode::Resize => "reach logs and terminals",
        Opcode::CreateExec | Opcode::StartExec | Opcode::InspectExec | Opcode::HangUpExec => {
            "run further processes"
        }
        Opcode::ListProcesses | Opcode::ReadStats => "tell what containers use",
        Opcode::DiskUsage => "tell how much disk is used",
        Opcode::ImportImage | Opcode::TagImage | Opcode::RemoveImage | Opcode::Commit => {
            "make, name or remove images"
        }
        _ => "reach the files of containers",
    }
}

/// What the bridge cannot do, in a sentence.
fn unsupported(detail: String) -> LinkError {
    refused(Refusal::because(RefusalCode::Unsupported, detail))
}

fn refused(refusal: Refusal) -> LinkError {
    LinkError::Refused(Arc::new(refusal))
}

/// An answer that has no better explanation.
fn strange(asked: Stocked, answer: &v1::Answer) -> LinkError {
    let detail = match answer {
        Ok(_) => format!("the bridge answered {asked:?} with something else"),
        Err(Status::Unsupported) => return unsupported(format!("the bridge does not know {asked:?}")),
        Err(status) => format!("the bridge answered {asked:?} with {status:?}, and does not say why"),
    };
    refused(Refusal::because(RefusalCode::RuntimeFailed, detail))
}
