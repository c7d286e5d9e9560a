//! What the supervisor does on its own account, later: restarts after their back-off, removals of
//! containers that asked for it, killing what did not end when asked to, and offering owed events to a journal that may have healed.
//! One thread; it sleeps until the next errand is due and for ever when there is none.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use wire::{ContainerId, Time};

use super::Supervisor;
use crate::limits::{HANG_UP_TIMEOUT, JOURNAL_RETRY};

/// Something to do later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Start a container again, unless something happened to it since.
    Revive {
        /// The container.
        id: ContainerId,
        /// The end that this answers.
        ended_at: Time,
        /// How long to wait.
        after: Duration,
    },
    /// Remove a container that has ended.
    Remove {
        /// The container.
        id: ContainerId,
    },
    /// Kill a further process that was asked to end, if it has not by then.
    KillExec {
        /// The container.
        container: ContainerId,
        /// The process.
        exec: String,
    },
}

/// Starts the thread.
pub(super) fn spawn(supervisor: Arc<Supervisor>, errands: Receiver<Errand>) -> io::Result<()> {
    thread::Builder::new()
        .name("errands".to_owned())
        .spawn(move || run(&supervisor, &errands))
        .map(drop)
}

fn run(supervisor: &Supervisor, errands: &Receiver<Errand>) {
    // Due times, with a number that keeps errands of the same instant apart.
    let mut waiting: BTreeMap<(Instant, u64), Errand> = BTreeMap::new();
    let mut number = 0;
    loop {
        let owes = supervisor.ledger().owes();
        let next = waiting.keys().next().map(|(due, _)| *due);
        let timeout = match (next, owes) {
            (Some(due), false) => Some(due.saturating_duration_since(Instant::now())),
            (Some(due), true) => Some(due.saturating_duration_since(Instant::now()).min(JOURNAL_RETRY)),
            (None, true) => Some(JOURNAL_RETRY),
            (None, false) => None,
        };
        let received = match timeout {
            None => errands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(timeout) => errands.recv_timeout(timeout),
        };
        match received {
            Ok(errand) => {
                let after = match &errand {
                    Errand::Revive { after, .. } => *after,
                    Errand::Remove { .. } => Duration::ZERO,
                    Errand::KillExec { .. } => HANG_UP_TIMEOUT,
                };
                number += 1;
                waiting.insert((Instant::now() + after, number), errand);
            }
            Err(RecvTimeoutError::Timeout) if owes => supervisor.ledger().pay(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        while let Some(entry) = waiting.first_entry()
            && entry.key().0 <= now
        {
            perform(supervisor, &entry.remove());
        }
    }
}

fn perform(supervisor: &Supervisor, errand: &Errand) {
    let outcome = match errand {
        Errand::Revive { id, ended_at, .. } => supervisor.revive(id, *ended_at),
        Errand::Remove { id } => supervisor.remove(id.hex().as_str(), false),
        Errand::KillExec { container, exec } => supervisor.kill_exec(container, exec),
    };
    if let Err(refusal) = outcome {
        tracing::warn!(?errand, %refusal, "an errand failed");
    }
}
