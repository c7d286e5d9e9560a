//! The one thread that writes: gathers what waits, writes it as one, syncs once, then answers.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use wire::{Event, Invalid, Time};

use crate::failure::{Act, Failure};
use crate::fold::Past;
use crate::index::{Entry, Index};
use crate::limits::BUFFER_KEPT_BYTES;
use crate::queue::{Queue, Turn, lock};
use crate::record::{self, Kind, Place, Seal};
use crate::retain::{Options, Present, age, surplus};
use crate::segment::{self, SegmentHeader, VERSION};
use crate::storage::{File, Storage, write_all_at};
use crate::surroundings::Surroundings;
use crate::width::wide;

/// Why events were not appended. None of them is in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendError {
    /// The file system refused. The journal tries again with a new segment at the next append.
    Failed(Failure),
    /// An event passes [`EVENT_BYTES_MAX`](crate::limits::EVENT_BYTES_MAX).
    EventTooLong {
        /// Which of the events, from zero.
        place: usize,
        /// How long it is, in bytes.
        bytes: usize,
    },
    /// An event could not be read back: it passes a limit of the wire or holds a NUL.
    Unreadable {
        /// Which of the events, from zero.
        place: usize,
        /// What a reader would say.
        invalid: Invalid,
    },
    /// More events, or more bytes of them, than one append takes.
    TooMany {
        /// How many events.
        events: usize,
        /// How many encoded bytes.
        bytes: usize,
    },
    /// The writer is gone.
    Closed,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::EventTooLong { place, bytes } => write!(f, "event {place} takes {bytes} bytes"),
            Self::Unreadable { place, invalid } => {
                write!(f, "event {place} could not be read back: {invalid}")
            }
            Self::TooMany { events, bytes } => {
                write!(f, "{events} events of {bytes} bytes are too many for one append")
            }
            Self::Closed => f.write_str("the journal is closed"),
        }
    }
}

impl core::error::Error for AppendError {}

/// Run on the writer's thread with the numbered events, once they are durable.
pub type Then = Box<dyn FnOnce(&[Event]) + Send>;

/// What readers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) index: RwLock<Index>,
    /// Why nothing can be appended at present.
    pub(crate) failure: Mutex<Option<Failure>>,
    /// Why an old segment could not be deleted at the last attempt.
    pub(crate) retention_failure: Mutex<Option<Failure>>,
}

/// One caller's events, encoded, and who waits for them.
pub(crate) struct Append {
    pub(crate) events: Vec<Event>,
    /// The payloads, one after the other.
    pub(crate) encoded: Vec<u8>,
    /// The length of each payload.
    pub(crate) lengths: Vec<usize>,
    pub(crate) then: Then,
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append")
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

impl Append {
    /// What its records take in a segment, in bytes.
    pub(crate) fn record_bytes(&self) -> usize {
        self.lengths.iter().fold(0, |sum: usize, &length| {
            sum.saturating_add(record::record_bytes(length))
        })
    }
}

/// The segment that is written to.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) file: Box<dyn File>,
    pub(crate) seal: Seal,
    /// Where its checkpoint ends and events begin.
    pub(crate) start: u64,
    /// Where the next record goes; everything before is durable.
    pub(crate) end: u64,
    pub(crate) created: Time,
}

/// The writer's own state.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) surroundings: Arc<dyn Surroundings>,
    pub(crate) host_id: [u8; 32],
    pub(crate) boot_id: [u8; 16],
    pub(crate) options: Options,
    /// What age is counted from.
    pub(crate) present: Present,
    /// The fold of every durable event.
    pub(crate) past: Past,
    /// None before the first append and after a failure.
    pub(crate) active: Option<Active>,
    /// Records being put together; kept for its capacity.
    pub(crate) buffer: Vec<u8>,
    /// A segment was begun, so that an old one may now be surplus.
    pub(crate) retention_due: bool,
    /// A segment was deleted, and a power cut may yet bring it back.
    pub(crate) removal_unsynced: bool,
}

/// Where a record of the batch went.
#[derive(Debug, Clone, Copy)]
struct Placed {
    sequence: u64,
    time: Time,
    offset: u64,
    end: u64,
}

