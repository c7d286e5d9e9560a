//! Reading what is published: from the log as far as it is history, then as it happens. No hole, nothing twice.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::publication::Published;
use super::recent::Recent;
use crate::coordinator::store::{EventLog, Sequence, StoreError};
use crate::limits;

/// Why there is no next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionError {
    /// What was asked for is no longer there, or numbers are not this log's: the next one, if waited for, is the one
    /// of this number.
    Lost(Sequence),
    /// The log cannot be read.
    Store(StoreError),
    /// The coordinator ends.
    Closed,
}

impl fmt::Display for SubscriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(next) => write!(f, "what happened before number {next} is no longer known"),
            Self::Store(error) => error.fmt(f),
            Self::Closed => f.write_str("the coordinator ends"),
        }
    }
}

impl std::error::Error for SubscriptionError {}

/// One reader. It holds at most a page of what it has not read yet.
#[derive(Debug)]
pub struct Subscription {
    recent: Arc<Recent>,
    log: Arc<dyn EventLog>,
    last: watch::Receiver<Sequence>,
    node_id: Option<Box<str>>,
    /// Everything up to here was given, or stands in `queue`, or is not asked for.
    position: Sequence,
    queue: VecDeque<Arc<Published>>,
}

impl Subscription {
    /// What is published after `after`, or from now on.
    pub(super) fn new(
        recent: &Arc<Recent>,
        log: &Arc<dyn EventLog>,
        after: Option<Sequence>,
        node_id: Option<&str>,
    ) -> Self {
        let last = recent.last();
        let position = after.unwrap_or(*last.borrow());
        Self {
            recent: Arc::clone(recent),
            log: Arc::clone(log),
            last,
            node_id: node_id.map(Into::into),
            position,
            queue: VecDeque::new(),
        }
    }

    /// How far it is: what was given up to now, whatever the node, is not after this.
    pub fn position(&self) -> Sequence {
        self.queue
            .front()
            .map_or(self.position, |next| next.sequence.saturating_sub(1))
    }

    /// The next, when there is one. Nothing is lost when this is dropped before it is done.
    ///
    /// # Errors
    /// As [`SubscriptionError`] has it; after [`SubscriptionError::Lost`] one can go on.
    pub async fn next(&mut self) -> Result<Arc<Published>, SubscriptionError> {
        loop {
            if let Some(next) = self.queue.pop_front() {
                return Ok(next);
            }
            let last = *self.last.borrow_and_update();
            if self.position > last {
                self.position = last;
                return Err(SubscriptionError::Lost(last.saturating_add(1)));
            }
            if self.position == last {
                self.last.changed().await.map_err(|_| SubscriptionError::Closed)?;
            } else if let Some(found) = self.recent.after(self.position, limits::SUBSCRIPTION_PAGE) {
                self.position = found.last().map_or(self.position, |last| last.sequence);
                self.take(found);
            } else {
                self.read(last).await?;
            }
        }
    }

    fn take(&mut self, found: Vec<Arc<Published>>) {
        let node_id = self.node_id.as_deref();
        let wanted = found
            .into_iter()
            .filter(|one| node_id.is_none_or(|node_id| *one.node_id == *node_id));
        self.queue.extend(wanted);
    }

    /// Reads from the log what is published, up to `last`.
    async fn read(&mut self, last: Sequence) -> Result<(), SubscriptionError> {
        let page = self
            .log
            .read(self.position, limits::SUBSCRIPTION_PAGE, self.node_id.as_deref())
            .await
            .map_err(SubscriptionError::Store)?;
        // Who asks for everything gets what there is.
        if page.first > self.position.saturating_add(1) && self.position > 0 {
            self.position = page.first.saturating_sub(1);
            return Err(SubscriptionError::Lost(page.first));
        }
        // Where the log has nothing after it, there is nothing up to `last` either.
        self.position = if page.upto == self.position {
            last
        } else {
            page.upto.min(last)
        };
        let found = page
            .entries
            .into_iter()
            .take_while(|(sequence, _)| *sequence <= last);
        self.queue
            .extend(found.map(|(sequence, entry)| Arc::new(Published::new(sequence, entry))));
        Ok(())
    }
}
