//! Containers from within: what only their shims can do, asked through the shim's own socket.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use nix::unistd::write;
use wire::ContainerId;
use wire::exec::ExecStarted;
use wire::files::{LOG_FILES_MAX, LogFile};
use wire::record::Value;

use super::NativeRuntime;
use super::watcher::WatchedExec;
use crate::runtime::bell::is_deserted;
use crate::runtime::{ExecOrder, ExecRun, InputEnd, RuntimeError};
use crate::shim::control::{connect_to, is_nobody};
use crate::shim::failure::Stage;
use crate::shim::log::{begin, number_of, path_of};
use crate::shim::record::{self, ASK_BYTES_MAX, Answer, Ask, AskKind, file};
use crate::sys::pidfd;

/// Longest wait for a shim's answer. It answers at once to all but the start of a process, which can
/// hang in the container (a frozen group, a dead disk); giving up ends that start.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Longest answer of a shim, in bytes: a failure's two texts fit.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Bells that wait for the start of a container, all containers together. Stops clients that attach
/// and never start from filling the bridge's table of descriptors.
const WAITING_BELLS_MAX: usize = 256;

/// Bells of containers that do not run.
#[derive(Debug, Default)]
pub(super) struct WaitingBells(Mutex<Vec<(ContainerId, OwnedFd)>>);

