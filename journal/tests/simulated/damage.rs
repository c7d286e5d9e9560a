//! Bytes that are not as they were written.

use std::collections::BTreeMap;

use journal::DamageKind;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use wire::Event;

use crate::disk::Disk;
use crate::scene::{KEEP, append, event, fold, open, read_all, reopen, sequences};

/// Three segments with their events, closed cleanly.
fn written() -> (BTreeMap<String, Vec<u8>>, Vec<Event>) {
    let disk = Disk::default();
    let journal = open(&disk, 1, KEEP).journal;
    let mut events = Vec::new();
    for number in 0..9 {
        events.extend(append(&journal, vec![event(number * 2), event(number * 2 + 1)]).unwrap());
    }
    drop(journal);
    let files = disk.contents();
    assert!(files.len() >= 3, "{} files", files.len());
    (files, events)
}

#[test]
fn a_flipped_byte_loses_at_most_its_record_and_is_told_of() {
    let (files, events) = written();
    for name in files.keys() {
        for at in 0..files[name].len() {
            let place = format!("{name} byte {at}");
            let mut files = files.clone();
            files.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            let (_, opened) = reopen(files, KEEP);
            let left = read_all(&opened.journal);
            let lost: Vec<_> = events.iter().filter(|event| !left.contains(event)).collect();
            assert!(lost.len() <= 1, "{place}: lost {}", lost.len());
            assert_eq!(left.len() + lost.len(), events.len(), "{place}");
            let report = &opened.report;
            let told = || report.damage.iter().chain(&report.torn).chain(&report.torn_tail);
            assert_eq!(told().count(), 1, "{place}: {report:?}");
            let told = told().next().unwrap();
            assert_eq!(told.file_name(), *name, "{place}");
            assert!(
                (told.offset..told.offset + told.bytes).contains(&(at as u64)),
                "{place}: {told}"
            );
            if lost.is_empty() {
                assert_eq!(opened.past, fold(&events), "{place}");
            }
        }
    }
}

#[test]
fn a_damaged_event_is_told_of_by_number_to_readers_too() {
    let (mut files, events) = written();
    let (name, bytes) = files.iter_mut().next().unwrap();
    let at = bytes.windows(2).position(|pair| pair == b"n1").unwrap();
    bytes[at] = b'N';
    let name = name.clone();
    let (_, opened) = reopen(files, KEEP);
    let damage = opened.report.damage[0];
    assert_eq!(
        (damage.file_name(), damage.kind, damage.lost),
        (name, DamageKind::Records, Some((2, 2)))
    );
    let batch = opened.journal.read(0, wire::Time::NEVER, 1000, 1 << 20).unwrap();
    assert_eq!(batch.damage[0].offset, damage.offset);
    assert_eq!(batch.events.len(), events.len() - 1);
    assert_eq!(batch.scanned_to, batch.last_sequence);
}

#[test]
fn damage_that_came_while_the_journal_was_open_is_passed_over() {
    let disk = Disk::default();
    let journal = open(&disk, 1, KEEP).journal;
    let events = append(&journal, (0..5).map(event).collect()).unwrap();
    let name = journal::segment::name(1);
    let bytes = disk.contents()[&name].clone();
    let at = bytes.windows(2).position(|pair| pair == b"n4").unwrap();
    let file = journal::storage::Storage::open_to_write(&disk, &name).unwrap();
    file.write_at(b"N", at as u64).unwrap();
    let batch = journal.read(0, wire::Time::NEVER, 10, 1 << 20).unwrap();
    assert_eq!(batch.events, events[..4]);
    assert_eq!((batch.damage.len(), batch.scanned_to), (1, 5));
}

