//! One reader of events.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use wire::request::PollEvents;
use wire::{Event, Time};

use super::{Feed, Start};
use crate::limits::{FEED_PAGE_EVENTS, FEED_PAUSE_MAX, FEED_PAUSE_MIN};
use crate::link::LinkError;

/// Reads every event once, in order.
#[derive(Debug)]
pub struct Reader {
    feed: Arc<Feed>,
    /// None for a reader of the past only.
    receiver: Option<broadcast::Receiver<Arc<Event>>>,
    /// The last event that was delivered, or need not be.
    after: u64,
    since: Time,
    /// Whether the journal may hold events after `after` that the receiver will not bring.
    behind: bool,
    pause: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) fn new(
        feed: Arc<Feed>,
        start: Start,
        receiver: Option<broadcast::Receiver<Arc<Event>>>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (after, since) = match start {
            Start::After(sequence) => (sequence, Time::NEVER),
            Start::Since(time) => (0, time),
        };
        Self {
            feed,
            receiver,
            after,
            since,
            // Always at first: the subscription may have begun after the event we start from.
            behind: true,
            pause: FEED_PAUSE_MIN,
            _permit: permit,
        }
    }

    /// The next events, one or more; none when there will be no more. While the bridge is away a
    /// reader of the present waits for it, and a reader of the past fails.
    ///
    /// # Errors
    /// For a reader of the past: see [`LinkError`].
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<Event>>>, LinkError> {
        loop {
            if self.behind {
                let events = self.read_journal().await?;
                if !events.is_empty() {
                    return Ok(Some(events));
                }
                continue;
            }
            let Some(receiver) = &mut self.receiver else {
                return Ok(None);
            };
            match receiver.recv().await {
                Ok(event) if event.sequence <= self.after => {}
                Ok(event) if event.sequence == self.after.saturating_add(1) => {
                    self.after = event.sequence;
                    return Ok(Some(vec![event]));
                }
                Ok(_) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Reads one page of the journal, and notes whether it was the last.
    async fn read_journal(&mut self) -> Result<Vec<Arc<Event>>, LinkError> {
        let request = PollEvents {
            after: self.after,
            since: self.since,
            count_max: FEED_PAGE_EVENTS,
            wait_ms: 0,
        };
        let page = match self.feed.link.poll_events(request).await {
            Ok(page) => page,
            Err(error) if self.receiver.is_none() => return Err(error),
            Err(error) => {
                tracing::debug!(%error, after = self.after, "a reader of events waits for the bridge");
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(FEED_PAUSE_MAX);
                return Ok(Vec::new());
            }
        };
        self.pause = FEED_PAUSE_MIN;
        let before = self.after;
        let events: Vec<_> = page
            .events
            .into_iter()
            .filter(|event| event.sequence > before)
            .map(Arc::new)
            .collect();
        let last = events.last().map_or(before, |event| event.sequence);
        self.after = last.max(page.scanned_to);
        // A page that leads nowhere must not be asked for again and again.
        self.behind = self.after < page.last_sequence && self.after > before;
        Ok(events)
    }
}
