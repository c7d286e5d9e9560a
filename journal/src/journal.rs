//! The handle: opening, appending, reading.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use wire::reader::Unknown;
use wire::record::Value;
use wire::{Event, Time};

use crate::failure::{Act, Failure, OpenError, failed};
use crate::fold::Past;
use crate::index::Bounds;
use crate::limits::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, EVENT_BYTES_MAX};
use crate::queue::{Queue, lock};
use crate::reader::{self, Batch, ReadError, Want};
use crate::recover::{Recovered, recover};
use crate::report::Report;
use crate::retain::{Options, Present};
use crate::segment;
use crate::storage::{Directory, Storage};
use crate::surroundings::{Machine, Surroundings};
use crate::writer::{Active, Append, AppendError, Shared, Then, Writer};

/// A journal, and what opening it found.
#[derive(Debug)]
pub struct Opened {
    /// The journal.
    pub journal: Journal,
    /// The fold of every event ever, as far as it is known.
    pub past: Past,
    /// What is not as it was written.
    pub report: Report,
}

/// The one writer's handle. May be shared between threads; dropping it writes what waits and
/// ends the writer's thread.
pub struct Journal {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("shared", &self.shared).finish()
    }
}

impl Journal {
    /// Opens the journal in `dir`, which is made where it is missing, for its one writer.
    ///
    /// # Errors
    /// Another writer has it, a later version wrote it, or the file system refuses. Damage is no
    /// error; it is in the report.
    pub fn open(dir: &Path, host_id: [u8; 32], options: Options) -> Result<Opened, OpenError> {
        let storage = Directory::lock(dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::Busy,
            _ => failed(Act::Lock, 0)(error),
        })?;
        Self::open_on(Arc::new(storage), Arc::new(Machine), host_id, options)
    }

    /// The same on any storage. Whoever calls this sees to it that there is one writer.
    ///
    /// # Errors
    /// As [`Journal::open`], except that it does not ask who else writes.
    pub fn open_on(
        storage: Arc<dyn Storage>,
        surroundings: Arc<dyn Surroundings>,
        host_id: [u8; 32],
        options: Options,
    ) -> Result<Opened, OpenError> {
        let recovered = recover(&*storage, host_id)?;
        make_durable(&*storage, &recovered)?;
        let boot_id = surroundings.boot_id();
        let active = resume(&*storage, &recovered, host_id, boot_id)?;
        let shared = Arc::new(Shared {
            storage,
            index: RwLock::new(recovered.index),
            failure: Mutex::new(None),
            retention_failure: Mutex::new(None),
        });
        let mut writer = Writer {
            shared: Arc::clone(&shared),
            surroundings,
            host_id,
            boot_id,
            options,
            present: Present::default(),
            past: recovered.past.clone(),
            active,
            buffer: Vec::new(),
            retention_due: false,
            removal_unsynced: false,
        };
        writer.retain();
        let queue = Arc::new(Queue::default());
        let waiting = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&waiting))
            .map_err(failed(Act::Thread, 0))?;
        Ok(Opened {
            journal: Self {
                shared,
                queue,
                writer: Some(thread),
            },
            past: recovered.past,
            report: recovered.report,
        })
    }

    /// Numbers `events` one after the other, makes them durable, runs `then` with them, and only
    /// then returns them. Their `sequence` is replaced; their `time` is the caller's.
    ///
    /// Callers at the same time share one sync. Every `then` runs on the writer's thread, in the
    /// order of the numbers over all callers; it must be short and must not append.
    ///
    /// # Errors
    /// Nothing was appended and `then` was not called. A refusal of the file system also stands
    /// in [`Journal::failure`] until a later append succeeds.
    pub fn append(&self, events: Vec<Event>, then: Then) -> Result<Vec<Event>, AppendError> {
        self.queue.submit(encode(events, then)?)
    }

    /// Tries to begin a new segment after a failure, as the next append would. Does nothing to a
    /// journal that is well.
    ///
    /// # Errors
    /// It has not healed.
    pub fn heal(&self) -> Result<(), AppendError> {
        self.append(Vec::new(), Box::new(|_| {})).map(|_| ())
    }

    /// Which events there are.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.shared
            .index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .bounds()
    }

    /// Why nothing can be appended at present; none while all is well.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        *lock(&self.shared.failure)
    }

    /// Why the last attempt to delete an old segment failed; none where it did not.
    #[must_use]
    pub fn retention_failure(&self) -> Option<Failure> {
        *lock(&self.shared.retention_failure)
    }

    /// Durable events after `after` and not earlier than `since`, in order: at most `count_max`,
    /// and about `bytes_max` encoded bytes, but at least one if there is one.
    ///
    /// Every event is judged by its own time, which the wall clock of the day gave it. Where that
    /// clock stepped back, [`Journal::position`] serves a reader that must miss nothing.
    ///
    /// # Errors
    /// What the file system says. Damage is no error; it is in the batch.
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
        reader::read(&*self.shared.storage, &self.shared.index, want)
    }

    /// The event before the first one that is not earlier than `since`. Reading on from there
    /// without a time misses nothing that was journalled after `since` was reached, wherever the
    /// wall clock went afterwards; a reader that comes back with the last time it saw asks here.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn position(&self, since: Time) -> Result<u64, ReadError> {
        let batch = self.read(0, since, 1, 0)?;
        Ok(batch
            .events
            .first()
            .map_or(batch.scanned_to, |event| event.sequence.saturating_sub(1)))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has told standard error; there is nothing to add.
            let _ = writer.join();
        }
    }
}

