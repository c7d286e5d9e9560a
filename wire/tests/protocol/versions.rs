//! A later version adds fields, names and kinds; this one must live with them.

use wire::info::LimitSupport;
use wire::reader::Unknown;
use wire::record::Value;
use wire::response::Subscribed;
use wire::spec::NetworkMode;
use wire::{Info, Invalid, Response, Summary, record};

use crate::generate::Source;
use crate::message::Message;

/// The payload, with one more field than any version knows.
fn with_a_new_field(mut payload: Vec<u8>) -> Vec<u8> {
    let count = u16::from_le_bytes([payload[0], payload[1]]) + 1;
    payload[..2].copy_from_slice(&count.to_le_bytes());
    payload.extend_from_slice(&0xfff0u16.to_le_bytes());
    payload.extend_from_slice(&3u32.to_le_bytes());
    payload.extend_from_slice(b"new");
    payload
}

#[test]
fn a_new_field_is_refused_in_requests_and_passed_over_in_answers() {
    for message in Message::each(&mut Source::Full(0)) {
        let payload = with_a_new_field(message.payload());
        let decoded = message.decode_alike(&payload);
        assert!(
            matches!(decoded, Err(Invalid::UnknownField { tag: 0xfff0, .. })),
            "{decoded:?}"
        );
        if let Message::Answer(answer) = message {
            assert_eq!(Response::decode(answer.kind(), &payload), Ok(answer));
        }
    }
}

record! {
    /// What a later version may make of [`LimitSupport`].
    pub struct LaterLimits {
        1 => memory: bool,
        9 => io_weight: bool,
    }
}

record! {
    /// What a later version may make of [`Info`].
    pub struct LaterInfo {
        9 => bridge_version: String,
        15 => limits: LaterLimits,
    }
}

fn check_later(memory: bool, io_weight: bool) {
    let later = LaterInfo {
        bridge_version: "9.0".to_owned(),
        limits: LaterLimits { memory, io_weight },
    };
    let expected = Info {
        bridge_version: "9.0".to_owned(),
        limits: LimitSupport {
            memory,
            ..LimitSupport::default()
        },
        ..Info::default()
    };
    assert_eq!(Info::decode(&later.encode(), Unknown::Skip), Ok(expected));
}

#[test]
fn a_new_field_inside_a_nested_record_is_passed_over() {
    check_later(true, true);
    check_later(true, false);
    check_later(false, false);
    // Here the nested record holds nothing that this version knows, yet is not left out.
    check_later(false, true);
}

#[test]
fn a_default_that_is_written_out_stays_refused_in_answers() {
    let written_out = [1, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let refused = Err(Invalid::Redundant {
        record: "Subscribed",
        tag: 1,
    });
    assert_eq!(Subscribed::decode(&written_out, Unknown::Skip), refused);
}

#[test]
fn a_new_number_survives() {
    let summary = Summary {
        network_mode: NetworkMode::Unknown(77),
        ..Summary::default()
    };
    assert_eq!(Summary::decode(&summary.encode(), Unknown::Refuse), Ok(summary));
    assert_eq!(NetworkMode::from_number(77), NetworkMode::Unknown(77));
    assert_eq!(NetworkMode::Unknown(77).number(), 77);
}

#[test]
fn an_unknown_kind_of_answer_is_told() {
    assert_eq!(
        Response::decode(0x9000, &[0, 0]),
        Err(Invalid::UnknownKind(0x9000))
    );
}
