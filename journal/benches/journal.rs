//! What the journal reaches on this disk, beside what the disk itself reaches in the same run.
//!
//! `cargo bench -p socketd-journal [-- DIRECTORY]`; the directory is made and removed.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use journal::record::Kind;
use journal::scan::{Course, Found, Scan};
use journal::segment::SegmentHeader;
use journal::{Journal, Options};
use wire::record::Value;
use wire::spec::Pair;
use wire::{Action, Event, EventKind, Time};

const WRITERS: usize = 64;
const APPENDS: usize = 60;
const TURNS: usize = 10;
const REPLAY_BYTES: u64 = 64 * 1024 * 1024;

fn main() {
    let named = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let root = named.map_or_else(
        || std::env::temp_dir().join("socketd-journal-bench"),
        PathBuf::from,
    );
    fs::create_dir(&root).unwrap();
    beside(&root, 1);
    beside(&root, WRITERS);
    replay(&root.join("replay"));
    fs::remove_dir_all(&root).unwrap();
}

fn event(number: usize) -> Event {
    Event {
        sequence: 0,
        time: Time(1_700_000_000_000_000_000 + number as u64),
        kind: EventKind::Container,
        action: Action::Start,
        actor: format!("{:064x}", number % 100),
        attributes: vec![Pair::new("name", "web-1"), Pair::new("image", "alpine:3.20")],
        labels: vec![Pair::new("com.example.project", "shop")],
    }
}

fn record_bytes() -> usize {
    48 + Event {
        time: Time::NEVER,
        ..event(1)
    }
    .encode()
    .len()
    .next_multiple_of(8)
}

fn options() -> Options {
    Options {
        retain_bytes: 1 << 30,
        ..Options::default()
    }
}

/// Acknowledged appends of so many writers, and a loop without a journal: the bytes of as many
/// records as shared a sync, then one fdatasync. In turns, for a disk's mood changes by the second.
fn beside(root: &Path, writers: usize) {
    let dir = root.join(format!("writers-{writers}"));
    let journal = Journal::open(&dir, [1; 32], options()).unwrap().journal;
    append(&journal, writers);
    let batch = mean_batch(&dir);
    let file = File::create(root.join(format!("bare-{writers}"))).unwrap();
    let (mut own, mut bare) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..TURNS {
        own += append(&journal, writers);
        bare += bare_loop(&file, batch, turn);
    }
    let own = (writers * APPENDS * TURNS) as f64 / own.as_secs_f64();
    let bare = (batch * APPENDS * TURNS) as f64 / bare.as_secs_f64();
    println!("durable appends, writers {writers:>2}:  {own:>9.0}/s");
    println!(
        "bare loop, {batch:>2} a sync:       {bare:>9.0}/s, journal {:.2} of it",
        own / bare
    );
}

fn append(journal: &Journal, writers: usize) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                for number in 0..APPENDS {
                    journal.append(vec![event(number)], Box::new(|_| {})).unwrap();
                }
            });
        }
    });
    start.elapsed()
}

/// Events by syncs: the first record of a batch is the one that nothing was pending before.
fn mean_batch(dir: &Path) -> usize {
    let (mut events, mut batches) = (0, 0);
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let Some(first) = journal::segment::first_of(entry.file_name().to_str().unwrap()) else {
            continue;
        };
        let bytes = fs::read(entry.path()).unwrap();
        let header = SegmentHeader::decode(bytes.first_chunk().unwrap()).unwrap();
        let file = File::open(entry.path()).unwrap();
        let mut scan = Scan::new(&file, header.seal(), Course::whole(first, bytes.len() as u64));
        while let Some(found) = scan.step().unwrap() {
            if let Found::Record(record) = found
                && record.header.kind == Kind::Event
            {
                events += 1;
                batches += usize::from(record.header.pending == 0);
            }
        }
    }
    events / batches
}

fn bare_loop(file: &File, records: usize, turn: usize) -> Duration {
    let bytes = vec![7; record_bytes() * records];
    let start = Instant::now();
    for number in turn * APPENDS..(turn + 1) * APPENDS {
        file.write_all_at(&bytes, (number * bytes.len()) as u64).unwrap();
        file.sync_data().unwrap();
    }
    start.elapsed()
}

fn replay(dir: &Path) {
    let journal = Journal::open(dir, [1; 32], options()).unwrap().journal;
    let count = REPLAY_BYTES as usize / record_bytes();
    for start in (0..count).step_by(4000) {
        let events = (start..count.min(start + 4000)).map(event).collect();
        journal.append(events, Box::new(|_| {})).unwrap();
    }
    drop(journal);
    let (bytes, plain) = best(|| plain_read(dir));
    let (events, opening) = best(|| {
        let opened = Journal::open(dir, [1; 32], options()).unwrap();
        assert!(opened.report.is_whole());
        opened.report.events
    });
    let opened = Journal::open(dir, [1; 32], options()).unwrap();
    let (_, reading) = best(|| read_all(&opened.journal));
    let rate = |elapsed: Duration| bytes as f64 / elapsed.as_secs_f64() / 1e9;
    println!(
        "plain read with CRC32C:      {bytes} bytes in {plain:?}, {:.2} GB/s",
        rate(plain)
    );
    println!(
        "opening:                     {events} events in {opening:?}, {:.2} GB/s",
        rate(opening)
    );
    println!(
        "reading every event:         {reading:?}, {:.2} GB/s",
        rate(reading)
    );
}

fn best<T>(run: impl Fn() -> T) -> (T, Duration) {
    let turn = || {
        let start = Instant::now();
        let value = run();
        (value, start.elapsed())
    };
    (0..5)
        .map(|_| turn())
        .min_by_key(|(_, elapsed)| *elapsed)
        .unwrap()
}

fn plain_read(dir: &Path) -> u64 {
    let mut buffer = vec![0; 128 * 1024];
    let (mut bytes, mut crc) = (0, 0);
    for entry in fs::read_dir(dir).unwrap() {
        let mut file = File::open(entry.unwrap().path()).unwrap();
        loop {
            let count = file.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            crc = crc32c::crc32c_append(crc, buffer.get(..count).unwrap());
            bytes += count as u64;
        }
    }
    std::hint::black_box(crc);
    bytes
}

fn read_all(journal: &Journal) {
    let mut after = 0;
    loop {
        let batch = journal.read(after, Time::NEVER, 1024, 1 << 20).unwrap();
        after = batch.scanned_to;
        if after == batch.last_sequence {
            break;
        }
    }
}
