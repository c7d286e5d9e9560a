//! A journal that is only looked at: beside its writer, after a crash, on another machine.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use wire::Time;

use crate::failure::{Act, OpenError, failed};
use crate::fold::Past;
use crate::index::{Bounds, Index};
use crate::reader::{self, Batch, ReadError, Want};
use crate::recover::recover;
use crate::report::Report;
use crate::storage::Directory;

/// What was in a directory at one moment. Takes no lock and changes nothing.
#[derive(Debug)]
pub struct Archive {
    storage: Directory,
    index: RwLock<Index>,
    /// The fold of every event.
    pub past: Past,
    /// What is not as it was written. Beside a writer at work, a torn tail is what it is writing.
    pub report: Report,
}

impl Archive {
    /// Looks at the journal in `dir`. Segments written on another host than `host_id` are counted.
    ///
    /// # Errors
    /// A later version wrote it, or the file system refuses; also where a writer deleted a segment
    /// in that moment, and looking again helps.
    pub fn open(dir: &Path, host_id: [u8; 32]) -> Result<Self, OpenError> {
        let storage = Directory::look(dir).map_err(failed(Act::List, 0))?;
        let recovered = recover(&storage, host_id)?;
        Ok(Self {
            storage,
            index: RwLock::new(recovered.index),
            past: recovered.past,
            report: recovered.report,
        })
    }

    /// Which events there were at that moment.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.index.read().unwrap_or_else(PoisonError::into_inner).bounds()
    }

    /// Events in order, as [`Journal::read`](crate::Journal::read).
    ///
    /// # Errors
    /// As [`Journal::read`](crate::Journal::read).
    pub fn read(
        &self,
        after: u64,
        since: Time,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, ReadError> {
        let want = Want {
            after,
            since,
            count_max,
            bytes_max,
        };
        reader::read(&self.storage, &self.index, want)
    }
}
