//! The fold outlives the events it came from; retention deletes and says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use journal::{AppendError, Journal, Options};
use wire::Time;
use wire::spec::Pair;

use crate::disk::Disk;
use crate::scene::{HOST, KEEP, Machine, SMALL, append, event, fold, open, read_all, sequences};

#[test]
fn retention_by_bytes_keeps_the_fold_and_its_limit() {
    let disk = Disk::default();
    let journal = open(&disk, 1, SMALL).journal;
    let mut all = Vec::new();
    for number in 0..200 {
        all.extend(append(&journal, vec![event(number)]).unwrap());
        let bytes: usize = disk.contents().values().map(Vec::len).sum();
        assert!(bytes as u64 <= SMALL.retain_bytes, "{bytes} bytes after {number}");
    }
    let bounds = journal.bounds();
    assert!(bounds.first_retained > 100);
    // Asking for what is gone is answered from the first that is left, and says so.
    let batch = journal.read(5, Time::NEVER, 1, 0).unwrap();
    assert_eq!(batch.first_retained, bounds.first_retained);
    assert_eq!(batch.events[0].sequence, bounds.first_retained);
    drop(journal);
    for boot in [1, 2] {
        let opened = open(&disk, boot, SMALL);
        assert!(opened.report.is_whole());
        assert_eq!(opened.past, fold(&all));
        assert_eq!(opened.journal.bounds(), bounds);
    }
}

#[test]
fn retention_by_age_works_on_a_quiet_machine() {
    let disk = Disk::default();
    let machine = Arc::new(Machine::new(1));
    // 2020-01-01: before that a clock counts as not set.
    const DAY_ONE: u64 = 1_577_836_800_000_000_000;
    // Both clocks go on.
    let go_on_to = |nanos: u64| {
        machine.wall.store(DAY_ONE + nanos, Ordering::Relaxed);
        machine.since_boot_ns.store(nanos, Ordering::Relaxed);
    };
    let options = Options {
        retain_age: Duration::from_nanos(800),
        ..KEEP
    };
    let open = || Journal::open_on(Arc::new(disk.clone()), machine.clone(), HOST, options).unwrap();
    let opened = open();
    let at = |number: u64, time| wire::Event {
        time: Time(DAY_ONE + time),
        ..event(number)
    };
    go_on_to(10_000);
    append(&opened.journal, vec![at(1, 10_000)]).unwrap();
    // A segment is closed at an eighth of the age kept, however little is in it.
    go_on_to(10_101);
    append(&opened.journal, vec![at(2, 10_101)]).unwrap();
    assert_eq!(disk.contents().len(), 2);
    go_on_to(10_901);
    append(&opened.journal, vec![at(3, 10_901)]).unwrap();
    assert_eq!(sequences(&read_all(&opened.journal)), [2, 3]);
    drop(opened);
    // Opening deletes too, and the last segment always stays.
    go_on_to(99_999);
    let opened = open();
    assert_eq!(sequences(&read_all(&opened.journal)), [3]);
    assert_eq!(opened.past.containers.len(), 3);
}

/// A phone that starts in 1970 and learns the time later, and one whose clock goes mad.
#[test]
fn a_clock_that_jumps_by_years_deletes_nothing() {
    const YEAR: u64 = 365 * 24 * 60 * 60 * 1_000_000_000;
    let disk = Disk::default();
    let machine = Arc::new(Machine::new(1));
    let options = Options {
        retain_age: Duration::from_nanos(YEAR / 4),
        ..KEEP
    };
    let journal = Journal::open_on(Arc::new(disk.clone()), machine.clone(), HOST, options)
        .unwrap()
        .journal;
    let years = [0, 56, 56, 99, 0, 56, 200, 56];
    for (number, year) in (1..).zip(years) {
        let now = year * YEAR + number;
        machine.wall.store(now, Ordering::Relaxed);
        machine.since_boot_ns.store(number, Ordering::Relaxed);
        let event = wire::Event {
            time: Time(now),
            ..event(number)
        };
        append(&journal, vec![event]).unwrap();
    }
    assert_eq!(sequences(&read_all(&journal)), (1..=8).collect::<Vec<_>>());
    drop(journal);
    // Started in 1970 once more, another time of day makes nothing old either.
    machine.wall.store(5, Ordering::Relaxed);
    let journal = Journal::open_on(Arc::new(disk.clone()), machine, HOST, options)
        .unwrap()
        .journal;
    assert_eq!(sequences(&read_all(&journal)), (1..=8).collect::<Vec<_>>());
}

#[test]
fn an_event_that_could_not_be_read_back_is_refused() {
    let disk = Disk::default();
    let journal = open(&disk, 1, KEEP).journal;
    let check = |broken: wire::Event| {
        let refused = journal
            .append(vec![event(1), broken], Box::new(|_| panic!("refused")))
            .unwrap_err();
        assert_eq!(journal.failure(), None);
        refused
    };
    let nul = check(wire::Event {
        actor: "a\0b".to_owned(),
        ..event(1)
    });
    assert!(matches!(
        nul,
        AppendError::Unreadable {
            place: 1,
            invalid: wire::Invalid::Text
        }
    ));
    let labels = vec![Pair::new("k", "v".repeat(100_000)); 6];
    let long = check(wire::Event { labels, ..event(1) });
    assert!(
        matches!(long, AppendError::EventTooLong { place: 1, .. }),
        "{long}"
    );
    let many = journal
        .append(vec![event(1); 20_000], Box::new(|_| {}))
        .unwrap_err();
    assert!(matches!(many, AppendError::TooMany { .. }), "{many}");
    assert_eq!(journal.bounds().last_sequence, 0);
}

#[test]
fn another_hosts_journal_is_read_and_told_of() {
    let disk = Disk::default();
    let events = append(&open(&disk, 1, KEEP).journal, vec![event(1)]).unwrap();
    let opened = Journal::open_on(Arc::new(disk.clone()), Arc::new(Machine::new(1)), [8; 32], KEEP).unwrap();
    assert_eq!(opened.report.foreign_segments, 1);
    assert_eq!(read_all(&opened.journal), events);
    append(&opened.journal, vec![event(2)]).unwrap();
    assert_eq!(disk.contents().len(), 2);
}
