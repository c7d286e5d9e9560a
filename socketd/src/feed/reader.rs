//! One reader of events.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use wire::Time;
use wire::request::PollEvents;

use super::{Feed, Heard, Start};
use crate::limits::{FEED_PAGE_EVENTS, FEED_PAUSE_MAX, FEED_PAUSE_MIN};
use crate::link::LinkError;

/// Why a reader cannot go on.
#[derive(Debug)]
pub enum FeedError {
    /// The bridge, or the way there.
    Link(LinkError),
    /// The reader came so late, or was so slow, that what it should get next is no longer kept.
    NotKept {
        /// The last event it got.
        after: u64,
        /// The oldest event that is kept.
        oldest: u64,
    },
}

impl From<LinkError> for FeedError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(error) => error.fmt(f),
            Self::NotKept { after, oldest } => {
                write!(
                    f,
                    "events after {after} are asked for, and the oldest that is kept is {oldest}"
                )
            }
        }
    }
}

impl std::error::Error for FeedError {}

/// Reads every event once, in order.
#[derive(Debug)]
pub struct Reader {
    feed: Arc<Feed>,
    /// None for a reader of the past only.
    receiver: Option<broadcast::Receiver<Arc<Heard>>>,
    /// The last event that was delivered, or need not be.
    after: u64,
    /// Where to begin; never once the first page has been read, unless each event is to be asked.
    since: Time,
    /// Whether `since` is a place in the order.
    from_there: bool,
    /// Whether events after `after` must not be missing: one that begins with a time takes what is kept.
    placed: bool,
    /// Whether the journal may hold events after `after` that the receiver will not bring.
    behind: bool,
    pause: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) fn new(
        feed: Arc<Feed>,
        start: Start,
        receiver: Option<broadcast::Receiver<Arc<Heard>>>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (after, since) = match start {
            Start::After(sequence) => (sequence, Time::NEVER),
            Start::From(time) | Start::Since(time) => (0, time),
        };
        Self {
            feed,
            receiver,
            after,
            since,
            from_there: matches!(start, Start::From(_)),
            placed: matches!(start, Start::After(_)),
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
    /// See [`FeedError`]; [`FeedError::Link`] for a reader of the past alone.
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<Heard>>>, FeedError> {
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
                Ok(heard) if heard.event.sequence <= self.after => {}
                Ok(heard) if heard.event.sequence == self.after.saturating_add(1) => {
                    self.after = heard.event.sequence;
                    return Ok(Some(vec![heard]));
                }
                Ok(_) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Reads one page of the journal, and notes whether it was the last.
    async fn read_journal(&mut self) -> Result<Vec<Arc<Heard>>, FeedError> {
        let request = PollEvents {
            after: self.after,
            since: self.since,
            count_max: FEED_PAGE_EVENTS,
            wait_ms: 0,
            from_there: self.from_there,
        };
        let page = match self.feed.link.poll_events(request).await {
            Ok(page) => page,
            Err(error) if self.receiver.is_none() => return Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, after = self.after, "a reader of events waits for the bridge");
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(FEED_PAUSE_MAX);
                return Ok(Vec::new());
            }
        };
        self.pause = FEED_PAUSE_MIN;
        let before = self.after;
        if self.placed && page.first_retained > before.saturating_add(1) {
            return Err(FeedError::NotKept {
                after: before,
                oldest: page.first_retained,
            });
        }
        let events: Vec<_> = page
            .events
            .into_iter()
            .filter(|event| event.sequence > before)
            .map(|event| Arc::new(Heard::from(event)))
            .collect();
        let last = events.last().map_or(before, |heard| heard.event.sequence);
        self.after = last.max(page.scanned_to);
        self.placed = true;
        if self.from_there {
            self.from_there = false;
            self.since = Time::NEVER;
        }
        // A page that leads nowhere must not be asked for again and again.
        self.behind = self.after < page.last_sequence && self.after > before;
        Ok(events)
    }
}