impl WaitingBells {
    fn change<T>(&self, change: impl FnOnce(&mut Vec<(ContainerId, OwnedFd)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps one; those whose reader has gone make room.
    fn keep(&self, id: &ContainerId, bell: OwnedFd) -> Result<(), RuntimeError> {
        self.change(|bells| {
            bells.retain(|(_, bell)| !is_deserted(bell));
            if bells.len() >= WAITING_BELLS_MAX {
                return Err(RuntimeError::system("keep a bell")(Errno::EMFILE));
            }
            bells.push((*id, bell));
            Ok(())
        })
    }

    /// Those of one container, which waits no more. Dropped, they are closed.
    pub(super) fn take(&self, id: &ContainerId) -> Vec<OwnedFd> {
        self.change(|bells| {
            let taken = bells.extract_if(.., |(of, _)| of == id);
            taken.map(|(_, bell)| bell).collect()
        })
    }
}

/// An answer, and where a second one may come from.
struct Told {
    connection: OwnedFd,
    answer: Answer,
    descriptors: Vec<OwnedFd>,
}

/// Asks the shim of the container in `directory`.
fn ask(directory: &Path, ask: &Ask, descriptors: &[BorrowedFd<'_>]) -> Result<Told, RuntimeError> {
    let failed = |error: io::Error| {
        if is_nobody(&error) {
            RuntimeError::NotRunning
        } else {
            RuntimeError::system("ask the shim")(error)
        }
    };
    if ask.encode().len() > ASK_BYTES_MAX {
        return Err(RuntimeError::InvalidSpec(format!(
            "command and environment are longer than {ASK_BYTES_MAX} bytes together"
        )));
    }
    let connection = connect_to(directory).map_err(failed)?;
    let wait = TimeVal::new(i64::try_from(ANSWER_WAIT.as_secs()).unwrap_or_default(), 0);
    setsockopt(&connection, sockopt::ReceiveTimeout, &wait).map_err(RuntimeError::system("ask the shim"))?;
    record::send_with(&connection, ask, descriptors).map_err(failed)?;
    let Some((answer, descriptors)) =
        record::receive_with::<Answer>(&connection, ANSWER_BYTES_MAX).map_err(failed)?
    else {
        return Err(RuntimeError::NotRunning);
    };
    match answer.failure {
        // There was nobody left to be joined.
        Some(failure)
            if failure.stage == Stage::Join && matches!(failure.errno, libc::ENOENT | libc::ESRCH) =>
        {
            Err(RuntimeError::NotRunning)
        }
        Some(failure) => Err(failure.into()),
        None => Ok(Told {
            connection,
            answer,
            descriptors,
        }),
    }
}

fn ring_at(directory: &Path, bell: &OwnedFd) -> Result<(), RuntimeError> {
    let order = Ask {
        kind: AskKind::Ring,
        ..Ask::default()
    };
    ask(directory, &order, &[bell.as_fd()]).map(drop)
}

/// The files, oldest first. They are opened newest first, for what is put aside meanwhile only grows
/// older: a file can be met twice, but none is missed.
pub(super) fn open_log(directory: &Path) -> Result<Vec<(LogFile, OwnedFd)>, RuntimeError> {
    let log = directory.join(file::LOG);
    let mut files: Vec<(LogFile, OwnedFd)> = Vec::new();
    for age in 0..LOG_FILES_MAX {
        let opened = match File::open(path_of(&log, age)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(RuntimeError::system("open the log"))?,
        };
        // A file of somebody else, or one that is just being begun.
        let Some(number) = number_of(&opened) else {
            continue;
        };
        if files.iter().all(|(have, _)| have.number != number) {
            let bytes = opened
                .metadata()
                .map_err(RuntimeError::system("open the log"))?
                .len();
            files.push((LogFile { number, bytes }, opened.into()));
        }
    }
    files.sort_by_key(|(file, _)| file.number);
    Ok(files)
}

impl NativeRuntime {
    /// A container that does not run keeps it until it does.
    pub(super) fn ring_bell(&self, id: &ContainerId, bell: OwnedFd) -> Result<(), RuntimeError> {
        let directory = self.directory(id);
        match ring_at(&directory, &bell) {
            Err(RuntimeError::NotRunning) if directory.exists() => {}
            Err(RuntimeError::NotRunning) => return Err(RuntimeError::NoSuchContainer(*id)),
            other => return other,
        }
        self.waiting.keep(id, bell)?;
        if let Err(error) = begin(&directory.join(file::LOG)) {
            tracing::warn!(%id, %error, "a log cannot be begun");
        }
        // It may have been started since, by somebody who found no bell to take along.
        if connect_to(&directory).is_ok() {
            self.hand_over_bells(id);
        }
        Ok(())
    }

    /// Gives the bells that have waited to the shim that runs the container now.
    pub(super) fn hand_over_bells(&self, id: &ContainerId) {
        let directory = self.directory(id);
        for bell in self.waiting.take(id) {
            match ring_at(&directory, &bell) {
                Ok(()) => {}
                // The run is over already: it began and it ended.
                Err(RuntimeError::NotRunning) => drop(write(&bell, b"\n")),
                Err(error) => tracing::warn!(container = %id, %error, "a follower of the log is let go"),
            }
        }
    }

    /// Asks for a way to the standard input.
    pub(super) fn ask_input(&self, id: &ContainerId) -> Result<InputEnd, RuntimeError> {
        let order = Ask {
            kind: AskKind::Input,
            ..Ask::default()
        };
        let told = ask(&self.directory(id), &order, &[])?;
        let end = told.descriptors.into_iter().next();
        Ok(InputEnd {
            terminal: told.answer.terminal,
            end: end.ok_or_else(|| RuntimeError::system("ask the shim")(Errno::EBADF))?,
        })
    }

    /// Asks for a size of the terminal.
    pub(super) fn ask_size(&self, id: &ContainerId, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        let order = Ask {
            kind: AskKind::Resize,
            rows,
            columns,
            ..Ask::default()
        };
        ask(&self.directory(id), &order, &[]).map(drop)
    }

    /// Asks for a further process, and watches for its end, which may be told before this returns.
    pub(super) fn ask_exec(&self, id: &ContainerId, order: ExecOrder<'_>) -> Result<ExecRun, RuntimeError> {
        let asked = Ask {
            kind: AskKind::Exec,
            exec: order.spec.clone(),
            detach: order.detach,
            ..Ask::default()
        };
        let Told {
            connection,
            answer,
            descriptors,
        } = ask(&self.directory(id), &asked, &[])?;
        let watched = WatchedExec {
            container: *id,
            id: order.id.to_owned(),
            pid: answer.pid,
            started_ticks: answer.started_ticks,
            connection,
        };
        self.with_watcher(|watcher| watcher.watch_exec(watched))
            .unwrap_or_else(|| Err(io::Error::other("begin was not called")))
            .map_err(|error| {
                // Nobody would ever hear of its end, so it must not go on.
                let _ = pidfd::signal(answer.pid, answer.started_ticks, libc::SIGKILL);
                RuntimeError::System {
                    attempt: "watch the process",
                    error,
                }
            })?;
        Ok(ExecRun {
            started: ExecStarted {
                pid: answer.pid,
                terminal: answer.terminal,
                input: answer.input,
                output: answer.output,
                error: answer.error,
            },
            streams: descriptors,
        })
    }

    /// Signals a further process; one that has ended is as good as signalled.
    pub(super) fn signal_further(&self, exec: &str, signal: i32) -> Result<(), RuntimeError> {
        let Some((pid, started_ticks)) = self.with_watcher(|watcher| watcher.exec(exec)).flatten() else {
            return Ok(());
        };
        match pidfd::signal(pid, started_ticks, signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                Err(RuntimeError::InvalidSpec(format!("invalid signal: {signal}")))
            }
            other => other.map_err(RuntimeError::system("send a signal")),
        }
    }
}
