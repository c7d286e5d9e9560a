//! What is asked.

use super::layout::{LifecyclePayload, ListPayload, PollPayload, Recorded, TargetPayload};
use super::limits::NAME_BYTES;
use super::{Invalid, RequestHeader, Status};

/// What is asked, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// Is anybody there?
    Ping,
    /// What can you do?
    Capabilities,
    /// How many containers are there?
    Info,
    /// Which containers are there?
    ListContainers,
    /// Everything about one container.
    InspectContainer,
    /// Start one.
    StartContainer,
    /// Stop one.
    StopContainer,
    /// Stop one, if it runs, and start it.
    RestartContainer,
    /// What do the containers' roots come from?
    ListImages,
    /// What happened?
    PollEvents,
}

impl Opcode {
    /// Every opcode, by rising number.
    pub const ALL: &'static [Self] = &[
        Self::Ping,
        Self::Capabilities,
        Self::Info,
        Self::ListContainers,
        Self::InspectContainer,
        Self::StartContainer,
        Self::StopContainer,
        Self::RestartContainer,
        Self::ListImages,
        Self::PollEvents,
    ];

    /// The number in the header.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Ping => 1,
            Self::Capabilities => 2,
            Self::Info => 3,
            Self::ListContainers => 4,
            Self::InspectContainer => 5,
            Self::StartContainer => 6,
            Self::StopContainer => 7,
            Self::RestartContainer => 8,
            Self::ListImages => 9,
            Self::PollEvents => 10,
        }
    }

    /// The opcode of a number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|opcode| opcode.number() == number)
    }
}

/// A container, and how long to wait for its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lifecycle {
    /// Its name, its UUID or a prefix of that; 1 to 255 bytes.
    pub target: String,
    /// How long it has to end by itself, in seconds: 0 not at all, -1 as long as the server thinks
    /// right (15). START passes over it, yet it must not be less than -1.
    pub timeout_s: i32,
}

impl Recorded for Lifecycle {
    type Record = LifecyclePayload;

    fn fill(&self, record: &mut LifecyclePayload) {
        record.target.set(&self.target);
        record.timeout_s.set(self.timeout_s);
    }

    fn read(record: &LifecyclePayload) -> Result<Self, Invalid> {
        let target = record.target.get();
        if target.is_empty() || !record.target.ends() {
            return Err(Invalid::Target);
        }
        let timeout_s = record.timeout_s.get();
        Ok(Self { target, timeout_s })
    }
}

/// The payload of INSPECT_CONTAINER.
struct Target(String);

impl Recorded for Target {
    type Record = TargetPayload;

    fn fill(&self, record: &mut TargetPayload) {
        record.target.set(&self.0);
    }

    fn read(record: &TargetPayload) -> Result<Self, Invalid> {
        let target = record.target.get();
        if target.is_empty() || !record.target.ends() {
            return Err(Invalid::Target);
        }
        Ok(Self(target))
    }
}

/// The payload of LIST_CONTAINERS.
struct List(bool);

impl Recorded for List {
    type Record = ListPayload;

    fn fill(&self, record: &mut ListPayload) {
        record.include_all = self.0.into();
    }

    fn read(record: &ListPayload) -> Result<Self, Invalid> {
        Ok(Self(record.include_all != 0))
    }
}

/// The payload of POLL_EVENTS.
struct Poll(i64);

impl Recorded for Poll {
    type Record = PollPayload;

    fn fill(&self, record: &mut PollPayload) {
        record.since_s.set(self.0);
    }

    fn read(record: &PollPayload) -> Result<Self, Invalid> {
        Ok(Self(record.since_s.get()))
    }
}

/// A request. One is sent on a connection, and then no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// Is anybody there?
    Ping,
    /// What can you do?
    Capabilities,
    /// How many containers are there?
    Info,
    /// Which containers are there?
    ListContainers {
        /// Those that do not run as well.
        all: bool,
    },
    /// Everything about one container.
    InspectContainer {
        /// Its name, its UUID or a prefix of that; 1 to 255 bytes.
        target: String,
    },
    /// Start one.
    StartContainer(Lifecycle),
    /// Stop one.
    StopContainer(Lifecycle),
    /// Stop one, if it runs, and start it.
    RestartContainer(Lifecycle),
    /// What do the containers' roots come from?
    ListImages,
    /// What happened?
    PollEvents {
        /// From this second on, the second itself included, in seconds since 1970; 0 for all.
        since_s: i64,
    },
}

