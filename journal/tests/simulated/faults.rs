//! A disk that fails at every single call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{AppendError, Journal};
use wire::Event;

use crate::disk::{Counted, Cut, Disk, Fault};
use crate::scene::{KEEP, append, event, fold, open, read_all, reopen, try_open};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const ENOMEM: i32 = 12;

/// Appends ten batches and says which events were accepted.
fn work(journal: &Journal, start: u64) -> Vec<Event> {
    let mut accepted = Vec::new();
    for number in start..start + 10 {
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let events = vec![event(number * 2), event(number * 2 + 1)];
        let answer = journal.append(
            events,
            Box::new(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            }),
        );
        assert_eq!(calls.load(Ordering::Relaxed), u64::from(answer.is_ok()));
        match answer {
            Ok(events) => {
                assert_eq!(journal.failure(), None);
                accepted.extend(events);
            }
            Err(AppendError::Failed(failure)) => assert_eq!(journal.failure(), Some(failure)),
            Err(other) => panic!("{other}"),
        }
        // What was refused cannot be read, neither now nor later.
        assert_eq!(journal.bounds().last_sequence, accepted.len() as u64);
    }
    accepted
}

#[test]
fn refused_events_are_absent_and_accepted_ones_present_whatever_call_fails() {
    for fault in [
        Fault::Once(EIO),
        Fault::Once(ENOSPC),
        Fault::Sticky(EIO),
        Fault::Sticky(ENOSPC),
        Fault::Short(ENOSPC),
    ] {
        for left in 0.. {
            let place = format!("{fault:?} after {left} calls");
            let disk = Disk::default();
            let journal = open(&disk, 1, KEEP).journal;
            disk.fail(Counted::Changes, left, fault);
            let mut accepted = work(&journal, 0);
            let unused = disk.repair();
            // The disk is well again: so is the journal, at once.
            journal.heal().unwrap();
            assert_eq!(journal.failure(), None, "{place}");
            let rest = append(&journal, vec![event(900), event(901)]).unwrap();
            accepted.extend(rest);
            assert_eq!(read_all(&journal), accepted, "{place}");
            drop(journal);
            for cut in [Cut::Nothing, Cut::Everything, Cut::Some(left)] {
                let (_, opened) = reopen(disk.cut(disk.ops(), cut), KEEP);
                assert_eq!(opened.report.damage, [], "{place}");
                assert_eq!(read_all(&opened.journal), accepted, "{place}");
                assert_eq!(opened.past, fold(&accepted), "{place}");
            }
            if unused {
                break;
            }
        }
    }
}

#[test]
fn a_failure_is_told_and_reading_goes_on() {
    let disk = Disk::default();
    let journal = open(&disk, 1, KEEP).journal;
    let accepted = append(&journal, vec![event(1)]).unwrap();
    disk.fail(Counted::Changes, 0, Fault::Sticky(ENOSPC));
    let refused = append(&journal, vec![event(2)]).unwrap_err();
    let AppendError::Failed(failure) = refused else {
        panic!("{refused}")
    };
    assert_eq!(failure.errno, Some(ENOSPC));
    assert!(journal.heal().is_err());
    assert_eq!(read_all(&journal), accepted);
}

#[test]
fn a_segment_that_cannot_be_deleted_stays_readable_and_is_tried_again() {
    let disk = Disk::default();
    let options = crate::scene::SMALL;
    let journal = open(&disk, 1, options).journal;
    let mut number = 0;
    while journal.bounds().first_retained == 1 {
        append(&journal, vec![event(number)]).unwrap();
        number += 1;
    }
    drop(journal);
    // With retention by fewer bytes every open has something to delete.
    let less = journal::Options {
        retain_bytes: 4000,
        ..options
    };
    let first = open(&disk, 1, options).journal.bounds().first_retained;
    disk.fail(Counted::Changes, 2, Fault::Sticky(EIO));
    let journal = open(&disk, 1, less).journal;
    assert_eq!(journal.retention_failure().unwrap().errno, Some(EIO));
    assert_eq!(journal.bounds().first_retained, first);
    assert_eq!(read_all(&journal)[0].sequence, first);
    disk.repair();
    drop(journal);
    let journal = open(&disk, 1, less).journal;
    assert_eq!(journal.retention_failure(), None);
    assert!(journal.bounds().first_retained > first);
}

/// What a disk will not give at one moment must not be lost for good by what is done about it.
#[test]
fn a_read_that_fails_while_opening_loses_nothing() {
    let disk = Disk::default();
    let accepted = work(&open(&disk, 1, KEEP).journal, 0);
    for fault in [Fault::Once(EIO), Fault::Sticky(EIO), Fault::Once(ENOMEM)] {
        for left in 0.. {
            let place = format!("{fault:?} after {left} calls");
            let disk = Disk::with(disk.contents());
            disk.fail(Counted::Reads, left, fault);
            let opened = try_open(&disk, 1, KEEP);
            let unused = disk.repair();
            let fresh = opened
                .ok()
                .map(|opened| append(&opened.journal, vec![event(901)]).unwrap());
            let opened = open(&disk, 1, KEEP);
            let events = read_all(&opened.journal);
            assert_eq!(events[..accepted.len()], accepted, "{place}");
            assert_eq!(events[accepted.len()..], fresh.unwrap_or_default(), "{place}");
            if unused {
                break;
            }
        }
    }
}

#[test]
fn a_bad_sector_met_by_a_reader_is_told_and_passed_over() {
    let disk = Disk::default();
    let journal = open(&disk, 1, KEEP).journal;
    let accepted = work(&journal, 0);
    // The first call opens the file, the second meets the sector, the third its only block.
    disk.fail(Counted::Reads, 1, Fault::Sticky(EIO));
    let batch = journal.read(0, wire::Time::NEVER, 1, 0);
    disk.repair();
    assert!(batch.is_err() || !batch.unwrap().damage.is_empty());
    assert_eq!(read_all(&journal), accepted);
}
