//! Bytes that no honest peer sends, each with the answer it gets.

use wire::v1::limits::{CONTAINERS_MAX, EVENTS_MAX, IMAGES_MAX, PAYLOAD_BYTES_MAX};
use wire::v1::{
    Container, Event, HEADER_BYTES, Image, Invalid, Lifecycle, Opcode, Request, RequestHeader, Response,
    ResponseHeader, Status,
};

use crate::golden::{answers, decode_answer, decode_request, golden, requests};

#[test]
fn every_prefix_of_a_frame_and_every_byte_too_many_is_refused() {
    for (name, _) in requests() {
        let mut frame = golden(name);
        for end in 0..frame.len() {
            assert_eq!(
                decode_request(&frame[..end]),
                Err(Status::BadRequest),
                "{name}, {end} bytes"
            );
        }
        frame.push(0);
        assert_eq!(decode_request(&frame), Err(Status::BadRequest), "{name}");
    }
    for (name, asked, _) in answers() {
        let mut frame = golden(name);
        for end in 0..frame.len() {
            assert_eq!(
                decode_answer(asked, &frame[..end]),
                Err(Invalid::Torn),
                "{name}, {end} bytes"
            );
        }
        frame.push(0);
        assert_eq!(decode_answer(asked, &frame), Err(Invalid::Torn), "{name}");
    }
}

fn request_header(opcode: u16, length: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = *b"DSAP\0\x01\0\0\0\0\0\0";
    bytes[6..8].copy_from_slice(&[opcode.to_le_bytes()[1], opcode.to_le_bytes()[0]]);
    let mut length = length.to_le_bytes();
    length.reverse();
    bytes[8..].copy_from_slice(&length);
    bytes
}

fn check_request_header(opcode: u16, length: u32, expected: Result<Opcode, Status>) {
    let parsed = RequestHeader::parse(&request_header(opcode, length));
    let expected = expected.map(|opcode| RequestHeader { opcode, length });
    assert_eq!(parsed, expected, "opcode {opcode}, {length} bytes");
}

#[test]
fn lengths_of_requests() {
    let bad = Err(Status::BadRequest);
    let unsupported = Err(Status::Unsupported);
    for opcode in [
        Opcode::Ping,
        Opcode::Capabilities,
        Opcode::Info,
        Opcode::ListImages,
    ] {
        for length in [0, 1, 256, PAYLOAD_BYTES_MAX] {
            check_request_header(opcode.number(), length, Ok(opcode));
        }
        check_request_header(opcode.number(), PAYLOAD_BYTES_MAX + 1, bad);
    }
    for (opcode, accepted) in [
        (Opcode::ListContainers, &[0, 4][..]),
        (Opcode::InspectContainer, &[256]),
        (Opcode::StartContainer, &[260]),
        (Opcode::StopContainer, &[260]),
        (Opcode::RestartContainer, &[260]),
        (Opcode::PollEvents, &[0, 8]),
    ] {
        for length in [0, 1, 3, 4, 5, 7, 8, 9, 255, 256, 257, 259, 260, 261, u32::MAX] {
            let expected = accepted.contains(&length).then_some(opcode);
            check_request_header(opcode.number(), length, expected.ok_or(Status::BadRequest));
        }
    }
    check_request_header(0, 0, unsupported);
    check_request_header(11, 0, unsupported);
    check_request_header(u16::MAX, PAYLOAD_BYTES_MAX, unsupported);
    check_request_header(11, PAYLOAD_BYTES_MAX + 1, bad);
}

#[test]
fn headers_that_are_none() {
    for at in 0..6 {
        let mut bytes = request_header(1, 0);
        bytes[at] ^= 0x20;
        assert_eq!(RequestHeader::parse(&bytes), Err(Status::BadRequest), "byte {at}");
        let error = match at {
            0..4 => Invalid::Magic,
            4 => Invalid::Version(0x2001),
            _ => Invalid::Version(0x21),
        };
        assert_eq!(
            ResponseHeader::parse(&bytes, Opcode::Ping),
            Err(error),
            "byte {at}"
        );
    }
}

fn check_response_header(asked: Opcode, status: u16, length: u32, expected: Result<Status, Invalid>) {
    let parsed = ResponseHeader::parse(&request_header(status, length), asked);
    let expected = expected.map(|status| ResponseHeader { status, length });
    assert_eq!(parsed, expected, "{asked:?}: {status}, {length} bytes");
}

#[test]
fn lengths_of_answers() {
    let ok = Ok(Status::Ok);
    let length = |length| Err(Invalid::Length(length));
    check_response_header(Opcode::Ping, 0, 4, ok);
    check_response_header(Opcode::Ping, 0, 5, length(5));
    check_response_header(Opcode::Capabilities, 0, 4, ok);
    check_response_header(Opcode::Capabilities, 0, 0, length(0));
    check_response_header(Opcode::Info, 0, 12, ok);
    check_response_header(Opcode::Info, 0, 16, length(16));
    check_response_header(Opcode::ListContainers, 0, 0, ok);
    check_response_header(Opcode::ListContainers, 0, 372 * 2817, ok);
    check_response_header(Opcode::ListContainers, 0, 2816, length(2816));
    check_response_header(
        Opcode::ListContainers,
        0,
        373 * 2817,
        Err(Invalid::TooLong(373 * 2817)),
    );
    check_response_header(Opcode::InspectContainer, 0, 111_553, ok);
    check_response_header(Opcode::InspectContainer, 0, 0, length(0));
    check_response_header(Opcode::InspectContainer, 0, 2 * 111_553, length(2 * 111_553));
    check_response_header(Opcode::StopContainer, 0, 1, length(1));
    check_response_header(Opcode::ListImages, 0, 788 * 1329, ok);
    check_response_header(Opcode::ListImages, 0, 1328, length(1328));
    check_response_header(Opcode::PollEvents, 0, 2841 * 369, ok);
    check_response_header(Opcode::PollEvents, 0, 370, length(370));
    check_response_header(Opcode::Ping, 0, u32::MAX, Err(Invalid::TooLong(u32::MAX)));
    check_response_header(Opcode::Ping, 5, 0, Ok(Status::Forbidden));
    check_response_header(Opcode::Ping, 5, 4, length(4));
    check_response_header(Opcode::Ping, 8, 0, Err(Invalid::Status(8)));
}

