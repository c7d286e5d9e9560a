//! A power cut, or a kill, before every single operation of the disk.

use journal::Options;
use wire::Event;

use crate::disk::{Cut, Disk};
use crate::scene::{KEEP, SMALL, append, event, fold, open, read_all, reopen, sequences};

/// What was true after an operation.
struct Milestone {
    /// Operations before it.
    ops: usize,
    acknowledged: u64,
    first_retained: u64,
}

/// A journal's life on one disk.
struct Life {
    disk: Disk,
    /// Every event that was ever handed in, numbered; the last may not have been acknowledged.
    events: Vec<Event>,
    milestones: Vec<Milestone>,
}

const CUTS: [Cut; 12] = [
    Cut::Nothing,
    Cut::Everything,
    Cut::Some(0),
    Cut::Some(1),
    Cut::Some(2),
    Cut::Some(3),
    Cut::Some(4),
    Cut::Some(5),
    Cut::Some(6),
    Cut::Some(7),
    Cut::Some(8),
    Cut::Some(9),
];

impl Life {
    /// Appends of one to five events, over several segments and two boots.
    fn new(options: Options) -> Self {
        let mut life = Self {
            disk: Disk::default(),
            events: Vec::new(),
            milestones: Vec::new(),
        };
        for boot in 1..=2 {
            let opened = open(&life.disk, boot, options);
            for size in [1, 3, 1, 5, 2, 4, 1, 1, 5, 5, 3] {
                let next = life.events.len() as u64 + 1;
                let batch = (next..next + size).map(event).collect();
                life.events.extend(append(&opened.journal, batch).unwrap());
                let bounds = opened.journal.bounds();
                life.milestones.push(Milestone {
                    ops: life.disk.ops(),
                    acknowledged: bounds.last_sequence,
                    first_retained: bounds.first_retained,
                });
            }
        }
        life
    }

    /// Cuts the power before operation `at` and checks what is left.
    fn check(&self, at: usize, cut: Cut, options: Options) {
        let place = format!("cut before operation {at}, {cut:?}");
        let files = self.disk.cut(at, cut);
        let acknowledged = self.before(at).map_or(0, |milestone| milestone.acknowledged);
        let deleted = self.after(at).map_or(1, |milestone| milestone.first_retained);
        // A kill leaves the boot as it is, and the last segment may be written further.
        let boot = if at.is_multiple_of(2) { 2 } else { 99 };
        let disk = Disk::with(files);
        let opened = open(&disk, boot, options);
        assert_eq!(opened.report.damage, [], "{place}");
        let events = read_all(&opened.journal);
        self.check_events(&events, acknowledged, deleted, &place);
        assert_eq!(opened.past, self.past(&events), "{place}");

        // Life goes on, and what was there stays.
        let last = opened.journal.bounds().last_sequence;
        let fresh = append(&opened.journal, vec![event(500), event(501)]).unwrap();
        assert_eq!(sequences(&fresh), [last + 1, last + 2], "{place}");
        drop(opened);
        let after = open(&disk, boot, KEEP);
        assert_eq!(after.report.damage, [], "{place}");
        assert_eq!(after.report.torn_tail, None, "{place}");
        let now = read_all(&after.journal);
        let kept = now.first().unwrap().sequence;
        let mut expected = events;
        expected.extend(fresh);
        expected.retain(|event| event.sequence >= kept);
        assert_eq!(now, expected, "{place}");
    }

    fn check_events(&self, events: &[Event], acknowledged: u64, deleted: u64, place: &str) {
        for event in events {
            assert_eq!(*event, self.events[event.sequence as usize - 1], "{place}");
        }
        let numbers = sequences(events);
        assert!(numbers.is_sorted_by(|a, b| a < b), "{place}: {numbers:?}");
        for number in deleted..=acknowledged {
            assert!(
                numbers.contains(&number),
                "{place}: {number} is lost, there are {numbers:?}"
            );
        }
    }

    /// The fold of everything up to the last event that survived, without those that did not.
    fn past(&self, survived: &[Event]) -> journal::fold::Past {
        let Some(first) = survived.first() else {
            return fold(&[]);
        };
        let mut all = self.events[..first.sequence as usize - 1].to_vec();
        all.extend_from_slice(survived);
        fold(&all)
    }

    fn before(&self, at: usize) -> Option<&Milestone> {
        self.milestones.iter().rev().find(|milestone| milestone.ops <= at)
    }

    fn after(&self, at: usize) -> Option<&Milestone> {
        self.milestones.iter().find(|milestone| milestone.ops >= at)
    }
}

#[test]
fn every_cut_keeps_what_was_acknowledged() {
    for options in [KEEP, SMALL] {
        let life = Life::new(options);
        assert!(life.disk.contents().len() >= 3);
        for at in 0..=life.disk.ops() {
            for cut in CUTS {
                life.check(at, cut, options);
            }
        }
    }
}

#[test]
fn retention_deletes_in_this_life() {
    let life = Life::new(SMALL);
    assert!(life.milestones.last().unwrap().first_retained > 20);
}

/// A cut while the journal recovers from a cut.
#[test]
fn a_cut_during_recovery_keeps_it_too() {
    let life = Life::new(SMALL);
    for at in (0..=life.disk.ops()).step_by(3) {
        for first in [Cut::Nothing, Cut::Some(4), Cut::Some(5)] {
            let acknowledged = life.before(at).map_or(0, |milestone| milestone.acknowledged);
            let (disk, opened) = reopen(life.disk.cut(at, first), SMALL);
            let fresh = append(&opened.journal, vec![event(500)]).unwrap();
            let deleted = opened.journal.bounds().first_retained;
            drop(opened);
            for again in 0..=disk.ops() {
                for second in [Cut::Nothing, Cut::Some(again as u64)] {
                    let place = format!("cut before {at} {first:?}, then before {again} {second:?}");
                    let (_, opened) = reopen(disk.cut(again, second), KEEP);
                    assert_eq!(opened.report.damage, [], "{place}");
                    let events = read_all(&opened.journal);
                    for event in &events {
                        let old = life.events.get(event.sequence as usize - 1);
                        assert!(old == Some(event) || fresh.contains(event), "{place}");
                    }
                    let numbers = sequences(&events);
                    for number in deleted..=acknowledged {
                        assert!(numbers.contains(&number), "{place}: {number} is lost");
                    }
                }
            }
        }
    }
}
