//! Random lives of a journal beside a plain list of what it should hold.
//!
//! `JOURNAL_MODEL_CASES=200000 cargo test --release -p socketd-journal --test simulated model`
//! lives that many lives instead of a few hundred, of thirty operations on average, and says how
//! many operations that was.

use std::cell::Cell;
use std::io::Write;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::test_runner::TestRunner;
use wire::{Event, Time};

use crate::disk::{Counted, Cut, Disk, Fault};
use crate::scene::{SMALL, append, event, fold, open, read_all};

#[derive(Debug, Clone)]
enum Act {
    Append {
        events: u64,
    },
    /// Appends on a disk that fails at the n-th call from now.
    Fail {
        left: u64,
        sticky: bool,
    },
    Read {
        after: u64,
        since: u64,
        count_max: usize,
    },
    /// Ends cleanly; another boot or not.
    Reopen {
        same_boot: bool,
    },
    /// The power goes, with an append under way that got so many operations far.
    Cut {
        left: u64,
        seed: u64,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => (0u64..6).prop_map(|events| Act::Append { events }),
        2 => (0u64..14, any::<bool>()).prop_map(|(left, sticky)| Act::Fail { left, sticky }),
        4 => (0u64..80, 0u64..80, 0usize..20)
            .prop_map(|(after, since, count_max)| Act::Read { after, since, count_max }),
        1 => any::<bool>().prop_map(|same_boot| Act::Reopen { same_boot }),
        2 => (0u64..14, any::<u64>()).prop_map(|(left, seed)| Act::Cut { left, seed }),
        1 => Just(Act::Append { events: 40 }),
    ];
    prop::collection::vec(act, 1..60)
}

/// The journal and its model.
struct Pair {
    disk: Disk,
    journal: journal::Journal,
    /// Every event there ever was, in order, retained or not.
    model: Vec<Event>,
    boot: u8,
    number: u64,
}

impl Pair {
    fn new() -> Self {
        let disk = Disk::default();
        let journal = open(&disk, 1, SMALL).journal;
        Self {
            disk,
            journal,
            model: Vec::new(),
            boot: 1,
            number: 0,
        }
    }

    fn batch(&mut self, events: u64) -> Vec<Event> {
        // Times go up and down.
        let make = |number: u64| Event {
            time: Time(number * 7 % 80),
            ..event(number)
        };
        let start = self.number;
        self.number += events;
        (start..self.number).map(make).collect()
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Append { events } => {
                let batch = self.batch(events);
                self.model.extend(append(&self.journal, batch).unwrap());
            }
            Act::Fail { left, sticky } => self.fail(left, sticky),
            Act::Read {
                after,
                since,
                count_max,
            } => self.read(after, Time(since), count_max),
            Act::Reopen { same_boot } => {
                self.boot += u8::from(!same_boot);
                let disk = Disk::with(self.disk.contents());
                self.open(disk, &[]);
            }
            Act::Cut { left, seed } => {
                let before = self.disk.ops();
                let batch = self.batch(3);
                let appended = append(&self.journal, batch).unwrap();
                let at = self.disk.ops().min(before + left as usize);
                let image = self.disk.cut(
                    at,
                    if seed % 5 == 0 {
                        Cut::Everything
                    } else {
                        Cut::Some(seed)
                    },
                );
                self.boot += 1;
                self.open(Disk::with(image), &appended);
            }
        }
        assert_eq!(self.journal.failure(), None);
    }

    fn fail(&mut self, left: u64, sticky: bool) {
        let fault = if sticky {
            Fault::Sticky(28)
        } else {
            Fault::Short(5)
        };
        self.disk.fail(Counted::Changes, left, fault);
        for _ in 0..3 {
            let batch = self.batch(2);
            if let Ok(events) = append(&self.journal, batch) {
                self.model.extend(events);
            }
        }
        self.disk.repair();
        self.journal.heal().unwrap();
        // Healing began a segment; retention has run once the next call comes back.
        self.journal.heal().unwrap();
    }

    fn read(&self, after: u64, since: Time, count_max: usize) {
        let batch = self.journal.read(after, since, count_max, 1 << 20).unwrap();
        let expected: Vec<_> = self
            .model
            .iter()
            .filter(|event| event.sequence >= batch.first_retained)
            .filter(|event| event.sequence > after && event.time >= since)
            .take(count_max)
            .cloned()
            .collect();
        assert_eq!(batch.events, expected);
        assert_eq!(
            batch.last_sequence,
            self.model.last().map_or(0, |event| event.sequence)
        );
        // Times in the list go up and down; the first that is late enough is what counts.
        let reached = self
            .model
            .iter()
            .find(|event| event.sequence >= batch.first_retained && event.time >= since);
        assert_eq!(
            self.journal.position(since).unwrap(),
            reached.map_or(batch.last_sequence, |event| event.sequence - 1)
        );
    }

    /// Opens `disk` in place of the one there was; `perhaps` were under way.
    fn open(&mut self, disk: Disk, perhaps: &[Event]) {
        let opened = open(&disk, self.boot, SMALL);
        assert_eq!(opened.report.damage, []);
        let survived = read_all(&opened.journal);
        assert!(self.model.is_empty() || !survived.is_empty());
        let sequence = |event: &Event| event.sequence;
        let first = survived.first().map_or(u64::MAX, sequence);
        let acknowledged = self.model.iter().filter(|event| event.sequence >= first).count();
        assert_eq!(
            survived[..acknowledged],
            self.model[self.model.len() - acknowledged..]
        );
        // What was under way is there whole or not at all.
        assert!(
            survived[acknowledged..]
                .iter()
                .all(|event| perhaps.contains(event))
        );
        self.model.extend_from_slice(&survived[acknowledged..]);
        assert_eq!(opened.past, fold(&self.model));
        self.disk = disk;
        self.journal = opened.journal;
    }
}

/// How many lives `cargo test` lives.
const CASES: u32 = 600;

#[test]
fn the_journal_is_a_list() {
    let asked = std::env::var("JOURNAL_MODEL_CASES").ok();
    let cases = asked.as_ref().map_or(CASES, |cases| cases.parse().unwrap());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let operations = Cell::new(0_u64);
    let live = |acts: Vec<Act>| {
        let mut pair = Pair::new();
        for act in acts {
            operations.set(operations.get() + 1);
            pair.act(act);
        }
        let bounds = pair.journal.bounds();
        let kept: Vec<_> = pair
            .model
            .iter()
            .filter(|event| event.sequence >= bounds.first_retained)
            .cloned()
            .collect();
        assert_eq!(read_all(&pair.journal), kept);
        Ok(())
    };
    TestRunner::new(config).run(&acts(), live).unwrap();
    if asked.is_some() {
        writeln!(std::io::stderr(), "{} operations", operations.get()).unwrap();
    }
}
