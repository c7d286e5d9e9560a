//! What a container runtime is to the rest of the bridge.
//!
//! A runtime knows the present: what exists, what runs. It does not know the journal, sockets or
//! clients. Nothing outside this folder names a particular runtime.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::time::Duration;

use wire::exec::ExecStarted;
use wire::files::{Commit, LogFile, PathChange, PathStat, WriteArchive};
use wire::network::NetworkInfo;
use wire::request::ImportImage;
use wire::response::ContainerUsage;
use wire::spec::Spec;
use wire::stats::{ProcessInfo, Stats};
use wire::{Container, ContainerId, ExecSpec, Image, ImageId};

mod bell;
mod change;
pub mod droidspaces;
mod error;
#[cfg(test)]
pub(crate) mod fake;
pub mod native;
mod processes;
mod registry;
mod stats;

pub use change::{Also, Change, Condition, Found, PastEvent, Started};
pub use error::RuntimeError;
pub(crate) use registry::Registry;

/// A further process to be started.
#[derive(Debug, Clone, Copy)]
pub struct ExecOrder<'a> {
    /// The id by which its end is told.
    pub id: &'a str,
    /// What it is to be, the size of its terminal included.
    pub spec: &'a ExecSpec,
    /// Whether nobody will read or write its streams, whatever `spec` says.
    pub detach: bool,
}

/// A further process that runs.
#[derive(Debug)]
pub struct ExecRun {
    /// What is answered.
    pub started: ExecStarted,
    /// The other ends of its streams, as `started` says.
    pub streams: Vec<OwnedFd>,
}

/// The other end of a container's standard input.
#[derive(Debug)]
pub struct InputEnd {
    /// Whether it is the master of a terminal; else it is the writing end of a pipe.
    pub terminal: bool,
    /// The descriptor.
    pub end: OwnedFd,
}

/// A tar that is being made.
pub struct Tar {
    /// What is in it.
    pub stat: PathStat,
    /// Where it comes out.
    pub stream: OwnedFd,
    /// Becomes readable when its maker has come to an end of it, one or another.
    pub ears: OwnedFd,
    /// Waits for its maker and says whether that was all of it. Called once `stream` was passed on
    /// and closed here; dropped, the maker ends with its next write after the reader has gone.
    pub end: Box<dyn FnOnce() -> Result<(), RuntimeError> + Send>,
}

impl fmt::Debug for Tar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tar")
            .field("stat", &self.stat)
            .finish_non_exhaustive()
    }
}

/// A container runtime. Calls that change one container never overlap; those that only look at it, and
/// signals to its further processes, may come at any time. Calls for different containers overlap.
pub trait Runtime: Send + Sync {
    /// Its name, as shown to users.
    fn name(&self) -> &'static str;

    /// What is there, asked once before anything else. From here on, every end of a running
    /// container is sent to `changes`, in order, once.
    ///
    /// # Errors
    /// When not even a list can be made; a single broken container is logged and left out.
    fn begin(&self, changes: Sender<Change>) -> Result<Vec<Found>, RuntimeError>;

    /// What happened before this bridge kept a journal, oldest first; empty once it was
    /// [taken over](Self::history_is_kept).
    fn history(&self) -> Vec<PastEvent> {
        Vec::new()
    }

    /// The history is durable elsewhere, and need not be told again.
    fn history_is_kept(&self) {}

    /// The networks of this runtime, their ids left open.
    fn networks(&self) -> Vec<NetworkInfo> {
        Vec::new()
    }

    /// Everything that a container is asked to be, what its specification does not show included.
    fn asked(&self, container: &Container) -> Spec {
        container.spec.clone()
    }

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

    /// Whether a container is ended by [`end`](Self::end); else by its signal, patience, and SIGKILL.
    fn ends_by_itself(&self) -> bool {
        false
    }

    /// Ends a container in the runtime's own way and returns once that is done. Called beside the
    /// calls that change the container, so that its end can be told meanwhile.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`] when it is gone.
    fn end(&self, _id: &ContainerId, _patience: Duration) -> Result<(), RuntimeError> {
        Err(unsupported("end of its own"))
    }

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

