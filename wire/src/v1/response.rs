//! What is answered.

use super::layout::Recorded;
use super::limits::{CONTAINERS_MAX, EVENTS_MAX, IMAGES_MAX};
use super::{
    Capabilities, Container, Event, Image, Info, Inspect, Invalid, Opcode, ResponseHeader, Status, events,
};

/// Payload of the answer to PING.
pub(super) const PONG: &[u8; 4] = b"PONG";

/// An answer: what was asked for, or a status other than [`Status::Ok`].
pub type Answer = Result<Response, Status>;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// To PING.
    Pong,
    /// To CAPABILITIES.
    Capabilities(Capabilities),
    /// To INFO.
    Info(Info),
    /// To LIST_CONTAINERS; 372 at most.
    Containers(Vec<Container>),
    /// To INSPECT_CONTAINER.
    Container(Box<Inspect>),
    /// To START_CONTAINER, STOP_CONTAINER and RESTART_CONTAINER.
    Done,
    /// To LIST_IMAGES; 788 at most.
    Images(Vec<Image>),
    /// To POLL_EVENTS; 2841 at most. What is no event is passed over: servers send what they find in
    /// their file.
    Events(Vec<Event>),
}

impl Response {
    /// Header and payload.
    ///
    /// # Errors
    /// [`Status::InternalError`], the answer to give instead, where a list does not fit.
    pub fn to_frame(&self) -> Result<Vec<u8>, Status> {
        let mut payload = Vec::new();
        match self {
            Self::Pong => payload.extend_from_slice(PONG),
            Self::Capabilities(capabilities) => capabilities.write(&mut payload),
            Self::Info(info) => info.write(&mut payload),
            Self::Containers(containers) => write_all(containers, CONTAINERS_MAX, &mut payload)?,
            Self::Container(container) => container.write(&mut payload),
            Self::Done => (),
            Self::Images(images) => write_all(images, IMAGES_MAX, &mut payload)?,
            Self::Events(events) => write_all(events, EVENTS_MAX, &mut payload)?,
        }
        let length = u32::try_from(payload.len()).map_err(|_| Status::InternalError)?;
        let status = Status::Ok;
        let header = ResponseHeader { status, length }.to_bytes();
        Ok([&header, payload.as_slice()].concat())
    }

    /// Reads the payload that a header announced.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(asked: Opcode, header: ResponseHeader, payload: &[u8]) -> Result<Answer, Invalid> {
        if u32::try_from(payload.len()).ok() != Some(header.length) {
            return Err(Invalid::Torn);
        }
        if header.status != Status::Ok {
            return Ok(Err(header.status));
        }
        let response = match asked {
            Opcode::Ping if payload == PONG => Self::Pong,
            Opcode::Ping => return Err(Invalid::Pong),
            Opcode::Capabilities => Self::Capabilities(Recorded::read_one(payload)?),
            Opcode::Info => Self::Info(Recorded::read_one(payload)?),
            Opcode::ListContainers => Self::Containers(Recorded::read_all(payload)?),
            Opcode::InspectContainer => Self::Container(Box::new(Recorded::read_one(payload)?)),
            Opcode::StartContainer | Opcode::StopContainer | Opcode::RestartContainer => Self::Done,
            Opcode::ListImages => Self::Images(Recorded::read_all(payload)?),
            Opcode::PollEvents => Self::Events(events::scan(payload).collect()),
        };
        Ok(Ok(response))
    }
}

fn write_all<T: Recorded>(items: &[T], max: usize, out: &mut Vec<u8>) -> Result<(), Status> {
    if items.len() > max {
        return Err(Status::InternalError);
    }
    for item in items {
        item.write(out);
    }
    Ok(())
}
