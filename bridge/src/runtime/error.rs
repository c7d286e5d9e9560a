//! What a runtime can fail at.

use std::fmt;
use std::io;

use wire::{ContainerId, ImageId};

use crate::ceiling::Denied;

/// What a runtime can fail at.
#[derive(Debug)]
pub enum RuntimeError {
    /// The runtime has no such container.
    NoSuchContainer(ContainerId),
    /// The runtime has no such image.
    NoSuchImage(ImageId),
    /// The container's process is gone.
    NotRunning,
    /// It runs already: somebody else has started it.
    AlreadyRunning,
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
    /// The ceiling does not allow this; the sentence says what.
    NotPermitted(String),
    /// This runtime, or this kernel, cannot do this.
    Unsupported(String),
    /// A tar that is none, or holds what an image may not.
    InvalidArchive(String),
    /// Nothing is at this path of the container.
    NoSuchPath(String),
    /// What is at this path of the container is no directory.
    NotADirectory(String),
    /// What is at this path of the container stands in the way.
    PathConflict {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The container's file system refuses writing at this path.
    ReadOnly(String),
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

impl From<Denied> for RuntimeError {
    fn from(denied: Denied) -> Self {
        Self::NotPermitted(denied.to_string())
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchContainer(id) => write!(f, "no container {id}"),
            Self::NoSuchImage(id) => write!(f, "no image {id}"),
            Self::NotRunning => f.write_str("container is not running"),
            Self::AlreadyRunning => f.write_str("container is running already"),
            Self::CommandNotFound { command, reason } | Self::CommandNotExecutable { command, reason } => {
                write!(f, "exec: \"{command}\": {reason}")
            }
            Self::NoSuchUser(sentence)
            | Self::InvalidSpec(sentence)
            | Self::NotPermitted(sentence)
            | Self::Unsupported(sentence)
            | Self::InvalidArchive(sentence) => f.write_str(sentence),
            Self::NoSuchPath(path) => write!(f, "nothing is at {path}"),
            Self::NotADirectory(path) => write!(f, "{path} is no directory"),
            Self::PathConflict { path, reason } => write!(f, "{path}: {reason}"),
            Self::ReadOnly(path) => write!(f, "{path} cannot be written"),
            Self::System { attempt, error } => write!(f, "{attempt}: {error}"),
        }
    }
}

impl std::error::Error for RuntimeError {}