/// Makes sure that what was just read will still be there after a power cut, since it is about
/// to be believed, and clears away segments that never got their name.
fn make_durable(storage: &dyn Storage, recovered: &Recovered) -> Result<(), OpenError> {
    for name in storage.names().map_err(failed(Act::List, 0))? {
        if segment::is_unfinished(&name) {
            storage.remove(&name).map_err(failed(Act::Remove, 0))?;
        }
    }
    if let Some(entry) = recovered.index.entries.back() {
        storage
            .open_to_write(&segment::name(entry.first))
            .map_err(failed(Act::Open, entry.first))?
            .sync()
            .map_err(failed(Act::Sync, entry.first))?;
    }
    storage.sync().map_err(failed(Act::SyncDirectory, 0))
}

/// The last segment, to be written further. Only one that is whole to its last byte is; behind
/// anything else, and in another boot, a new segment begins.
fn resume(
    storage: &dyn Storage,
    recovered: &Recovered,
    host_id: [u8; 32],
    boot_id: [u8; 16],
) -> Result<Option<Active>, OpenError> {
    let (Some(header), Some(entry)) = (recovered.clean_last, recovered.index.entries.back()) else {
        return Ok(None);
    };
    let unknown_boot = boot_id == [0; 16];
    if unknown_boot || header.boot_id != boot_id || header.host_id != host_id {
        return Ok(None);
    }
    Ok(Some(Active {
        file: storage
            .open_to_write(&segment::name(entry.first))
            .map_err(failed(Act::Open, entry.first))?,
        seal: header.seal(),
        start: entry.start,
        end: entry.end,
        created: header.created,
    }))
}

fn encode(mut events: Vec<Event>, then: Then) -> Result<Append, AppendError> {
    let mut encoded = Vec::new();
    let mut lengths = Vec::with_capacity(events.len().min(APPEND_EVENTS_MAX));
    for (place, event) in events.iter_mut().enumerate() {
        let start = encoded.len();
        // Both stand in the record's header; here they would only be able to disagree with it.
        event.sequence = 0;
        let time = std::mem::take(&mut event.time);
        event.write(&mut encoded);
        event.time = time;
        let payload = encoded.get(start..).unwrap_or_default();
        if payload.len() > EVENT_BYTES_MAX {
            let bytes = payload.len();
            return Err(AppendError::EventTooLong { place, bytes });
        }
        Event::decode(payload, Unknown::Refuse)
            .map_err(|invalid| AppendError::Unreadable { place, invalid })?;
        lengths.push(payload.len());
        if encoded.len() > APPEND_BYTES_MAX || lengths.len() > APPEND_EVENTS_MAX {
            return Err(AppendError::TooMany {
                events: events.len(),
                bytes: encoded.len(),
            });
        }
    }
    Ok(Append {
        events,
        encoded,
        lengths,
        then,
    })
}