impl Writer {
    /// Writes until the queue is closed.
    pub(crate) fn run(mut self, queue: &Queue) {
        // Whatever ends this thread, nobody may wait for it afterwards.
        let _closing = Closing(queue);
        while let Some(turn) = queue.take() {
            self.commit(turn);
            if self.retention_due {
                self.retain();
            }
        }
    }

    fn commit(&mut self, mut turn: Turn) {
        let written = self.write(&mut turn.appends, turn.bytes);
        *lock(&self.shared.failure) = written.err();
        let answer = |append: Append| match written {
            Ok(()) => {
                (append.then)(&append.events);
                Ok(append.events)
            }
            Err(failure) => Err(AppendError::Failed(failure)),
        };
        let answers = std::mem::take(&mut turn.appends)
            .into_iter()
            .map(answer)
            .collect();
        turn.finish(answers);
    }

    /// Makes a whole batch durable and known, or none of it.
    fn write(&mut self, batch: &mut [Append], bytes: usize) -> Result<(), Failure> {
        let last = self.index(|index| index.last);
        let now = self.now();
        let mut active = match self.active.take() {
            Some(active) if !self.is_full(&active, bytes, now) => active,
            _ => self.begin_segment(last.saturating_add(1))?,
        };
        let placed = self.place(batch, &active, last);
        let Some(end) = placed.last().map(|placed| placed.end) else {
            self.active = Some(active);
            return Ok(());
        };
        let written = write_all_at(&*active.file, &self.buffer, active.end)
            .map_err(|error| (Act::Write, error))
            .and_then(|()| active.file.sync().map_err(|error| (Act::Sync, error)));
        if let Err((act, error)) = written {
            let segment = self.index(|index| index.entries.back().map_or(0, |entry| entry.first));
            // Whatever reached the file was refused; the next segment's name says so too, should
            // this fail. The file is not written to again.
            let _ = active.file.truncate(active.end);
            return Err(self.failed(act, segment, &error));
        }
        active.end = end;
        self.active = Some(active);
        self.publish(&placed);
        for append in batch {
            for event in &append.events {
                self.past.apply(event);
            }
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        Ok(())
    }

    fn publish(&self, placed: &[Placed]) {
        let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = index.entries.back_mut() {
            for placed in placed {
                entry.extend(placed.sequence, placed.time, placed.offset, placed.end);
            }
        }
        if let Some(placed) = placed.last() {
            index.last = placed.sequence;
        }
    }

    /// Numbers the events of a batch and puts their records into the buffer.
    fn place(&mut self, batch: &mut [Append], active: &Active, last: u64) -> Vec<Placed> {
        let since_boot_ns = self.surroundings.since_boot_ns();
        let mut placed: Vec<Placed> = Vec::new();
        let mut sequence = last;
        self.buffer.clear();
        for append in batch {
            let mut payloads = append.encoded.as_slice();
            for (event, &length) in append.events.iter_mut().zip(&append.lengths) {
                let (payload, rest) = payloads.split_at_checked(length).unwrap_or_default();
                payloads = rest;
                sequence = sequence.saturating_add(1);
                event.sequence = sequence;
                let offset = active.end.saturating_add(wide(self.buffer.len()));
                let place = Place {
                    kind: Kind::Event,
                    sequence,
                    time: event.time,
                    since_boot_ns,
                    pending: u32::try_from(placed.len()).unwrap_or(u32::MAX),
                };
                record::write(&mut self.buffer, active.seal, place, payload);
                placed.push(Placed {
                    sequence,
                    time: event.time,
                    offset,
                    end: active.end.saturating_add(wide(self.buffer.len())),
                });
            }
        }
        placed
    }

    /// The present, as far as age goes.
    fn now(&mut self) -> Time {
        let (wall, since_boot_ns) = (self.surroundings.wall(), self.surroundings.since_boot_ns());
        self.present.now(wall, since_boot_ns)
    }

    fn is_full(&self, active: &Active, bytes: usize, now: Time) -> bool {
        // Only events count: a checkpoint longer than a segment must not make every batch begin one.
        let events = active.end.saturating_sub(active.start);
        let too_long = events.saturating_add(wide(bytes)) > self.options.segment_bytes();
        let too_old = age(now, active.created) > self.options.segment_age();
        events > 0 && bytes > 0 && (too_long || too_old)
    }

    /// Makes a segment whose first event will be `first`: whole under another name, durable, then
    /// named, then the name durable.
    fn begin_segment(&mut self, first: u64) -> Result<Active, Failure> {
        let salt = self
            .surroundings
            .salt()
            .map_err(|error| self.failed(Act::Salt, first, &error))?;
        let header = SegmentHeader {
            version: VERSION,
            first,
            created: self.surroundings.wall(),
            created_since_boot_ns: self.surroundings.since_boot_ns(),
            newest_before: self.index(Index::newest),
            boot_id: self.boot_id,
            salt,
            host_id: self.host_id,
        };
        let mut bytes = Vec::new();
        segment::write_head(&mut bytes, &header);
        let place = Place {
            kind: Kind::Checkpoint,
            sequence: first.saturating_sub(1),
            time: header.created,
            since_boot_ns: header.created_since_boot_ns,
            pending: 0,
        };
        record::write(&mut bytes, header.seal(), place, &self.past.encode());
        let file = self
            .install(first, &bytes)
            .map_err(|(act, error)| self.failed(act, first, &error))?;
        let end = wide(bytes.len());
        let mut entry = Entry::new(first, Some(header.seal()), header.created, header.newest_before);
        entry.checkpoint(end);
        self.shared
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .begin(entry);
        self.retention_due = true;
        Ok(Active {
            file,
            seal: header.seal(),
            start: end,
            end,
            created: header.created,
        })
    }

    fn install(&self, first: u64, bytes: &[u8]) -> Result<Box<dyn File>, (Act, io::Error)> {
        let storage = &*self.shared.storage;
        let unfinished = segment::unfinished_name(first);
        let file = storage
            .create(&unfinished)
            .map_err(|error| (Act::Create, error))?;
        write_all_at(&*file, bytes, 0).map_err(|error| (Act::Write, error))?;
        file.sync().map_err(|error| (Act::Sync, error))?;
        storage
            .rename(&unfinished, &segment::name(first))
            .map_err(|error| (Act::Create, error))?;
        storage.sync().map_err(|error| (Act::SyncDirectory, error))?;
        Ok(file)
    }

    /// Deletes what is no longer kept, oldest first, each durably before the next, so that no
    /// crash leaves a gap in the middle.
    pub(crate) fn retain(&mut self) {
        self.retention_due = false;
        let now = self.now();
        let surplus = self.index(|index| surplus(index, &self.options, now));
        let failure = (0..surplus).try_for_each(|_| self.remove_oldest()).err();
        *lock(&self.shared.retention_failure) = failure;
    }

    fn remove_oldest(&mut self) -> Result<(), Failure> {
        let storage = Arc::clone(&self.shared.storage);
        let Some(first) = self.index(|index| index.entries.front().map(|entry| entry.first)) else {
            return Ok(());
        };
        if self.removal_unsynced {
            self.sync_removal(&*storage, first)?;
        }
        match storage.remove(&segment::name(first)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed(Act::Remove, first, &error));
            }
            _ => {}
        }
        self.shared
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entries
            .pop_front();
        self.removal_unsynced = true;
        self.sync_removal(&*storage, first)
    }

    fn sync_removal(&mut self, storage: &dyn Storage, first: u64) -> Result<(), Failure> {
        storage
            .sync()
            .map_err(|error| self.failed(Act::SyncDirectory, first, &error))?;
        self.removal_unsynced = false;
        Ok(())
    }

    fn index<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.shared.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn failed(&self, act: Act, segment: u64, error: &io::Error) -> Failure {
        Failure {
            act,
            segment,
            errno: error.raw_os_error(),
            kind: error.kind(),
            at: self.surroundings.wall(),
        }
    }
}

/// Closes the queue when the writer ends, by whatever way.
#[derive(Debug)]
struct Closing<'q>(&'q Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
        // Those who came too late are told by the drop of their round.
        drop(self.0.take());
    }
}
