//! Frames computed from the tables alone (`golden/v1/compute.py`), in both directions.

use std::fs;

use wire::v1::{
    Answer, Capabilities, HEADER_BYTES, Info, Invalid, Lifecycle, Opcode, Request, RequestHeader, Response,
    ResponseHeader, Status,
};

use crate::samples::{self, UUID_1};

/// One of the golden files.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let path = format!("golden/v1/{name}.bin");
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn lifecycle(target: &str, timeout_s: i32) -> Lifecycle {
    Lifecycle {
        target: target.to_owned(),
        timeout_s,
    }
}

/// Every request with a payload of its own, by the name of its file.
pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    let inspect = |target: &str| Request::InspectContainer {
        target: target.to_owned(),
    };
    vec![
        ("ping-request", Request::Ping),
        ("capabilities-request", Request::Capabilities),
        ("info-request", Request::Info),
        ("list-request", Request::ListContainers { all: true }),
        ("list-running-request", Request::ListContainers { all: false }),
        ("inspect-request", inspect("web server")),
        ("inspect-request-longest", inspect(&"r".repeat(255))),
        ("start-request", Request::StartContainer(lifecycle("tiny", -1))),
        ("stop-request", Request::StopContainer(lifecycle(UUID_1, 10))),
        ("restart-request", Request::RestartContainer(lifecycle("d5d1", 0))),
        ("images-request", Request::ListImages),
        (
            "events-request",
            Request::PollEvents {
                since_s: 1_795_309_640,
            },
        ),
    ]
}

/// Every answer, by the name of its file.
pub(crate) fn answers() -> Vec<(&'static str, Opcode, Answer)> {
    let info = Info {
        total: 100,
        running: 3,
        stopped: 97,
    };
    let mut all = vec![
        ("ping-response", Opcode::Ping, Ok(Response::Pong)),
        (
            "capabilities-response",
            Opcode::Capabilities,
            Ok(Response::Capabilities(Capabilities::ALL)),
        ),
        ("info-response", Opcode::Info, Ok(Response::Info(info))),
        (
            "list-response",
            Opcode::ListContainers,
            Ok(Response::Containers(samples::containers())),
        ),
        (
            "list-response-empty",
            Opcode::ListContainers,
            Ok(Response::Containers(Vec::new())),
        ),
        (
            "inspect-response",
            Opcode::InspectContainer,
            Ok(Response::Container(Box::new(samples::inspect()))),
        ),
        ("start-response", Opcode::StartContainer, Ok(Response::Done)),
        ("stop-response", Opcode::StopContainer, Ok(Response::Done)),
        ("restart-response", Opcode::RestartContainer, Ok(Response::Done)),
        ("status-0-ok", Opcode::StartContainer, Ok(Response::Done)),
        (
            "images-response",
            Opcode::ListImages,
            Ok(Response::Images(samples::images())),
        ),
        (
            "events-response",
            Opcode::PollEvents,
            Ok(Response::Events(samples::events())),
        ),
    ];
    for (name, status) in [
        ("status-1-bad-request", Status::BadRequest),
        ("status-2-unsupported", Status::Unsupported),
        ("status-3-not-found", Status::NotFound),
        ("status-4-internal-error", Status::InternalError),
        ("status-5-forbidden", Status::Forbidden),
        ("status-6-already-running", Status::AlreadyRunning),
        ("status-7-already-stopped", Status::AlreadyStopped),
    ] {
        all.extend(Opcode::ALL.iter().map(|opcode| (name, *opcode, Err(status))));
    }
    all
}

pub(crate) fn decode_request(frame: &[u8]) -> Result<Request, Status> {
    let (header, payload) = frame
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(Status::BadRequest)?;
    Request::decode(RequestHeader::parse(header)?, payload)
}

pub(crate) fn decode_answer(asked: Opcode, frame: &[u8]) -> Result<Answer, Invalid> {
    let (header, payload) = frame.split_first_chunk::<HEADER_BYTES>().ok_or(Invalid::Torn)?;
    Response::decode(asked, ResponseHeader::parse(header, asked)?, payload)
}

fn encode_answer(answer: &Answer) -> Vec<u8> {
    match answer {
        Ok(response) => response.to_frame().unwrap(),
        Err(status) => status.to_frame().to_vec(),
    }
}

/// Frames are long: what differs is said by its place.
fn same(name: &str, found: &[u8], expected: &[u8]) {
    let differs = found.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(
        (differs, found.len()),
        (None, expected.len()),
        "{name}: the first byte that differs, and the length"
    );
}

#[test]
fn requests_are_these_bytes() {
    for (name, request) in requests() {
        let frame = golden(name);
        same(name, &request.to_frame().unwrap(), &frame);
        assert_eq!(decode_request(&frame), Ok(request), "{name}");
    }
}

#[test]
fn answers_are_these_bytes() {
    for (name, asked, answer) in answers() {
        let frame = golden(name);
        same(name, &encode_answer(&answer), &frame);
        assert_eq!(decode_answer(asked, &frame), Ok(answer), "{name}");
    }
}

fn check_lenient(name: &str, expected: Request) {
    assert_eq!(decode_request(&golden(name)), Ok(expected), "{name}");
}

#[test]
fn payloads_that_may_be_left_out_or_are_thrown_away() {
    check_lenient("ping-request-with-payload", Request::Ping);
    check_lenient(
        "list-running-request-without-payload",
        Request::ListContainers { all: false },
    );
    check_lenient(
        "events-request-without-payload",
        Request::PollEvents { since_s: 0 },
    );
}

#[test]
fn every_golden_file_is_read_by_a_test() {
    let mut known: Vec<&str> = vec![
        "ping-request-with-payload",
        "list-running-request-without-payload",
        "events-request-without-payload",
        "events-file-torn",
    ];
    known.extend(requests().iter().map(|(name, _)| *name));
    known.extend(answers().iter().map(|(name, ..)| *name));
    let mut count = 0;
    for entry in fs::read_dir("golden/v1").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(stem) = name.strip_suffix(".bin") {
            assert!(known.contains(&stem), "{name} is read by no test");
            count += 1;
        }
    }
    known.sort_unstable();
    known.dedup();
    assert_eq!(count, known.len());
}
