//! The one thread that writes.

use std::sync::PoisonError;

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::file::Source;
use super::{Retention, Shared, log};
use crate::coordinator::store::StoreError;
use crate::limits;

/// Tells whoever waits, once it is known whether the transaction is on the disk.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Work = Box<dyn FnOnce(&WriteTransaction, &Retention) -> Result<Tell, redb::Error> + Send>;

/// Something to write. Whoever waits for it hears [`StoreError::Disk`] unless told otherwise.
pub(super) struct Order {
    work: Work,
}

impl Order {
    /// What `work` does; what it gives is told when it is durable.
    pub(super) fn new<T: Send + 'static>(
        work: impl FnOnce(&WriteTransaction, &Retention) -> Result<Result<T, StoreError>, redb::Error>
        + Send
        + 'static,
        tell: oneshot::Sender<Result<T, StoreError>>,
    ) -> Self {
        let work = move |transaction: &WriteTransaction, retention: &Retention| {
            // It is told of whatever goes wrong, too; an error of the database ends the whole transaction.
            match work(transaction, retention) {
                Ok(result) => Ok(Box::new(move |outcome: Result<(), StoreError>| {
                    // Who no longer waits is not told.
                    let _ = tell.send(outcome.and(result));
                }) as Tell),
                Err(error) => {
                    let _ = tell.send(Err(StoreError::Disk(error.to_string())));
                    Err(error)
                }
            }
        };
        Self { work: Box::new(work) }
    }
}

pub(super) struct Writer {
    shared: Shared,
    source: Source,
    retention: Retention,
}

impl Writer {
    pub(super) fn new(shared: Shared, source: Source, retention: Retention) -> Self {
        Self {
            shared,
            source,
            retention,
        }
    }

    /// Writes until nobody can order anything any more.
    pub(super) fn run(self, mut waiting: mpsc::Receiver<Order>) {
        let mut batch = Vec::new();
        while waiting.blocking_recv_many(&mut batch, limits::STORE_ORDERS) > 0 {
            let mut tells = Vec::with_capacity(batch.len());
            let outcome = self.commit(&mut batch, &mut tells);
            if let Err(error) = &outcome {
                tracing::error!(%error, "what was to be kept is not");
                self.reopen();
            }
            for tell in tells {
                tell(outcome.clone());
            }
            // Whoever is still in it waited for a transaction that failed before it.
            batch.clear();
        }
    }

    fn commit(&self, batch: &mut Vec<Order>, tells: &mut Vec<Tell>) -> Result<(), StoreError> {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        let database = shared
            .as_ref()
            .ok_or_else(|| StoreError::Disk("it failed before".to_owned()))?;
        self.transaction(database, batch, tells)
            .map_err(|error| self.source.error(error))
    }

    fn transaction(
        &self,
        database: &Database,
        batch: &mut Vec<Order>,
        tells: &mut Vec<Tell>,
    ) -> Result<(), redb::Error> {
        // Durable at commit: redb's default.
        let transaction = database.begin_write()?;
        for order in batch.drain(..) {
            tells.push((order.work)(&transaction, &self.retention)?);
        }
        log::retain(&transaction, &self.retention)?;
        transaction.commit()?;
        Ok(())
    }

    /// After one failed write nothing that is in memory is to be trusted: the file is read anew.
    fn reopen(&self) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        *shared = None;
        match self.source.open() {
            Ok(database) => *shared = Some(database),
            Err(error) => tracing::error!(%error, "the store cannot be opened anew"),
        }
    }
}
