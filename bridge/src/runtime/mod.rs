//! What a container runtime is to the rest of the bridge.
//!
//! A runtime knows the present: what exists, what runs. It does not know the journal, sockets or
//! clients. Nothing outside this folder names a particular runtime.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;

use wire::container::Exit;
use wire::request::ImportImage;
use wire::response::ContainerUsage;
use wire::{Container, ContainerId, Image, ImageId, Time};

#[cfg(test)]
pub(crate) mod fake;
pub mod native;
mod registry;

pub(crate) use registry::Registry;

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
    },
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
#[derive(Debug, Clone)]
pub struct Found {
    /// All of it but its state, which is left at its default.
    pub container: Container,
    /// Where it stands.
    pub condition: Condition,
}

/// A container whose first process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The first process.
    pub pid: u32,
    /// When it started.
    pub started_at: Time,
}

/// What a runtime can fail at.
#[derive(Debug)]
pub enum RuntimeError {
    /// The runtime has no such container.
    NoSuchContainer(ContainerId),
    /// The runtime has no such image.
    NoSuchImage(ImageId),
    /// The container's process is gone.
    NotRunning,
    /// The command is not in the root file system: exit code 127.
    CommandNotFound {
        /// The command as asked.
        command: String,
        /// The rest of the sentence, as `stat /x: no such file or directory`.
        reason: String,
    },
    /// The command cannot be executed: exit code 126.
    CommandNotExecutable {
        /// The command as asked.
        command: String,
        /// The rest of the sentence, as `permission denied`.
        reason: String,
    },
    /// No such user or group in the container; the sentence says who.
    NoSuchUser(String),
    /// The specification contradicts itself or the machine.
    InvalidSpec(String),
    /// This runtime, or this kernel, cannot do this.
    Unsupported(String),
    /// A tar that is none, or holds what an image may not.
    InvalidArchive(String),
    /// The operating system said no.
    System {
        /// What was tried.
        attempt: &'static str,
        /// What it said.
        error: io::Error,
    },
}

impl RuntimeError {
    /// For `map_err`: the attempt, then the error.
    pub fn system<E: Into<io::Error>>(attempt: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System {
            attempt,
            error: error.into(),
        }
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchContainer(id) => write!(f, "no container {id}"),
            Self::NoSuchImage(id) => write!(f, "no image {id}"),
            Self::NotRunning => f.write_str("container is not running"),
            Self::CommandNotFound { command, reason } | Self::CommandNotExecutable { command, reason } => {
                write!(f, "exec: \"{command}\": {reason}")
            }
            Self::NoSuchUser(sentence)
            | Self::InvalidSpec(sentence)
            | Self::Unsupported(sentence)
            | Self::InvalidArchive(sentence) => f.write_str(sentence),
            Self::System { attempt, error } => write!(f, "{attempt}: {error}"),
        }
    }
}

impl std::error::Error for RuntimeError {}

/// A container runtime. Calls for one container never overlap; calls for different ones do.
pub trait Runtime: Send + Sync {
    /// Its name, as shown to users.
    fn name(&self) -> &'static str;

    /// What is there, asked once before anything else. From here on, every end of a running
    /// container is sent to `changes`, in order, once.
    ///
    /// # Errors
    /// When not even a list can be made; a single broken container is logged and left out.
    fn begin(&self, changes: Sender<Change>) -> Result<Vec<Found>, RuntimeError>;

    /// What a specification asks for that this runtime does not do, in sentences for the user.
    ///
    /// # Errors
    /// [`RuntimeError::InvalidSpec`] or [`RuntimeError::Unsupported`] for what must not be ignored.
    fn check(&self, container: &Container) -> Result<Vec<String>, RuntimeError>;

    /// Makes a container, durably; fills in the paths that only the runtime knows.
    ///
    /// # Errors
    /// Nothing is left behind.
    fn create(&self, container: &mut Container) -> Result<(), RuntimeError>;

    /// Starts the first process and returns once it runs the command that was asked for.
    ///
    /// # Errors
    /// Nothing runs, and nothing is left behind that a later start would trip over.
    fn start(&self, id: &ContainerId) -> Result<Started, RuntimeError>;

    /// Sends a signal to the first process.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`] when it is gone.
    fn signal(&self, id: &ContainerId, signal: i32) -> Result<(), RuntimeError>;

    /// Keeps a new name, durably.
    ///
    /// # Errors
    /// The old name is kept.
    fn rename(&self, id: &ContainerId, name: &str) -> Result<(), RuntimeError>;

    /// Removes a container that does not run, with all its files.
    ///
    /// # Errors
    /// What could not be removed; asking again goes on from there.
    fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError>;

    /// Disk used by each container, measured now.
    fn usage(&self) -> Vec<ContainerUsage>;

    /// Every image, in any order.
    fn images(&self) -> Vec<Image>;

    /// Reads a tar to its end and makes an image of it, durably.
    ///
    /// # Errors
    /// Nothing is left behind.
    fn import_image(&self, import: &ImportImage, tar: OwnedFd) -> Result<Image, RuntimeError>;

    /// Gives an image one more name, taking it from whichever image had it.
    ///
    /// # Errors
    /// Names are as they were.
    fn tag_image(&self, id: &ImageId, tag: &str) -> Result<(), RuntimeError>;

    /// Takes a name from an image.
    ///
    /// # Errors
    /// Names are as they were.
    fn untag_image(&self, id: &ImageId, tag: &str) -> Result<(), RuntimeError>;

    /// Removes an image with its files.
    ///
    /// # Errors
    /// What could not be removed.
    fn remove_image(&self, id: &ImageId) -> Result<(), RuntimeError>;
}
