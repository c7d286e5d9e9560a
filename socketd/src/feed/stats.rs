//! What containers use, read once a second for all who watch.
//!
//! A container that anybody watches is asked about by one task, however many watch; with the last
//! of them the task ends. What is handed on is the latest reading alone, so a client that reads
//! slowly misses some and holds nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};
use wire::{ContainerId, RefusalCode, Stats};

use crate::limits::{STATS_PERIOD, STATS_READERS_MAX};
use crate::link::{Link, LinkError};

/// The latest reading; none before the first.
type Latest = Option<Result<Arc<Stats>, LinkError>>;

/// The source of readings for all who watch.
#[derive(Debug)]
pub struct Gauges {
    link: Arc<Link>,
    watched: Mutex<HashMap<ContainerId, watch::Sender<Latest>>>,
    readers: Arc<Semaphore>,
}

/// One client that watches a container.
#[derive(Debug)]
pub struct Watcher {
    latest: watch::Receiver<Latest>,
    _permit: OwnedSemaphorePermit,
}

impl Gauges {
    /// Gauges that nobody watches yet.
    #[must_use]
    pub fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            watched: Mutex::new(HashMap::new()),
            readers: Arc::new(Semaphore::new(STATS_READERS_MAX)),
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<ContainerId, watch::Sender<Latest>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clients that watch at this moment.
    #[must_use]
    pub fn watcher_count(&self) -> usize {
        STATS_READERS_MAX.saturating_sub(self.readers.available_permits())
    }

    /// Watches a container: the latest reading at once where there is one, then every next one.
    ///
    /// # Errors
    /// [`LinkError::Crowded`] when too many watch already.
    pub fn watch(self: &Arc<Self>, id: ContainerId) -> Result<Watcher, LinkError> {
        let permit = Arc::clone(&self.readers)
            .try_acquire_owned()
            .map_err(|_| LinkError::Crowded)?;
        let mut watched = self.watched();
        let latest = match watched.get(&id) {
            Some(sender) => {
                let mut latest = sender.subscribe();
                latest.mark_changed();
                latest
            }
            None => {
                let (sender, latest) = watch::channel(None);
                watched.insert(id, sender.clone());
                tokio::spawn(read(Arc::clone(self), id, sender));
                latest
            }
        };
        Ok(Watcher {
            latest,
            _permit: permit,
        })
    }

    /// Forgets a container, unless somebody began to watch it in the last moment.
    fn retire(&self, id: ContainerId, sender: &watch::Sender<Latest>) -> bool {
        let mut watched = self.watched();
        if sender.receiver_count() > 0 {
            return false;
        }
        watched.remove(&id);
        true
    }
}

/// Reads once a second until nobody watches or the container is gone.
async fn read(gauges: Arc<Gauges>, id: ContainerId, sender: watch::Sender<Latest>) {
    let reference = id.to_string();
    let mut ticks = interval(STATS_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = sender.closed() => {
                if gauges.retire(id, &sender) {
                    return;
                }
                continue;
            }
        }
        let reading = gauges.link.stats(&reference).await;
        let failed = reading.is_err();
        if !is_gone(&reading) {
            sender.send_replace(Some(reading.map(Arc::from)));
        }
        if failed {
            // Whoever comes next begins anew.
            gauges.watched().remove(&id);
            return;
        }
    }
}

fn is_gone(reading: &Result<Box<Stats>, LinkError>) -> bool {
    matches!(reading, Err(LinkError::Refused(refusal)) if refusal.code == RefusalCode::NoSuchContainer)
}

impl Watcher {
    /// The next reading; none once the container is gone.
    ///
    /// # Errors
    /// Why it cannot be read; then there is no next one.
    pub async fn next(&mut self) -> Result<Option<Arc<Stats>>, LinkError> {
        loop {
            if self.latest.changed().await.is_err() {
                return Ok(None);
            }
            if let Some(reading) = self.latest.borrow_and_update().clone() {
                return reading.map(Some);
            }
        }
    }
}
