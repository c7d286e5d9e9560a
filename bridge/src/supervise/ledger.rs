//! The journal and the publisher behind it: nothing is published that is not durable.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use journal::{Batch, Bounds, Journal, ReadError};
use wire::{Event, Refusal, RefusalCode, Time};

use crate::limits::OWED_MAX;
use crate::lock::hold;
use crate::publish::Publisher;

/// The books.
#[derive(Debug)]
pub(crate) struct Ledger {
    journal: Journal,
    publisher: Arc<Publisher>,
    /// What happened while the journal could not be written.
    owed: Mutex<VecDeque<Vec<Event>>>,
}

impl Ledger {
    pub(crate) fn new(journal: Journal, publisher: Arc<Publisher>) -> Self {
        Self {
            journal,
            publisher,
            owed: Mutex::default(),
        }
    }

    /// Makes events durable, then applies the change they tell of, then publishes them; in the
    /// order of their sequence numbers over all callers.
    ///
    /// # Errors
    /// [`RefusalCode::JournalFailed`]; then nothing was applied.
    pub(crate) fn record(
        &self,
        events: Vec<Event>,
        apply: impl FnOnce() + Send + 'static,
    ) -> Result<(), Refusal> {
        self.pay();
        self.append(events, apply).map_err(|(refusal, _)| refusal)
    }

    /// As [`record`](Self::record), for what has happened already and cannot be refused: where the
    /// journal fails, the change is applied and the events are owed to it.
    pub(crate) fn record_or_owe(&self, events: Vec<Event>, apply: impl FnOnce() + Send + 'static) {
        self.pay();
        let apply = Arc::new(Mutex::new(Some(apply)));
        let once = {
            let apply = Arc::clone(&apply);
            move || {
                let taken = hold(&apply).take();
                if let Some(apply) = taken {
                    apply();
                }
            }
        };
        if let Err((refusal, events)) = self.append(events, once) {
            tracing::error!(%refusal, "the journal owes what just happened");
            self.owe(events);
            let taken = hold(&apply).take();
            if let Some(apply) = taken {
                apply();
            }
        }
    }

    /// Whether something can be recorded at all. Asked before an act, so that nothing is done
    /// which cannot be told.
    ///
    /// # Errors
    /// [`RefusalCode::JournalFailed`].
    pub(crate) fn writable(&self) -> Result<(), Refusal> {
        self.pay();
        if self.journal.failure().is_none() {
            return Ok(());
        }
        // The disk may be well again: nobody finds out but by trying.
        let healed = self.journal.heal();
        healed.map_err(|error| Refusal::because(RefusalCode::JournalFailed, error.to_string()))
    }

    /// Why nothing can be recorded; none when all is well.
    pub(crate) fn failure(&self) -> Option<String> {
        self.journal.failure().map(|failure| failure.to_string())
    }

    /// Whether the journal owes events.
    pub(crate) fn owes(&self) -> bool {
        !hold(&self.owed).is_empty()
    }

    /// Offers what is owed to the journal again, oldest first.
    pub(crate) fn pay(&self) {
        let mut owed = hold(&self.owed);
        while let Some(events) = owed.pop_front() {
            if let Err((_, events)) = self.append(events, || {}) {
                owed.push_front(events);
                return;
            }
        }
    }

    /// First and last event that can be read.
    pub(crate) fn bounds(&self) -> Bounds {
        self.journal.bounds()
    }

    /// Reads events.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn read(
        &self,
        after: u64,
        since: Time,
        count: usize,
        bytes: usize,
    ) -> Result<Batch, ReadError> {
        self.journal.read(after, since, count, bytes)
    }

    /// The event before the first one that is not earlier than `since`.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn position(&self, since: Time) -> Result<u64, ReadError> {
        self.journal.position(since)
    }

    /// Who is told of events.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    fn owe(&self, events: Vec<Event>) {
        let mut owed = hold(&self.owed);
        if owed.len() >= OWED_MAX {
            tracing::error!("too many events wait for the journal: the oldest is given up");
            owed.pop_front();
        }
        owed.push_back(events);
    }

    fn append(
        &self,
        events: Vec<Event>,
        apply: impl FnOnce() + Send + 'static,
    ) -> Result<(), (Refusal, Vec<Event>)> {
        let publisher = Arc::clone(&self.publisher);
        let kept = events.clone();
        let then = Box::new(move |events: &[Event]| {
            apply();
            publisher.publish(events);
        });
        match self.journal.append(events, then) {
            Ok(_) => Ok(()),
            Err(error) => Err((
                Refusal::because(RefusalCode::JournalFailed, error.to_string()),
                kept,
            )),
        }
    }
}

/// Says in the log what opening the journal met.
pub(super) fn log_report(report: &journal::Report) {
    for damage in &report.damage {
        tracing::warn!(%damage, "the journal is damaged; what is whole is kept");
    }
    if report.omitted > 0 {
        tracing::warn!(places = report.omitted, "the journal is damaged in more places");
    }
    if let Some(torn) = &report.torn_tail {
        tracing::info!(%torn, "a write at the journal's end was never finished");
    }
}