fn check_target(target: &[u8; 256], expected: Result<&str, Status>) {
    let frame = [&request_header(5, 256)[..], target].concat();
    let expected = expected.map(|target| Request::InspectContainer {
        target: target.to_owned(),
    });
    assert_eq!(decode_request(&frame), expected);

    let stop = [&request_header(7, 260)[..], target, &[0; 4]].concat();
    let expected = expected.map(|request| {
        let target = request.target().unwrap().to_owned();
        Request::StopContainer(Lifecycle { target, timeout_s: 0 })
    });
    assert_eq!(decode_request(&stop), expected);
}

#[test]
fn targets() {
    let slot = |text: &[u8]| {
        let mut slot = [0; 256];
        slot[..text.len()].copy_from_slice(text);
        slot
    };
    check_target(&slot(b"tiny"), Ok("tiny"));
    check_target(&slot(b"a\0garbage"), Ok("a"));
    check_target(&slot(b"a\xff"), Ok("a\u{fffd}"));
    check_target(&slot(&[b'x'; 255]), Ok("x".repeat(255).as_str()));
    check_target(&[b'x'; 256], Err(Status::BadRequest));
    check_target(&[0; 256], Err(Status::BadRequest));
    check_target(&slot(b"\0x"), Err(Status::BadRequest));
}

#[test]
fn timeouts() {
    let frame = |timeout: [u8; 4]| {
        let mut frame = golden("stop-request");
        let at = frame.len() - 4;
        frame[at..].copy_from_slice(&timeout);
        decode_request(&frame)
    };
    let passed = |timeout| match frame(timeout) {
        Ok(Request::StopContainer(lifecycle)) => Some(lifecycle.timeout_s),
        _ => None,
    };
    assert_eq!(passed([0xff; 4]), Some(-1));
    assert_eq!(passed([0; 4]), Some(0));
    assert_eq!(passed([0x7f, 0xff, 0xff, 0xff]), Some(i32::MAX));
    assert_eq!(frame([0xff, 0xff, 0xff, 0xfe]), Err(Status::BadRequest));
    assert_eq!(frame([0x80, 0, 0, 0]), Err(Status::BadRequest));
}

#[test]
fn references_that_cannot_be_asked_for() {
    for target in [String::new(), "x".repeat(256), "a\0b".to_owned()] {
        let request = Request::InspectContainer {
            target: target.clone(),
        };
        assert_eq!(request.to_frame(), Err(Invalid::Target), "{target:?}");
    }
}

#[test]
fn lists_that_do_not_fit_are_an_internal_error() {
    let check = |fits: Response, passes: Response, length: usize| {
        assert_eq!(
            fits.to_frame().map(|frame| frame.len()),
            Ok(HEADER_BYTES + length)
        );
        assert_eq!(passes.to_frame(), Err(Status::InternalError));
    };
    let containers = |count| Response::Containers(vec![Container::default(); count]);
    check(
        containers(CONTAINERS_MAX),
        containers(CONTAINERS_MAX + 1),
        372 * 2817,
    );
    let images = |count| Response::Images(vec![Image::default(); count]);
    check(images(IMAGES_MAX), images(IMAGES_MAX + 1), 788 * 1329);
    let events = |count| Response::Events(vec![Event::default(); count]);
    check(events(EVENTS_MAX), events(EVENTS_MAX + 1), 2841 * 369);
}

/// Puts bytes at an offset of the payload of a golden answer.
fn check_patched(name: &str, asked: Opcode, at: usize, bytes: &[u8], expected: Invalid) {
    let mut frame = golden(name);
    frame[HEADER_BYTES + at..][..bytes.len()].copy_from_slice(bytes);
    assert_eq!(decode_answer(asked, &frame), Err(expected), "{name}, byte {at}");
}

#[test]
fn records_that_cannot_be() {
    let count = |what, count| Invalid::Count { what, count };
    let inspect = |at, bytes: &[u8], expected| {
        check_patched("inspect-response", Opcode::InspectContainer, at, bytes, expected);
    };
    inspect(4725, &[0, 33], count("variables", 33));
    inspect(4729, &[0xff, 0xff], count("binds", 0xffff));
    inspect(4733, &[0, 17], count("ports", 17));
    let (version, size) = (2, 111_553);
    inspect(0, &[0, 2], Invalid::Record { version, size });
    let (version, size) = (1, 0);
    inspect(4, &[0; 4], Invalid::Record { version, size });
    check_patched(
        "list-response",
        Opcode::ListContainers,
        2614,
        &[17],
        count("ports", 17),
    );
    check_patched("ping-response", Opcode::Ping, 3, b"g", Invalid::Pong);
}
