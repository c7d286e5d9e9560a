//! Events in a file that nobody locked.

use wire::v1::events::{self, EVENT_BYTES};
use wire::v1::{Event, Opcode, Response};

use crate::golden::{decode_answer, golden};
use crate::samples;

/// The given events as the file has them.
fn records(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        events::append(event, &mut out);
    }
    out
}

fn check(bytes: &[u8], expected: &[Event]) {
    let found: Vec<Event> = events::scan(bytes).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_torn_file_gives_what_is_whole() {
    check(&golden("events-file-torn"), &samples::events());
}

#[test]
fn a_short_write_of_any_length_costs_no_other_record() {
    let all = samples::events();
    let bytes = records(&all);
    for torn in 0..EVENT_BYTES {
        let file = [&bytes[..EVENT_BYTES], &bytes[EVENT_BYTES..][..torn], &bytes].concat();
        let found: Vec<Event> = events::scan(&file).collect();
        // A record that lacks only NULs that the next one begins with is whole.
        let expected: Vec<Event> = if torn >= EVENT_BYTES - 4 {
            [&all[..2], &all].concat()
        } else {
            [&all[..1], &all].concat()
        };
        assert_eq!(found, expected, "{torn} bytes of a record");
    }
}

#[test]
fn a_file_may_begin_and_end_anywhere() {
    let all = samples::events();
    let bytes = records(&all);
    for start in 1..EVENT_BYTES {
        check(&bytes[start..], &all[1..]);
    }
    for end in 3 * EVENT_BYTES..bytes.len() {
        check(&bytes[..end], &all[..3]);
    }
}

fn check_dropped(at: usize, bytes: &[u8]) {
    let all = samples::events();
    let mut file = records(&all);
    file[EVENT_BYTES + at..][..bytes.len()].copy_from_slice(bytes);
    check(&file, &[&all[..1], &all[2..]].concat());
}

#[test]
fn records_that_are_none_are_passed_over() {
    check_dropped(0, &[0x80]);
    check_dropped(7, &[0]);
    check_dropped(8, &[0x80]);
    check_dropped(16, b"image\0\0\0\0");
    check_dropped(47, b"x");
    check_dropped(48, &[0; 32]);
    check_dropped(48, b"\xff");
    check_dropped(79, b"x");
    check_dropped(112, b"x");
    check_dropped(368, b"x");
    check_dropped(113, b"\xc3\0\0\0");
}

#[test]
fn answers_are_read_in_the_same_way() {
    let mut frame = golden("events-response");
    // A server whose file has a torn record sends that too, shifted.
    frame.truncate(frame.len() - EVENT_BYTES);
    frame.splice(12..12, std::iter::repeat_n(b'x', EVENT_BYTES));
    let answer = decode_answer(Opcode::PollEvents, &frame).unwrap();
    assert_eq!(answer, Ok(Response::Events(samples::events()[..3].to_vec())));
}

#[test]
fn marks_without_records_end() {
    let mark = [&b"container"[..], &[0; 23]].concat();
    check(&mark.repeat(32 * 1024), &[]);
    check(&[], &[]);
    check(&mark, &[]);
}
