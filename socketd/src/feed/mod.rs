//! Events for every reader from one subscription.
//!
//! While anybody reads there is one subscription to the bridge; with the last reader it ends, so
//! that an idle system has none. Each reader keeps the sequence number it has come to. It reads
//! the journal until it is level with the present, then lives on what the subscription hands to
//! all; whatever it meets there that is not exactly the next event sends it back to the journal.
//! So the numbers alone decide what is delivered: no gap, nothing twice, in order, whoever
//! connects or breaks when.
//!
//! Nothing here knows filters or shapes: readers get every event of the bridge. Readings of what
//! containers use are shared likewise, in [`stats`].

mod heard;
mod reader;
pub mod stats;
mod subscription;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, broadcast};
use wire::Time;

pub use heard::Heard;
pub use reader::{FeedError, Reader};

use crate::limits::{FEED_EVENTS_MAX, FEED_READERS_MAX};
use crate::link::{Link, LinkError};

/// The source of events for all readers.
#[derive(Debug)]
pub struct Feed {
    link: Arc<Link>,
    /// Where the running subscription sends what it hears; none while nobody reads.
    live: Mutex<Option<broadcast::Sender<Arc<Heard>>>>,
    readers: Arc<Semaphore>,
    /// Events that the subscription handed on.
    fed: AtomicU64,
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After this event, which was the last when the reader came.
    After(u64),
    /// With the first event of the journal that is not earlier than this, and then every one
    /// behind it, whatever the wall clock said of them.
    From(Time),
    /// With the first event of the journal that is not earlier than this; earlier ones behind it
    /// are left out.
    Since(Time),
}

impl Feed {
    /// A feed that nobody reads yet.
    #[must_use]
    pub fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            live: Mutex::new(None),
            readers: Arc::new(Semaphore::new(FEED_READERS_MAX)),
            fed: AtomicU64::new(0),
        }
    }

    fn live(&self) -> MutexGuard<'_, Option<broadcast::Sender<Arc<Heard>>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clients that read at this moment.
    #[must_use]
    pub fn reader_count(&self) -> usize {
        FEED_READERS_MAX.saturating_sub(self.readers.available_permits())
    }

    /// Events that the one subscription handed to its readers since the start, each counted once.
    #[must_use]
    pub fn fed_count(&self) -> u64 {
        self.fed.load(Ordering::Relaxed)
    }

    /// A reader that goes on for ever. `last`: the bridge's last event by now.
    ///
    /// # Errors
    /// [`LinkError::Crowded`] when too many read already.
    pub fn follow(self: &Arc<Self>, start: Start, last: u64) -> Result<Reader, LinkError> {
        let permit = self.admit()?;
        let receiver = self.join(last);
        Ok(Reader::new(Arc::clone(self), start, Some(receiver), permit))
    }

    /// A reader that ends where the journal ends now.
    ///
    /// # Errors
    /// [`LinkError::Crowded`] when too many read already.
    pub fn past(self: &Arc<Self>, start: Start) -> Result<Reader, LinkError> {
        let permit = self.admit()?;
        Ok(Reader::new(Arc::clone(self), start, None, permit))
    }

    fn admit(&self) -> Result<tokio::sync::OwnedSemaphorePermit, LinkError> {
        Arc::clone(&self.readers)
            .try_acquire_owned()
            .map_err(|_| LinkError::Crowded)
    }

    /// Joins the subscription that runs, or begins one after the event `last`.
    fn join(self: &Arc<Self>, last: u64) -> broadcast::Receiver<Arc<Heard>> {
        let mut live = self.live();
        if let Some(sender) = live.as_ref() {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(FEED_EVENTS_MAX);
        *live = Some(sender.clone());
        tokio::spawn(subscription::keep(Arc::clone(self), sender, last));
        receiver
    }

    /// Ends the subscription, unless somebody joined it in the last moment.
    fn retire(&self, sender: &broadcast::Sender<Arc<Heard>>) -> bool {
        let mut live = self.live();
        if sender.receiver_count() > 0 {
            return false;
        }
        *live = None;
        true
    }

    /// Ends the subscription under its readers, whose streams then end.
    fn break_off(&self) {
        *self.live() = None;
    }
}
