//! On a real directory: what only a real file system and real threads can show.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use journal::{Archive, Journal, OpenError, Opened, Options};
use wire::{Action, Event, EventKind, Time};

/// A directory that goes when the test ends, however it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("socketd-journal-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &Path) -> Opened {
    Journal::open(dir, [1; 32], Options::default()).unwrap()
}

fn event(time: u64) -> Event {
    Event {
        time: Time(time),
        kind: EventKind::Container,
        action: Action::Create,
        actor: format!("{time:064}"),
        ..Event::default()
    }
}

#[test]
fn what_was_appended_is_read_by_the_next_process() {
    let scratch = Scratch::new("reopen");
    // The directory itself is made where it is missing.
    let dir = scratch.0.join("journal");
    let opened = open(&dir);
    let appended = opened
        .journal
        .append(vec![event(5), event(6)], Box::new(|_| {}))
        .unwrap();
    assert_eq!(appended[1].sequence, 2);
    drop(opened);
    let opened = open(&dir);
    assert!(opened.report.is_whole() && opened.report.torn_tail.is_none());
    let batch = opened.journal.read(0, Time::NEVER, 10, 1 << 20).unwrap();
    assert_eq!(batch.events, appended);
    assert_eq!(opened.past.containers.len(), 2);
    // Within one boot the last segment is written further.
    opened.journal.append(vec![event(7)], Box::new(|_| {})).unwrap();
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);
}

#[test]
fn there_is_one_writer() {
    let scratch = Scratch::new("lock");
    let first = open(&scratch.0);
    let second = Journal::open(&scratch.0, [1; 32], Options::default());
    assert!(matches!(second, Err(OpenError::Busy)));
    drop(first);
    open(&scratch.0);
}

#[test]
fn callers_at_once_get_one_order_and_then_runs_in_it() {
    const CALLERS: u64 = 16;
    const APPENDS: u64 = 25;
    let scratch = Scratch::new("callers");
    let journal = open(&scratch.0).journal;
    let seen = Arc::new(Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (journal, seen) = (&journal, &seen);
            scope.spawn(move || {
                let mut last = 0;
                for append in 0..APPENDS {
                    let seen = Arc::clone(seen);
                    let events = vec![event(caller * 1000 + append); 2];
                    let placed = journal
                        .append(
                            events,
                            Box::new(move |events| {
                                seen.lock()
                                    .unwrap()
                                    .extend(events.iter().map(|event| event.sequence));
                            }),
                        )
                        .unwrap();
                    assert_eq!(placed[0].time, Time(caller * 1000 + append));
                    assert_eq!(placed[1].sequence, placed[0].sequence + 1);
                    assert!(placed[0].sequence > last);
                    last = placed[1].sequence;
                }
            });
        }
    });
    let total = CALLERS * APPENDS * 2;
    assert_eq!(*seen.lock().unwrap(), (1..=total).collect::<Vec<_>>());
    assert_eq!(journal.bounds().last_sequence, total);
}

#[test]
fn reading_while_it_grows_gives_nothing_twice() {
    const EVENTS: u64 = 2000;
    let scratch = Scratch::new("grows");
    let journal = open(&scratch.0).journal;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut batch = journal.read(0, Time::NEVER, usize::MAX, usize::MAX).unwrap();
            while batch.scanned_to < EVENTS {
                batch = journal.read(0, Time::NEVER, usize::MAX, usize::MAX).unwrap();
                let numbers: Vec<u64> = batch.events.iter().map(|event| event.sequence).collect();
                assert_eq!(numbers, (1..=batch.scanned_to).collect::<Vec<_>>());
            }
        });
        for time in 1..=EVENTS {
            journal.append(vec![event(time)], Box::new(|_| {})).unwrap();
        }
        reader.join().unwrap();
    });
}

#[test]
fn a_journal_is_looked_at_beside_its_writer() {
    let scratch = Scratch::new("archive");
    let journal = open(&scratch.0).journal;
    let events = journal
        .append(vec![event(5), event(6)], Box::new(|_| {}))
        .unwrap();
    let archive = Archive::open(&scratch.0, [1; 32]).unwrap();
    assert!(archive.report.is_whole());
    assert_eq!(archive.bounds(), journal.bounds());
    assert_eq!(archive.past.containers.len(), 2);
    assert_eq!(archive.read(0, Time::NEVER, 10, 1 << 20).unwrap().events, events);
    // What comes later is not in it.
    journal.append(vec![event(7)], Box::new(|_| {})).unwrap();
    assert_eq!(archive.read(0, Time::NEVER, 10, 1 << 20).unwrap().events, events);
}

#[test]
fn a_link_in_the_directory_is_not_followed() {
    let scratch = Scratch::new("link");
    let elsewhere = scratch.0.join("elsewhere");
    let dir = scratch.0.join("journal");
    drop(
        open(&dir)
            .journal
            .append(vec![event(5)], Box::new(|_| {}))
            .unwrap(),
    );
    let segment = dir.join(journal::segment::name(1));
    std::fs::rename(&segment, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &segment).unwrap();
    assert!(matches!(
        Journal::open(&dir, [1; 32], Options::default()),
        Err(OpenError::Io { segment: 1, .. })
    ));
}

/// Idle means idle: no wake-up of the writer, however long nothing is asked.
/// The number of the system call below is that of x86-64.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_writer_sleeps_without_a_timer() {
    let scratch = Scratch::new("idle");
    let journal = open(&scratch.0).journal;
    journal.append(vec![event(5)], Box::new(|_| {})).unwrap();
    let asleep = || {
        std::fs::read_dir("/proc/self/task").unwrap().any(|task| {
            let task = task.unwrap().path();
            let read = |name: &str| std::fs::read_to_string(task.join(name)).unwrap_or_default();
            // 202 is futex; a wait without end has a null pointer for its time.
            let call = read("syscall");
            let fields: Vec<_> = call.split_whitespace().collect();
            read("comm").trim() == "journal"
                && fields.first() == Some(&"202")
                && fields.get(4) == Some(&"0x0")
        })
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !asleep() {
        assert!(
            std::time::Instant::now() < deadline,
            "the writer is not asleep for good"
        );
        std::thread::yield_now();
    }
}
