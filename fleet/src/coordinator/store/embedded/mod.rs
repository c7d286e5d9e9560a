//! The store in one file, for one coordinator.
//!
//! One thread writes: everything that waits for it goes into one transaction and onto the disk by one sync, so that
//! a thousand events a second cost as many syncs as there is time for, and no more. Whoever reads sees what the last
//! transaction left.

mod file;
mod log;
mod registry;
mod shape;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redb::{Database, ReadTransaction, ReadableDatabase as _, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use self::file::Source;
use self::writer::{Order, Writer};
use super::{Pending, StoreError};
use crate::limits;

/// The file in the state directory.
pub const FILE: &str = "fleet.redb";

/// How much of the log is kept. What is over any of these goes, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Entries, at least one.
    pub entries: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Time since they were heard of.
    pub age: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            entries: limits::LOG_ENTRIES_MAX,
            bytes: limits::LOG_BYTES_MAX,
            age: limits::LOG_AGE_MAX,
        }
    }
}

/// The database, while it is open: it is opened anew after its disk failed.
type Shared = Arc<RwLock<Option<Database>>>;

/// The store.
#[derive(Debug, Clone)]
pub struct Embedded {
    shared: Shared,
    orders: mpsc::Sender<Order>,
    source: Source,
}

impl Embedded {
    /// The one in `dir`, which must be there; made where there is none. Its file is looked through from its beginning
    /// to its end, so this blocks for as long as reading it takes.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Damaged`], [`StoreError::Version`].
    pub fn open(dir: &Path, retention: Retention) -> Result<Self, StoreError> {
        Self::of(Source::file(dir.join(FILE)), retention)
    }

    /// One in memory.
    #[cfg(test)]
    pub(in crate::coordinator) fn in_memory(retention: Retention) -> Self {
        let source = Source::new("memory".into(), |builder| {
            builder.create_with_backend(redb::backends::InMemoryBackend::new())
        });
        Self::of(source, retention).unwrap()
    }

    fn of(source: Source, retention: Retention) -> Result<Self, StoreError> {
        let shared = Arc::new(RwLock::new(Some(source.open()?)));
        let (orders, waiting) = mpsc::channel(limits::STORE_ORDERS);
        let writer = Writer::new(Arc::clone(&shared), source.clone(), retention);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(waiting))
            .map_err(|error| StoreError::Disk(format!("there is no thread to write: {error}")))?;
        Ok(Self {
            shared,
            orders,
            source,
        })
    }

    /// Has `work` done by the thread that writes, with whatever else waits for it; it must look before it writes, for
    /// what it gives as its own error undoes nothing.
    fn writing<T, W>(&self, work: W) -> Pending<'_, T>
    where
        T: Send + 'static,
        W: FnOnce(&WriteTransaction, &Retention) -> Result<Result<T, StoreError>, redb::Error>
            + Send
            + 'static,
    {
        Box::pin(async move {
            let (tell, told) = oneshot::channel();
            let order = Order::new(work, tell);
            self.orders.send(order).await.map_err(|_| StoreError::Closed)?;
            told.await.map_err(|_| StoreError::Closed)?
        })
    }

    /// Has `work` done on what there is, where it may block.
    fn reading<T, W>(&self, work: W) -> Pending<'_, T>
    where
        T: Send + 'static,
        W: FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    {
        Box::pin(async move {
            let (shared, source) = (Arc::clone(&self.shared), self.source.clone());
            let reading = tokio::task::spawn_blocking(move || {
                let database = shared.read().unwrap_or_else(PoisonError::into_inner);
                let database = database
                    .as_ref()
                    .ok_or_else(|| StoreError::Disk("it failed before".to_owned()))?;
                let result = database.begin_read().map_err(redb::Error::from);
                result
                    .and_then(|transaction| work(&transaction))
                    .map_err(|error| source.error(error))
            });
            reading.await.map_err(|_| StoreError::Closed)?
        })
    }
}
