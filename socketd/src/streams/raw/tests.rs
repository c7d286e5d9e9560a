use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::files::LogFile;

use super::*;
use crate::limits::LOG_TAIL_BYTES;
use crate::streams::Shape;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A console as a container writes it: what is written goes to its end, wherever that is.
fn console(text: &[u8]) -> File {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("socketd-raw-{}-{number}", std::process::id()));
    let mut file = OpenOptions::new()
        .create_new(true)
        .read(true)
        .append(true)
        .open(&path)
        .unwrap();
    fs::remove_file(path).unwrap();
    file.write_all(text).unwrap();
    file
}

/// The same file as the bridge opens it.
fn opened(file: &File) -> OpenFile {
    let told = LogFile {
        number: 1,
        bytes: file.metadata().unwrap().len(),
    };
    OpenFile::new(OwnedFd::from(file.try_clone().unwrap()), &told)
}

fn wanted(from: From, follow: bool) -> Wanted {
    Wanted {
        shape: Shape {
            raw: true,
            timestamps: false,
            output: true,
            error: true,
        },
        from,
        since: Time::NEVER,
        until: None,
        follow,
    }
}

fn stamped(wanted: Wanted) -> Wanted {
    Wanted {
        shape: Shape {
            timestamps: true,
            ..wanted.shape
        },
        ..wanted
    }
}

/// What there is to read now.
fn read(reader: &mut RawReader) -> String {
    let mut all = Vec::new();
    loop {
        match reader.step().unwrap() {
            Step::Bytes(bytes) => all.extend(bytes),
            Step::Idle | Step::Over => return String::from_utf8(all).unwrap(),
        }
    }
}

fn say(mut file: &File, text: &str) {
    file.write_all(text.as_bytes()).unwrap();
}

fn follower(file: &File, from: From) -> RawReader {
    RawReader::new(vec![opened(file)], wanted(from, true))
}

#[test]
fn the_last_lines_are_found_from_the_end() {
    #[track_caller]
    fn check(files: &[&str], lines: u64, expected: &str) {
        let files = files
            .iter()
            .map(|text| opened(&console(text.as_bytes())))
            .collect();
        let mut reader = RawReader::new(files, wanted(From::Last(lines), false));
        assert_eq!(read(&mut reader), expected, "{lines}");
    }
    let one = ["a\nb\r\nc\n"];
    check(&one, 0, "");
    check(&one, 1, "c\n");
    check(&one, 2, "b\r\nc\n");
    check(&one, 3, "a\nb\r\nc\n");
    check(&one, u64::MAX, "a\nb\r\nc\n");
    check(&["a\nb"], 1, "b");
    check(&["a\n\n"], 1, "\n");
    check(&["\n"], 1, "\n");
    check(&[""], 1, "");
    check(&[], 1, "");
    // Across files, of which a line may take part in two.
    check(&["a\nb\n", "c\n"], 2, "b\nc\n");
    check(&["a\nb", "c\nd\n"], 2, "bc\nd\n");
    check(&["a\nb\n", ""], 1, "b\n");
    check(&["a\nb\n", "c\nd\n"], 2, "c\nd\n");
}

#[test]
fn the_end_is_found_in_pieces() {
    // Lines that do and do not end where a piece does.
    for length in [1, 1000, LOG_TAIL_BYTES - 1, LOG_TAIL_BYTES, LOG_TAIL_BYTES + 1] {
        let lines: Vec<String> = (0..4)
            .map(|line| format!("{line}{}\n", "x".repeat(length)))
            .collect();
        let file = console(lines.concat().as_bytes());
        for count in 0..=lines.len() {
            let from = From::Last(u64::try_from(count).unwrap());
            let mut reader = RawReader::new(vec![opened(&file)], wanted(from, false));
            assert_eq!(read(&mut reader), lines[lines.len() - count..].concat());
        }
    }
}

#[test]
fn who_does_not_follow_sees_what_was_there() {
    let file = console(b"old\n");
    let mut reader = RawReader::new(vec![opened(&file)], wanted(From::Oldest, false));
    say(&file, "new\n");
    assert_eq!(read(&mut reader), "old\n");
}

#[test]
fn what_is_cut_and_begun_again_is_read_from_its_beginning() {
    let text = "written before\n".repeat(50);
    let cases: [(&str, From); 3] = [
        (&text, From::Oldest),
        ("", From::Now),
        ("written before\n", From::Last(1)),
    ];
    for (seen, from) in cases {
        let file = console(text.as_bytes());
        let mut reader = follower(&file, from);
        assert_eq!(read(&mut reader), seen);
        say(&file, "more\n");
        assert_eq!(read(&mut reader), "more\n");
        // Cut, and looked at while it is empty.
        file.set_len(0).unwrap();
        assert_eq!(read(&mut reader), "");
        say(&file, "begun\n");
        assert_eq!(read(&mut reader), "begun\n");
        assert_eq!(read(&mut reader), "");
        // Cut, and shorter than the place when looked at.
        file.set_len(0).unwrap();
        say(&file, "anew\n");
        assert_eq!(read(&mut reader), "anew\n");
        // Cut, and exactly as long.
        file.set_len(0).unwrap();
        say(&file, "same\n");
        assert_eq!(read(&mut reader), "same\n");
        // Cut, and longer.
        file.set_len(0).unwrap();
        let long = "grown beyond the place\n".repeat(100);
        say(&file, &long);
        assert_eq!(read(&mut reader), long);
        say(&file, "on\n");
        assert_eq!(read(&mut reader), "on\n");
    }
}

