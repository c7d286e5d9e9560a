//! Frames that were released, byte for byte. A file under `wire/golden` is never edited: a record
//! that grows gets one more file, and the old one must be read as before.

use std::fs;
use std::path::PathBuf;

use crate::generate::Source;
use crate::message::Message;

/// Set to add the files that are missing. Files that are there are never touched.
const ADD_MISSING: &str = "SOCKETD_ADD_GOLDEN";

fn folder() -> PathBuf {
    // Cargo runs tests in the folder of their crate.
    PathBuf::from("golden/v2")
}

/// The released frames of one message, oldest first.
fn released(stem: &str) -> Vec<Vec<u8>> {
    let path = |number| folder().join(format!("{stem}.{number}.frame"));
    (1..).map_while(|number| fs::read(path(number)).ok()).collect()
}

#[test]
fn every_message_is_encoded_as_released() {
    let add = std::env::var_os(ADD_MISSING).is_some();
    for message in Message::each(&mut Source::Full(0)) {
        let (stem, frame) = (message.file_stem(), message.frame());
        let released = released(&stem);
        if released.contains(&frame) {
            continue;
        }
        assert!(
            add,
            "{stem}: none of its {} golden frames is what this version encodes. If a record has grown, \
             {ADD_MISSING}=1 cargo test -p socketd-wire adds the new frame; if not, the encoding is broken",
            released.len()
        );
        let path = folder().join(format!("{stem}.{}.frame", released.len() + 1));
        fs::create_dir_all(folder()).unwrap();
        fs::File::create_new(&path).unwrap();
        fs::write(&path, frame).unwrap();
    }
}

#[test]
fn every_released_frame_is_still_understood() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let frame = fs::read(&path).unwrap();
        let message =
            Message::decode_frame(&frame).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            message.frame(),
            frame,
            "{} is encoded differently now",
            path.display()
        );
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            name.starts_with(&format!("{}.", message.file_stem())),
            "{name} holds another message"
        );
        count += 1;
    }
    assert!(
        count >= Message::each(&mut Source::Full(0)).len(),
        "only {count} golden frames"
    );
}

#[test]
fn golden_frames_are_fully_populated() {
    for message in Message::each(&mut Source::Full(0)) {
        let payload = message.payload();
        let count = u16::from_le_bytes([payload[0], payload[1]]);
        // Numbers of fields begin at 1 and leave none out, so the last one equals the count.
        let (mut rest, mut last) = (&payload[2..], 0);
        while let [low, high, a, b, c, d, after @ ..] = rest {
            last = u16::from_le_bytes([*low, *high]);
            rest = &after[usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap()..];
        }
        assert_eq!(
            last,
            count,
            "{} leaves a field at its default",
            message.file_stem()
        );
    }
}
