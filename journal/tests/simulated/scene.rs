//! A journal on a simulated disk, and how to look at it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journal::fold::Past;
use journal::surroundings::Surroundings;
use journal::{AppendError, Journal, Opened, Options};
use wire::spec::Pair;
use wire::{Action, Event, EventKind, Time};

use crate::disk::Disk;

pub(crate) const HOST: [u8; 32] = [7; 32];

/// Segments of a few events, a journal of a few segments.
pub(crate) const SMALL: Options = Options {
    segment_bytes: 1000,
    retain_bytes: 9000,
    retain_age: Duration::from_secs(1000),
};

/// The same, and nothing is ever deleted.
pub(crate) const KEEP: Options = Options {
    retain_bytes: 1 << 40,
    retain_age: Duration::from_secs(1 << 40),
    ..SMALL
};

/// A machine whose clock and boot a test sets.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) boot: u8,
    pub(crate) wall: Arc<AtomicU64>,
    pub(crate) since_boot_ns: Arc<AtomicU64>,
    salts: AtomicU64,
}

impl Machine {
    pub(crate) fn new(boot: u8) -> Self {
        Self {
            boot,
            wall: Arc::new(AtomicU64::new(1000)),
            since_boot_ns: Arc::new(AtomicU64::new(77)),
            salts: AtomicU64::new(0),
        }
    }
}

impl Surroundings for Machine {
    fn wall(&self) -> Time {
        Time(self.wall.load(Ordering::Relaxed))
    }

    fn since_boot_ns(&self) -> u64 {
        self.since_boot_ns.load(Ordering::Relaxed)
    }

    fn boot_id(&self) -> [u8; 16] {
        [self.boot; 16]
    }

    fn salt(&self) -> io::Result<[u8; 16]> {
        let salt = u128::from(self.salts.fetch_add(1, Ordering::Relaxed)) << 8 | u128::from(self.boot);
        Ok(salt.to_le_bytes())
    }
}

pub(crate) fn open(disk: &Disk, boot: u8, options: Options) -> Opened {
    try_open(disk, boot, options).unwrap()
}

pub(crate) fn try_open(disk: &Disk, boot: u8, options: Options) -> Result<Opened, journal::OpenError> {
    Journal::open_on(
        Arc::new(disk.clone()),
        Arc::new(Machine::new(boot)),
        HOST,
        options,
    )
}

/// A disk with these files, opened in another boot.
pub(crate) fn reopen(files: BTreeMap<String, Vec<u8>>, options: Options) -> (Disk, Opened) {
    let disk = Disk::with(files);
    let opened = open(&disk, 99, options);
    (disk, opened)
}

/// An event that is like no other with another number.
pub(crate) fn event(number: u64) -> Event {
    const ACTIONS: [Action; 4] = [Action::Create, Action::Start, Action::Die, Action::Rename];
    Event {
        sequence: 0,
        time: Time(1_000_000 + number),
        kind: EventKind::Container,
        action: ACTIONS[(number % 4) as usize],
        actor: format!("c{}", number % 7),
        attributes: vec![
            Pair::new("name", format!("n{number}")),
            Pair::new("exit_code", "3"),
        ],
        labels: vec![Pair::new("label", "x".repeat((number % 50) as usize))],
    }
}

pub(crate) fn append(journal: &Journal, events: Vec<Event>) -> Result<Vec<Event>, AppendError> {
    let appended = journal.append(events, Box::new(|_| {}));
    // Retention runs after the answer; this comes back after it.
    let _ = journal.heal();
    appended
}

/// Everything that can be read, a few at a time.
pub(crate) fn read_all(journal: &Journal) -> Vec<Event> {
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let batch = journal.read(after, Time::NEVER, 3, 1 << 20).unwrap();
        events.extend(batch.events);
        if batch.scanned_to >= batch.last_sequence {
            return events;
        }
        after = batch.scanned_to;
    }
}

pub(crate) fn fold(events: &[Event]) -> Past {
    let mut past = Past::default();
    for event in events {
        past.apply(event);
    }
    past
}

pub(crate) fn sequences(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.sequence).collect()
}
