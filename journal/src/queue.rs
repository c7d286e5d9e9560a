//! Where callers wait for the writer: one round of them at a time, woken together.
//!
//! Callers that come while a round is being written form the next one. A round is answered by one
//! call to the kernel however many wait in it; a channel each would cost one call a caller. They
//! wake without a lock between them: behind a condition variable each would queue for its mutex.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use wire::Event;

use crate::limits::{QUEUE_APPENDS_MAX, QUEUE_BYTES_MAX};
use crate::writer::{Append, AppendError};

/// What one caller is told.
pub(crate) type Answer = Result<Vec<Event>, AppendError>;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    next: Mutex<Next>,
    /// Something waits, or nothing will any more.
    work: Condvar,
    /// The round that was full is under way.
    room: Condvar,
}

/// The round that is being gathered.
#[derive(Debug, Default)]
struct Next {
    appends: Vec<Append>,
    bytes: usize,
    round: Arc<Round>,
    closed: bool,
}

/// Callers that are answered together.
#[derive(Debug, Default)]
struct Round {
    /// Set when the round is over: one answer per caller, each behind a lock that nobody else takes.
    answers: OnceLock<Vec<Mutex<Option<Answer>>>>,
}

/// A round in the writer's hands. Dropped without answers, it tells its callers that the writer
/// is gone.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) appends: Vec<Append>,
    /// What their records take, in bytes.
    pub(crate) bytes: usize,
    round: Arc<Round>,
}

impl Queue {
    /// Hands an append in and waits for its answer.
    pub(crate) fn submit(&self, append: Append) -> Answer {
        let mut next = lock(&self.next);
        while !next.closed && (next.appends.len() >= QUEUE_APPENDS_MAX || next.bytes >= QUEUE_BYTES_MAX) {
            next = self.room.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        if next.closed {
            return Err(AppendError::Closed);
        }
        let place = next.appends.len();
        next.bytes = next.bytes.saturating_add(append.record_bytes());
        next.appends.push(append);
        let round = Arc::clone(&next.round);
        drop(next);
        if place == 0 {
            self.work.notify_one();
        }
        round.wait(place)
    }

    /// The next round; none once the queue is closed and empty. Blocks without a timer.
    pub(crate) fn take(&self) -> Option<Turn> {
        let mut next = lock(&self.next);
        while next.appends.is_empty() {
            if next.closed {
                return None;
            }
            next = self.work.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        let Next {
            appends,
            bytes,
            round,
            closed,
        } = std::mem::take(&mut *next);
        next.closed = closed;
        drop(next);
        self.room.notify_all();
        Some(Turn {
            appends,
            bytes,
            round,
        })
    }

    /// Takes nothing further in; what waits is still written.
    pub(crate) fn close(&self) {
        lock(&self.next).closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }
}

impl Round {
    fn wait(&self, place: usize) -> Answer {
        let own = self
            .answers
            .wait()
            .get(place)
            .and_then(|answer| lock(answer).take());
        own.unwrap_or(Err(AppendError::Closed))
    }
}

impl Turn {
    /// Answers every caller, in the order of the appends.
    pub(crate) fn finish(self, answers: Vec<Answer>) {
        let answers = answers.into_iter().map(|answer| Mutex::new(Some(answer)));
        // It cannot be set already: the turn is one, and ends here.
        let _ = self.round.answers.set(answers.collect());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.round.answers.get_or_init(Vec::new);
    }
}

/// A lock whose holder cannot have left it half written.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
