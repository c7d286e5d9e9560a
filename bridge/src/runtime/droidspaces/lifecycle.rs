//! Starting and ending containers by the runtime's own command.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::libc;
use wire::ContainerId;

use super::DroidspacesRuntime;
use super::cli::Outcome;
use super::entry::Entry;
use super::limits::{COMMAND_MARGIN, OWN_PATIENCE};
use crate::limits::KILL_TIMEOUT;
use crate::lock::hold;
use crate::runtime::{RuntimeError, Started};
use crate::sys::pidfd;

/// SIGRTMIN+3 as the C library of a systemd counts it, whichever library this program has.
const SYSTEMD_HALT: i32 = 37;

/// What a command is asked about.
struct Target {
    directory: String,
    /// How the command is told which container is meant.
    option: String,
    turn: Arc<std::sync::Mutex<()>>,
    /// The kind of init in it.
    init: String,
    has_own_init: bool,
}

impl DroidspacesRuntime {
    fn target(&self, id: &ContainerId) -> Result<Target, RuntimeError> {
        self.with_entry(id, |entry, _| Target {
            directory: entry.directory.clone(),
            option: self.option(entry),
            turn: Arc::clone(&entry.turn),
            init: entry.facts.init.clone(),
            has_own_init: !entry.facts.config.custom_init.is_empty(),
        })
    }

    /// By its name where that leads to its configuration, by the configuration's path else.
    fn option(&self, entry: &Entry) -> String {
        if entry.safe_name() == entry.directory {
            format!("--name={}", entry.name())
        } else {
            let config = self.workspace.containers().join(&entry.directory);
            format!("--config={}", config.join(super::workspace::CONFIG).display())
        }
    }

    /// Process and its clock ticks of a container that runs.
    pub(super) fn first_process(&self, id: &ContainerId) -> Result<(u32, u64), RuntimeError> {
        self.with_entry(id, |entry, _| entry.run.as_ref().map(|run| (run.pid, run.ticks)))?
            .ok_or(RuntimeError::NotRunning)
    }

    /// Starts a container.
    pub(super) fn start_container(&self, id: &ContainerId) -> Result<Started, RuntimeError> {
        let target = self.target(id)?;
        let _turn = hold(&target.turn);
        if self.first_process(id).is_ok() {
            return Err(RuntimeError::AlreadyRunning);
        }
        let outcome = self.command(&[&target.option, "start"], COMMAND_MARGIN)?;
        self.look(&target.directory);
        let running = self.with_entry(id, |entry, table| {
            entry.run.as_ref().map(|run| Started {
                pid: run.pid,
                started_at: run.started_at,
                since_boot_ns: run.since_boot_ns,
                // Its first start has given it a UUID.
                became: (entry.id != *id).then(|| Box::new(table.container(entry))),
            })
        })?;
        match (running, outcome) {
            (Some(started), Outcome::Ended(Some(0), _) | Outcome::Late) => Ok(started),
            // Somebody else was quicker.
            (Some(_), Outcome::Ended(..)) => Err(RuntimeError::AlreadyRunning),
            (None, outcome) => Err(failed("start", outcome)),
        }
    }

    /// Ends a container: as the command does it, but killed after `patience`.
    pub(super) fn end_container(&self, id: &ContainerId, patience: Duration) -> Result<(), RuntimeError> {
        let target = self.target(id)?;
        let _turn = hold(&target.turn);
        let (pid, ticks) = self.first_process(id)?;
        let beyond = patience.saturating_sub(OWN_PATIENCE);
        if !beyond.is_zero()
            && let Some(signal) = target.stop_signal()
            && pidfd::signal(pid, ticks, signal).is_ok()
        {
            // The command kills after its own time; what was given beyond that passes before.
            pidfd::await_end(pid, ticks, beyond);
        }
        let running = self.commands.start(&[&target.option, "stop"]);
        let running = running.map_err(RuntimeError::system("run the droidspaces command"))?;
        if patience < OWN_PATIENCE {
            pidfd::await_end(pid, ticks, patience);
            let _ = pidfd::signal(pid, ticks, libc::SIGKILL);
            // The kernel ends everything in the container first.
            pidfd::await_end(pid, ticks, KILL_TIMEOUT);
        }
        let outcome = running.wait(OWN_PATIENCE + COMMAND_MARGIN);
        let lives = pidfd::start_ticks(pid).is_ok_and(|now| now == ticks);
        let ended = match outcome {
            // It has ended another run: of two that were started at once it knows one.
            Outcome::Ended(Some(0), _) if lives => {
                let _ = pidfd::signal(pid, ticks, libc::SIGKILL);
                pidfd::await_end(pid, ticks, KILL_TIMEOUT);
                Ok(())
            }
            // It says that the container does not run where that has ended before it looked.
            _ if lives => Err(failed("stop", outcome)),
            _ => Ok(()),
        };
        self.look(&target.directory);
        ended
    }

    fn command(&self, arguments: &[&str], longest: Duration) -> Result<Outcome, RuntimeError> {
        let running = self.commands.start(arguments);
        let running = running.map_err(RuntimeError::system("run the droidspaces command"))?;
        Ok(running.wait(longest))
    }
}

impl Target {
    /// The signal by which the command asks this kind of init to end; none where it asks otherwise, or
    /// does not ask.
    fn stop_signal(&self) -> Option<i32> {
        if self.has_own_init {
            return None;
        }
        match self.init.as_str() {
            "systemd" => Some(SYSTEMD_HALT),
            "procd" | "s6" | "busybox" => Some(libc::SIGUSR2),
            "openrc" => Some(libc::SIGPWR),
            "runit" => Some(libc::SIGCONT),
            "unknown" => Some(libc::SIGTERM),
            _ => None,
        }
    }
}

/// A command that did not do what it was asked to, in its own words.
fn failed(what: &str, outcome: Outcome) -> RuntimeError {
    let sentence = match outcome {
        Outcome::Ended(code, words) => {
            let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
            match words.as_str() {
                "" => format!("droidspaces {what} ended {code}"),
                words => format!("droidspaces {what} ended {code}: {words}"),
            }
        }
        Outcome::Late => format!("droidspaces {what} takes too long; it goes on"),
    };
    RuntimeError::System {
        attempt: "have it done",
        error: io::Error::other(sentence),
    }
}
