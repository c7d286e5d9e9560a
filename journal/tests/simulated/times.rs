//! Clocks that step, and reading by time across it.

use journal::Journal;
use wire::{Event, Time};

use crate::disk::Disk;
use crate::scene::{KEEP, append, event, open, sequences};

/// Times of forty events: up, back by a lot, up again past where they were, and once in 2099.
const TIMES: [u64; 40] = [
    100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130,
    140, 9999, 160, 170, 180, 190, 200, 210, 220, 230, 240, 250, 260, 270, 280, 290, 300, 310,
];

fn journal(disk: &Disk) -> (Journal, Vec<Event>) {
    let journal = open(disk, 1, KEEP).journal;
    let mut events = Vec::new();
    for (number, time) in (0..).zip(TIMES) {
        let event = Event {
            time: Time(time),
            ..event(number)
        };
        events.extend(append(&journal, vec![event]).unwrap());
    }
    assert!(disk.contents().len() > 4);
    (journal, events)
}

fn check(journal: &Journal, events: &[Event]) {
    assert_eq!(sequences(events), (1..=40).collect::<Vec<_>>());
    for since in (0..330).chain([9998, 9999, 10_000]) {
        for after in [0, 9, 10, 25, 40] {
            let batch = journal.read(after, Time(since), 1000, 1 << 20).unwrap();
            let expected: Vec<_> = events
                .iter()
                .filter(|event| event.sequence > after && event.time >= Time(since))
                .cloned()
                .collect();
            assert_eq!(batch.events, expected, "after {after}, since {since}");
            assert_eq!(batch.scanned_to, 40);
        }
        let reached = TIMES.iter().position(|&time| time >= since);
        assert_eq!(
            journal.position(Time(since)).unwrap(),
            reached.map_or(40, |at| at as u64)
        );
    }
}

#[test]
fn since_is_right_across_steps_back_and_leaps_ahead() {
    let disk = Disk::default();
    let (live, events) = journal(&disk);
    check(&live, &events);
    drop(live);
    check(&open(&disk, 1, KEEP).journal, &events);
    check(&open(&disk, 2, KEEP).journal, &events);
}

#[test]
fn counts_and_bytes_bound_a_batch_and_it_always_moves() {
    let disk = Disk::default();
    let (journal, events) = journal(&disk);
    for (count_max, bytes_max) in [(1, 1 << 20), (7, 1 << 20), (1000, 0), (1000, 300)] {
        let mut after = 0;
        let mut found = Vec::new();
        while after < 40 {
            let batch = journal.read(after, Time::NEVER, count_max, bytes_max).unwrap();
            assert!(!batch.events.is_empty() && batch.events.len() <= count_max);
            assert_eq!(batch.scanned_to, batch.events.last().unwrap().sequence);
            after = batch.scanned_to;
            found.extend(batch.events);
        }
        assert_eq!(found, events);
    }
    let none = journal.read(3, Time::NEVER, 0, 1 << 20).unwrap();
    assert_eq!((none.events.len(), none.scanned_to), (0, 3));
    let beyond = journal.read(1000, Time::NEVER, 10, 1 << 20).unwrap();
    assert_eq!((beyond.events.len(), beyond.last_sequence), (0, 40));
}
