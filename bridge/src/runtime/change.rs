//! What a runtime tells: what is there, what was, what changes without anybody asking it.

use wire::container::Exit;
use wire::{Action, Container, ContainerId, Time};

/// What a runtime tells on its own account, as it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A container's first process ended.
    Exited {
        /// The container.
        id: ContainerId,
        /// How it ended.
        exit: Exit,
        /// When.
        finished_at: Time,
        /// Which run: when it started, in nanoseconds since the machine did; 0 where the runtime has but one.
        since_boot_ns: u64,
    },
    /// A further process ended.
    ExecEnded {
        /// The container.
        container: ContainerId,
        /// The process, by the id it was started with.
        exec: String,
        /// How it ended.
        exit: Exit,
        /// When.
        finished_at: Time,
    },
    /// A container was made by somebody else.
    Appeared(Box<Found>),
    /// A container is another than before, by somebody else's hand. Its state says nothing.
    Altered {
        /// The container, by the id it had.
        id: ContainerId,
        /// What it is now, perhaps with another id.
        container: Box<Container>,
        /// What else leads to it.
        also: Also,
    },
    /// A container was removed by somebody else.
    Vanished {
        /// The container.
        id: ContainerId,
    },
    /// A container's first process runs, and this bridge has not started it; or it has, and is told
    /// once more.
    Started {
        /// The container.
        id: ContainerId,
        /// What runs.
        started: Started,
        /// Whether it ended and started again from within.
        again: bool,
    },
    /// There are other images than before.
    ImagesChanged,
}

/// What leads to a container besides its own id and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Also {
    /// Ids it had before.
    pub ids: Vec<ContainerId>,
    /// Other spellings of its name.
    pub names: Vec<String>,
}

/// Something that happened before the bridge was there, as the runtime itself has kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// The container.
    pub id: ContainerId,
    /// Its name then.
    pub name: String,
    /// What happened.
    pub action: Action,
    /// When.
    pub time: Time,
}

/// Where a container stands when the bridge starts and asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Made, never started (or its last start failed).
    Created,
    /// Its first process runs; its end will be told as a [`Change`].
    Running {
        /// The first process.
        pid: u32,
        /// When it started.
        started_at: Time,
        /// When that was in nanoseconds since the machine started; zero where nobody knows.
        since_boot_ns: u64,
        /// Whether its processes are frozen.
        frozen: bool,
    },
    /// Its first process ended.
    Exited {
        /// How.
        exit: Exit,
        /// When it started.
        started_at: Time,
        /// When it ended; never where nobody saw it.
        finished_at: Time,
    },
}

/// A container that was there when the bridge started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// All of it but its state, which is left at its default.
    pub container: Container,
    /// Where it stands.
    pub condition: Condition,
    /// What else leads to it.
    pub also: Also,
}

/// A container whose first process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The first process.
    pub pid: u32,
    /// When it started.
    pub started_at: Time,
    /// When that was in nanoseconds since the machine started; zero where nobody knows. A later run of the same
    /// container has a greater one: what is told of runs may wait, and is told apart by it.
    pub since_boot_ns: u64,
    /// What the container is from this start on, where the start has given it another id.
    pub became: Option<Box<Container>>,
}
