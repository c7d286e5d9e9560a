//! A child of the bridge that serves a further process: the relay, or the command that it became.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::time::TimeVal;
use wire::Time;
use wire::container::Exit;
use wire::record::Value;

use crate::launcher;
use crate::relay::limits::TASK_BYTES_MAX;
use crate::relay::task::{Task, Word, Work};
use crate::runtime::RuntimeError;
use crate::shim::init::inside::descriptor_path;
use crate::shim::{now, record};

/// Longest wait for the runtime's command to be executed, which takes a few milliseconds.
const EXECUTION_WAIT: Duration = Duration::from_secs(10);

/// Who serves a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// The daemon: there is a relay.
    Daemon,
    /// The runtime's command.
    Command,
}

/// A process that serves another, and where its word comes from.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
    server: Server,
    bridge: OwnedFd,
}

impl Served {
    /// Starts one with this task. `program` is the relay's, held open.
    ///
    /// # Errors
    /// [`RuntimeError::InvalidSpec`] for a task that is too long; else what the system said.
    pub(super) fn spawn(program: &OwnedFd, task: &Task, passed: &[OwnedFd]) -> Result<Self, RuntimeError> {
        if task.encode().len() > TASK_BYTES_MAX {
            return Err(RuntimeError::InvalidSpec(format!(
                "command and environment are longer than {TASK_BYTES_MAX} bytes together"
            )));
        }
        let (bridge, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(RuntimeError::system("talk to the relay"))?;
        let borrowed: Vec<BorrowedFd<'_>> = passed.iter().map(AsFd::as_fd).collect();
        record::send_with(&bridge, task, &borrowed).map_err(RuntimeError::system("talk to the relay"))?;
        if task.work == Work::Become {
            let wait = TimeVal::new(i64::try_from(EXECUTION_WAIT.as_secs()).unwrap_or_default(), 0);
            setsockopt(&bridge, sockopt::ReceiveTimeout, &wait)
                .map_err(RuntimeError::system("talk to the relay"))?;
        }
        let mut command = Command::new(descriptor_path(program));
        command
            .arg0("socketd-bridge")
            .arg("relay")
            .env_clear()
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = launcher::spawn(command).map_err(RuntimeError::system("start the relay"))?;
        let server = match task.work {
            Work::Become => Server::Command,
            _ => Server::Daemon,
        };
        Ok(Self {
            child,
            server,
            bridge,
        })
    }

    /// Its number, which stays its own until its end was waited for.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has become the command.
    ///
    /// # Errors
    /// Why it did not.
    pub(super) fn await_execution(&self) -> io::Result<()> {
        match record::receive_message::<Word>(&self.bridge)? {
            // Closed by the execution.
            None => Ok(()),
            Some(word) => Err(io::Error::from_raw_os_error(word.errno)),
        }
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> (Exit, Time) {
        // A command has closed this when it was executed, so nothing more comes from it.
        let word = record::receive_message::<Word>(&self.bridge).ok().flatten();
        let status = self.child.wait();
        if let Some(errno) = word.as_ref().map(|word| word.errno).filter(|&errno| errno != 0) {
            let error = io::Error::from_raw_os_error(errno);
            tracing::warn!(%error, "a further process was not served");
        }
        match (word, self.server) {
            (Some(word), _) => (word.exit, word.finished_at),
            (None, Server::Command) => (status.map_or_else(|_| unknown(), exit_of), now()),
            (None, Server::Daemon) => (unknown(), now()),
        }
    }
}

impl Drop for Served {
    /// Nobody would ever hear of its end, so it must not go on. One that was waited for has ended.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unknown() -> Exit {
    Exit {
        unknown: true,
        ..Exit::default()
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    let killed = || status.signal().map(|signal| 128 + signal);
    let code = status.code().or_else(killed);
    code.and_then(|code| u32::try_from(code).ok())
        .map_or_else(unknown, |code| Exit {
            code,
            ..Exit::default()
        })
}