    /// Whether containers can be removed at all. Asked before one that runs is ended for it.
    ///
    /// # Errors
    /// [`RuntimeError::Unsupported`] with a sentence for the user.
    fn check_remove(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    /// Removes a container that does not run, with all its files.
    ///
    /// # Errors
    /// What could not be removed; asking again goes on from there.
    fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError>;

    /// Disk used by each container, measured now.
    fn usage(&self) -> Vec<ContainerUsage>;

    /// Every image, in any order.
    fn images(&self) -> Vec<Image>;

    /// Whether it makes images at all.
    fn takes_images(&self) -> bool {
        true
    }

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

    // What follows is about containers from within. A runtime gives what it has.

    /// The files of a container's log, oldest first, open for reading.
    ///
    /// # Errors
    /// What the operating system said. No log yet is no error but an empty list.
    fn open_log(&self, _id: &ContainerId) -> Result<Vec<(LogFile, OwnedFd)>, RuntimeError> {
        Err(unsupported("logs"))
    }

    /// Whether the files of a log hold what was written and nothing else: no entries, no times.
    fn logs_are_raw(&self) -> bool {
        false
    }

    /// Keeps the writing end of a pipe: a byte is written to it after each write to the log, and it is
    /// closed when this run, or the next one of a container that does not run, has written its last.
    ///
    /// # Errors
    /// What the operating system said.
    fn ring(&self, _id: &ContainerId, _bell: OwnedFd) -> Result<(), RuntimeError> {
        Err(unsupported("followers of logs"))
    }

    /// A way to the container's standard input. Where it closes with its first client, this is the
    /// only one.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`]; [`RuntimeError::Unsupported`] where it has none.
    fn open_input(&self, _id: &ContainerId) -> Result<InputEnd, RuntimeError> {
        Err(unsupported("standard input"))
    }

    /// Gives the container's terminal a size; does nothing where it has none.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`].
    fn resize(&self, _id: &ContainerId, _rows: u16, _columns: u16) -> Result<(), RuntimeError> {
        Err(unsupported("terminals"))
    }

    /// Whether a further process can be as it is asked to be. Asked when it is prepared, so that the client
    /// learns of it before it takes its connection over.
    ///
    /// # Errors
    /// [`RuntimeError::InvalidSpec`], [`RuntimeError::Unsupported`].
    fn check_exec(&self, _spec: &ExecSpec) -> Result<(), RuntimeError> {
        Ok(())
    }

    /// Starts a further process in a container that runs; its end is told as a [`Change`].
    ///
    /// # Errors
    /// As for a first process, and [`RuntimeError::NotRunning`].
    fn exec(&self, _id: &ContainerId, _order: ExecOrder<'_>) -> Result<ExecRun, RuntimeError> {
        Err(unsupported("further processes"))
    }

    /// Sends a signal to a further process; one that has ended is no error.
    ///
    /// # Errors
    /// What the operating system said.
    fn signal_exec(&self, _id: &ContainerId, _exec: &str, _signal: i32) -> Result<(), RuntimeError> {
        Err(unsupported("further processes"))
    }

    /// Every process of a container that runs, by rising number.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`].
    fn processes(&self, _id: &ContainerId) -> Result<Vec<ProcessInfo>, RuntimeError> {
        Err(unsupported("lists of processes"))
    }

    /// What a container that runs uses now.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`].
    fn stats(&self, _id: &ContainerId) -> Result<Stats, RuntimeError> {
        Err(unsupported("statistics"))
    }

    /// Freezes every process of a container, or thaws them, and returns once that is done.
    ///
    /// # Errors
    /// [`RuntimeError::NotRunning`]; [`RuntimeError::Unsupported`] on a kernel that cannot.
    fn freeze(&self, _id: &ContainerId, _frozen: bool) -> Result<(), RuntimeError> {
        Err(unsupported("freezing"))
    }

    /// Keeps changed limits and policy of a container, durably, and applies the limits at once where
    /// it runs. Warnings are for the user.
    ///
    /// # Errors
    /// Everything is as it was.
    fn update(&self, _container: &Container) -> Result<Vec<String>, RuntimeError> {
        Err(unsupported("changing limits"))
    }

    /// What differs from the image, sorted by path.
    ///
    /// # Errors
    /// What the operating system said.
    fn changes(&self, _id: &ContainerId) -> Result<Vec<PathChange>, RuntimeError> {
        Err(unsupported("lists of changes"))
    }

    /// What is at a path, as the container itself would find it; a last link is not followed.
    ///
    /// # Errors
    /// [`RuntimeError::NoSuchPath`].
    fn stat_path(&self, _id: &ContainerId, _path: &str) -> Result<PathStat, RuntimeError> {
        Err(unsupported("files"))
    }

    /// Packs what is at a path, under its last name.
    ///
    /// # Errors
    /// As [`stat_path`](Self::stat_path).
    fn read_archive(&self, _id: &ContainerId, _path: &str) -> Result<Tar, RuntimeError> {
        Err(unsupported("files"))
    }

    /// Unpacks a tar, read to its end, in a directory of the container.
    ///
    /// # Errors
    /// [`RuntimeError::NoSuchPath`], [`RuntimeError::NotADirectory`], [`RuntimeError::PathConflict`],
    /// [`RuntimeError::ReadOnly`], [`RuntimeError::InvalidArchive`]. What was unpacked before stays.
    fn write_archive(
        &self,
        _id: &ContainerId,
        _ask: &WriteArchive,
        _tar: OwnedFd,
    ) -> Result<(), RuntimeError> {
        Err(unsupported("files"))
    }

    /// Packs the whole root file system, without what is mounted in it.
    ///
    /// # Errors
    /// What the operating system said.
    fn export(&self, _id: &ContainerId) -> Result<Tar, RuntimeError> {
        Err(unsupported("exports"))
    }

    /// Makes an image of the container's root file system as it is now, durably.
    ///
    /// # Errors
    /// Nothing is left behind.
    fn commit(&self, _id: &ContainerId, _ask: &Commit) -> Result<Image, RuntimeError> {
        Err(unsupported("images of containers"))
    }
}

fn unsupported(what: &str) -> RuntimeError {
    RuntimeError::Unsupported(format!("this runtime has no {what}"))
}

/// A door for the fuzzer, which comes from outside.
#[cfg(fuzzing)]
pub use droidspaces::fuzz_workspace;