impl Request {
    /// Its opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Ping => Opcode::Ping,
            Self::Capabilities => Opcode::Capabilities,
            Self::Info => Opcode::Info,
            Self::ListContainers { .. } => Opcode::ListContainers,
            Self::InspectContainer { .. } => Opcode::InspectContainer,
            Self::StartContainer(_) => Opcode::StartContainer,
            Self::StopContainer(_) => Opcode::StopContainer,
            Self::RestartContainer(_) => Opcode::RestartContainer,
            Self::ListImages => Opcode::ListImages,
            Self::PollEvents { .. } => Opcode::PollEvents,
        }
    }

    /// The container it is about.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::InspectContainer { target } => Some(target),
            Self::StartContainer(lifecycle)
            | Self::StopContainer(lifecycle)
            | Self::RestartContainer(lifecycle) => Some(&lifecycle.target),
            _ => None,
        }
    }

    /// Header and payload.
    ///
    /// # Errors
    /// [`Invalid::Target`] where the reference is empty, does not fit or holds a NUL.
    pub fn to_frame(&self) -> Result<Vec<u8>, Invalid> {
        let unfit = |target: &str| target.is_empty() || target.len() >= NAME_BYTES || target.contains('\0');
        if self.target().is_some_and(unfit) {
            return Err(Invalid::Target);
        }
        let mut payload = Vec::new();
        match self {
            Self::Ping | Self::Capabilities | Self::Info | Self::ListImages => (),
            Self::ListContainers { all } => List(*all).write(&mut payload),
            Self::InspectContainer { target } => Target(target.clone()).write(&mut payload),
            Self::StartContainer(lifecycle)
            | Self::StopContainer(lifecycle)
            | Self::RestartContainer(lifecycle) => lifecycle.write(&mut payload),
            Self::PollEvents { since_s } => Poll(*since_s).write(&mut payload),
        }
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let opcode = self.opcode();
        let header = RequestHeader { opcode, length }.to_bytes();
        Ok([&header, payload.as_slice()].concat())
    }

    /// Reads the payload that a header announced. A payload that is not needed is not looked at.
    ///
    /// # Errors
    /// The status to answer with.
    pub fn decode(header: RequestHeader, payload: &[u8]) -> Result<Self, Status> {
        if u32::try_from(payload.len()).ok() != Some(header.length) {
            return Err(Status::BadRequest);
        }
        let request = match header.opcode {
            Opcode::Ping => Self::Ping,
            Opcode::Capabilities => Self::Capabilities,
            Opcode::Info => Self::Info,
            Opcode::ListContainers if payload.is_empty() => Self::ListContainers { all: false },
            Opcode::ListContainers => Self::ListContainers {
                all: read::<List>(payload)?.0,
            },
            Opcode::InspectContainer => Self::InspectContainer {
                target: read::<Target>(payload)?.0,
            },
            Opcode::StartContainer => Self::StartContainer(read_lifecycle(payload)?),
            Opcode::StopContainer => Self::StopContainer(read_lifecycle(payload)?),
            Opcode::RestartContainer => Self::RestartContainer(read_lifecycle(payload)?),
            Opcode::ListImages => Self::ListImages,
            Opcode::PollEvents if payload.is_empty() => Self::PollEvents { since_s: 0 },
            Opcode::PollEvents => Self::PollEvents {
                since_s: read::<Poll>(payload)?.0,
            },
        };
        Ok(request)
    }
}

fn read<T: Recorded>(payload: &[u8]) -> Result<T, Status> {
    T::read_one(payload).map_err(|_| Status::BadRequest)
}

fn read_lifecycle(payload: &[u8]) -> Result<Lifecycle, Status> {
    let lifecycle: Lifecycle = read(payload)?;
    if lifecycle.timeout_s < -1 {
        return Err(Status::BadRequest);
    }
    Ok(lifecycle)
}