#[test]
fn a_file_that_came_back_with_the_same_bytes_before_the_place_only_grew() {
    let file = console(b"same\n");
    let mut reader = follower(&file, From::Oldest);
    assert_eq!(read(&mut reader), "same\n");
    file.set_len(0).unwrap();
    say(&file, "same\nother\n");
    // Nothing tells the two apart.
    assert_eq!(read(&mut reader), "other\n");
}

#[test]
fn a_file_that_is_cut_before_it_was_read_hides_nothing_that_comes() {
    let file = console(b"gone\n");
    let mut reader = follower(&file, From::Now);
    file.set_len(0).unwrap();
    say(&file, "a\n");
    assert_eq!(read(&mut reader), "a\n");
    let file = console(b"gone\ngone\n");
    let mut reader = RawReader::new(vec![opened(&file)], wanted(From::Last(1), false));
    file.set_len(0).unwrap();
    assert_eq!(read(&mut reader), "");
}

#[test]
fn times_that_nobody_knows_are_told_so() {
    let file = console(b"one\ntwo");
    let mut reader = RawReader::new(vec![opened(&file)], stamped(wanted(From::Oldest, true)));
    let never = "0001-01-01T00:00:00.000000000Z";
    assert_eq!(read(&mut reader), format!("{never} one\n{never} two"));
    let before = now();
    say(&file, "\nthree\n");
    let shown = read(&mut reader);
    // A line that was begun before has its stamp already.
    let stamp = shown
        .strip_prefix('\n')
        .and_then(|rest| rest.strip_suffix(" three\n"));
    let time = crate::docker::time::parse_moment(stamp.unwrap(), before).unwrap();
    assert!(before <= time && time <= now(), "{shown}");
}

#[test]
fn only_files_written_to_since_then_are_shown() {
    let (old, new) = (console(b"old\n"), console(b"new\n"));
    let at = |second: u64| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
    old.set_modified(at(1000)).unwrap();
    new.set_modified(at(2000)).unwrap();
    #[track_caller]
    fn check(old: &File, new: &File, from: From, since_s: u64, expected: &str) {
        let wanted = Wanted {
            since: Time(since_s * 1_000_000_000),
            ..wanted(from, true)
        };
        let mut reader = RawReader::new(vec![opened(old), opened(new)], wanted);
        assert_eq!(read(&mut reader), expected, "{since_s}");
    }
    check(&old, &new, From::Oldest, 0, "old\nnew\n");
    check(&old, &new, From::Oldest, 1000, "old\nnew\n");
    check(&old, &new, From::Oldest, 1001, "new\n");
    check(&old, &new, From::Oldest, 2000, "new\n");
    check(&old, &new, From::Oldest, 2001, "");
    check(&old, &new, From::Last(2), 1001, "new\n");
    check(&old, &new, From::Last(1), 1000, "new\n");
    check(&old, &new, From::Last(0), 0, "");
}

#[test]
fn nothing_that_comes_too_late_or_too_early_is_shown() {
    let file = console(b"there\n");
    let mut until = wanted(From::Oldest, true);
    until.until = Some(Time(1));
    let mut reader = RawReader::new(vec![opened(&file)], until);
    assert_eq!(read(&mut reader), "there\n");
    say(&file, "late\n");
    assert!(matches!(reader.step().unwrap(), Step::Over));

    let mut since = wanted(From::Oldest, true);
    since.since = Time(u64::MAX);
    let mut reader = RawReader::new(vec![opened(&file)], since);
    say(&file, "early\n");
    assert_eq!(read(&mut reader), "");
}

#[test]
fn a_line_longer_than_a_piece_is_passed_on_in_parts() {
    let line = "x".repeat(3 * LOG_PIECE_BYTES + 5);
    let file = console(line.as_bytes());
    let mut framed = wanted(From::Oldest, true);
    framed.shape.raw = false;
    let mut reader = RawReader::new(vec![opened(&file)], framed);
    let mut total = 0;
    while let Step::Bytes(bytes) = reader.step().unwrap() {
        assert!(
            bytes.len() <= LOG_PIECE_BYTES + LOG_PIECE_BYTES / 64,
            "{}",
            bytes.len()
        );
        let mut rest = bytes.as_slice();
        while let Some((head, after)) = rest.split_first_chunk::<8>() {
            let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
            assert!(length <= crate::limits::FRAME_BYTES_MAX);
            total += length;
            rest = &after[length..];
        }
    }
    assert_eq!(total, line.len());
    // One who waits holds the bytes before the place and nothing else.
    assert_eq!(
        (reader.buffer.capacity(), reader.before.len()),
        (0, LOG_PLACE_BYTES)
    );
}

#[test]
fn a_newer_file_is_known_by_what_it_is() {
    let (first, second) = (console(b"first\n"), console(b"second\n"));
    let mut reader = follower(&first, From::Now);
    assert_eq!(read(&mut reader), "");
    assert!(reader.later(vec![opened(&first)]).is_empty());
    let later = reader.later(vec![opened(&first), opened(&second)]);
    assert_eq!(later.len(), 1);
    reader.extend(later);
    say(&first, "last\n");
    assert_eq!(read(&mut reader), "last\nsecond\n");
}
