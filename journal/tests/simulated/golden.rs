//! Segments written by every released version, read by this one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wire::Event;

use crate::disk::Disk;
use crate::scene::{KEEP, append, event, fold, open, read_all};

fn directory(version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(version)
}

fn golden(version: &str) -> BTreeMap<String, Vec<u8>> {
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    std::fs::read_dir(directory(version)).unwrap().map(file).collect()
}

/// What the segments of version 1 hold, and the files this version writes for it.
fn version_1() -> (BTreeMap<String, Vec<u8>>, Vec<Event>) {
    let disk = Disk::default();
    let journal = open(&disk, 1, KEEP).journal;
    let mut events = append(&journal, (1..=6).map(event).collect()).unwrap();
    events.extend(
        append(
            &journal,
            vec![
                event(7),
                Event {
                    time: wire::Time(8),
                    ..Event::default()
                },
            ],
        )
        .unwrap(),
    );
    drop(journal);
    (disk.contents(), events)
}

#[test]
fn version_1_is_read() {
    let (_, events) = version_1();
    let opened = open(&Disk::with(golden("v1")), 1, KEEP);
    assert!(opened.report.is_whole());
    assert_eq!(opened.report.torn_tail, None);
    assert_eq!(read_all(&opened.journal), events);
    assert_eq!(opened.past, fold(&events));
}

#[test]
fn this_version_writes_version_1_to_the_byte() {
    let (files, _) = version_1();
    assert_eq!(files, golden("v1"));
    assert_eq!(files.len(), 2);
}