#[test]
fn a_segment_without_a_header_hides_no_other_and_no_number_comes_twice() {
    let (files, events) = written();
    for name in files.keys() {
        let mut files = files.clone();
        files.get_mut(name).unwrap()[..1024].fill(0xff);
        let first = journal::segment::first_of(name).unwrap();
        let (_, opened) = reopen(files, KEEP);
        assert_eq!(opened.report.damage[0].kind, DamageKind::Segment);
        assert_eq!(opened.report.damage[0].file_name(), *name);
        let left = read_all(&opened.journal);
        assert!(left.iter().all(|event| events.contains(event)));
        assert!(left.iter().all(|event| event.sequence != first));
        let fresh = append(&opened.journal, vec![event(500)]).unwrap();
        assert!(fresh[0].sequence > events.len() as u64);
        assert_eq!(read_all(&opened.journal).len(), left.len() + 1);
    }
}

#[test]
fn a_cut_off_or_missing_segment_is_told_of_with_what_it_held() {
    let (files, events) = written();
    let names: Vec<_> = files.keys().cloned().collect();
    for length in 0..files[&names[1]].len() {
        let mut files = files.clone();
        files.get_mut(&names[1]).unwrap().truncate(length);
        let (_, opened) = reopen(files, KEEP);
        assert!(!opened.report.is_whole(), "{length} bytes");
        let left = sequences(&read_all(&opened.journal));
        let third = journal::segment::first_of(&names[2]).unwrap();
        assert!((third..=events.len() as u64).all(|number| left.contains(&number)));
    }
    let mut files = files;
    files.remove(&names[1]);
    let (_, opened) = reopen(files, KEEP);
    let second = journal::segment::first_of(&names[1]).unwrap();
    let third = journal::segment::first_of(&names[2]).unwrap();
    assert_eq!(opened.report.damage[0].lost, Some((second, third - 1)));
}

#[test]
fn a_later_version_is_not_written_behind() {
    let header = journal::segment::SegmentHeader {
        version: journal::segment::VERSION + 1,
        first: 1,
        created: wire::Time(1),
        created_since_boot_ns: 1,
        newest_before: wire::Time(0),
        boot_id: [1; 16],
        salt: [1; 16],
        host_id: [1; 32],
    };
    let files = [(journal::segment::name(1), header.encode().to_vec())].into();
    let refused = crate::scene::try_open(&Disk::with(files), 1, KEEP);
    assert!(matches!(
        refused,
        Err(journal::OpenError::Version {
            segment: 1,
            version: 2
        })
    ));
}

#[test]
fn a_record_forged_inside_an_event_is_not_taken_for_one() {
    // The bytes of a whole record of another journal, carried in a label.
    let (files, _) = written();
    let donor = files.values().next().unwrap();
    let start = donor
        .windows(4)
        .rposition(|bytes| bytes == journal::record::RECORD_MAGIC)
        .unwrap();
    assert_eq!(start % 8, 0);
    let forged = &donor[start..];
    let disk = Disk::default();
    let journal = open(&disk, 2, KEEP).journal;
    append(&journal, vec![event(1), event(2)]).unwrap();
    drop(journal);
    let mut files = disk.contents();
    let bytes = files.values_mut().next().unwrap();
    bytes.extend_from_slice(forged);
    let (_, opened) = reopen(files, KEEP);
    assert_eq!(read_all(&opened.journal).len(), 2);
    assert_eq!(opened.report.torn_tail.unwrap().bytes, forged.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_panics(
        tails in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 3),
        lengths in prop::collection::vec(0usize..2400, 3),
    ) {
        let (mut files, events) = written();
        for (bytes, (tail, length)) in files.values_mut().zip(tails.iter().zip(&lengths)) {
            bytes.truncate(*length);
            bytes.extend_from_slice(tail);
        }
        let (_, opened) = reopen(files, KEEP);
        let left = read_all(&opened.journal);
        assert!(left.iter().all(|event| events.contains(event)));
        let fresh = append(&opened.journal, vec![event(500)]).unwrap();
        assert_eq!(read_all(&opened.journal).last(), fresh.last());
    }
}
