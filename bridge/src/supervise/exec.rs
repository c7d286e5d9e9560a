//! Further processes in a container that runs.

use std::os::fd::OwnedFd;

use wire::container::Exit;
use wire::exec::{CreateExec, ExecStarted, InspectExec, StartExec};
use wire::{ContainerId, Exec, Refusal, RefusalCode, Time};

use super::Supervisor;

impl Supervisor {
    /// Prepares a further process and says its id.
    pub(crate) fn create_exec(&self, _create: CreateExec) -> Result<String, Refusal> {
        Err(Refusal::about(RefusalCode::Unsupported, ""))
    }

    /// Starts a prepared process.
    pub(crate) fn start_exec(&self, _start: &StartExec) -> Result<(ExecStarted, Vec<OwnedFd>), Refusal> {
        Err(Refusal::about(RefusalCode::Unsupported, ""))
    }

    /// Ends a further process whose client is gone.
    pub(crate) fn hang_up_exec(&self, _id: &str) -> Result<(), Refusal> {
        Err(Refusal::about(RefusalCode::Unsupported, ""))
    }

    /// What a further process is.
    pub(crate) fn inspect_exec(&self, _inspect: &InspectExec) -> Result<Exec, Refusal> {
        Err(Refusal::about(RefusalCode::Unsupported, ""))
    }

    /// A further process ended.
    pub(super) fn exec_ended(&self, _container: &ContainerId, _exec: &str, _exit: &Exit, _finished_at: Time) {
    }
}
