//! Bytes that no honest peer sends, each with the answer it gets.

use wire::frame::{self, Flow, HEADER_BYTES};
use wire::limits::{LIST_ITEMS_MAX, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, STRING_BYTES_MAX};
use wire::reader::Unknown;
use wire::record::Value;
use wire::request::{ContainerRef, IfNewer, Remove};
use wire::{Header, Invalid, Opcode, Request, Response};

use crate::generate::Source;
use crate::message::Message;

#[test]
fn every_prefix_of_a_payload_is_refused() {
    for message in Message::each(&mut Source::Full(0)) {
        let payload = message.payload();
        for end in 0..payload.len() {
            let decoded = message.decode_alike(&payload[..end]);
            assert!(
                decoded.is_err(),
                "{} of {} bytes: {decoded:?}",
                end,
                payload.len()
            );
        }
    }
}

#[test]
fn a_byte_too_many_is_refused() {
    for message in Message::each(&mut Source::Full(0)) {
        let mut payload = message.payload();
        payload.push(0);
        assert_eq!(message.decode_alike(&payload), Err(Invalid::TrailingBytes(1)));
    }
}

fn check_header(change: impl FnOnce(&mut [u8; HEADER_BYTES]), expected: Result<u32, Invalid>) {
    let mut bytes = Header {
        kind: 1,
        flow: Flow::Last,
        length: 2,
    }
    .to_bytes();
    change(&mut bytes);
    assert_eq!(
        Header::parse(&bytes, REQUEST_BYTES_MAX).map(|header| header.length),
        expected
    );
}

#[test]
fn headers() {
    let too_long = |length| {
        Err(Invalid::TooLong {
            length,
            max: REQUEST_BYTES_MAX,
        })
    };
    check_header(|_| (), Ok(2));
    check_header(|bytes| bytes[0] = b's', Err(Invalid::Magic));
    check_header(|bytes| bytes[3] = 0, Err(Invalid::Magic));
    check_header(|bytes| bytes[4] = 1, Err(Invalid::Version(1)));
    check_header(|bytes| bytes[4] = 3, Err(Invalid::Version(3)));
    check_header(|bytes| bytes[5] = 1, Ok(2));
    check_header(|bytes| bytes[5] = 2, Err(Invalid::Flags(2)));
    check_header(|bytes| bytes[5] = 0x81, Err(Invalid::Flags(0x81)));
    check_header(
        |bytes| bytes[8..].copy_from_slice(&REQUEST_BYTES_MAX.to_le_bytes()),
        Ok(REQUEST_BYTES_MAX),
    );
    check_header(
        |bytes| bytes[8..].copy_from_slice(&(REQUEST_BYTES_MAX + 1).to_le_bytes()),
        too_long(REQUEST_BYTES_MAX + 1),
    );
    check_header(|bytes| bytes[8..].fill(0xff), too_long(u32::MAX));
}

#[test]
fn the_header_is_twelve_known_bytes() {
    let header = Header {
        kind: 0x8004,
        flow: Flow::More,
        length: 0x0001_0203,
    };
    assert_eq!(header.to_bytes(), *b"SKTD\x02\x01\x04\x80\x03\x02\x01\x00");
}

fn check<T: Value + std::fmt::Debug>(bytes: &[u8], expected: Result<T, Invalid>) {
    assert_eq!(T::decode(bytes, Unknown::Refuse), expected, "{bytes:02x?}");
}

#[test]
fn values() {
    let number = |number: u32| number.to_le_bytes();
    let too_many = |what, count, max| Invalid::TooMany { what, count, max };

    check(&[1], Ok(true));
    check::<bool>(&[2], Err(Invalid::Bool(2)));
    check::<bool>(&[0xff], Err(Invalid::Bool(0xff)));
    check::<Option<u16>>(&[2, 0, 0], Err(Invalid::Bool(2)));
    check::<Option<u16>>(&[0, 0, 0], Err(Invalid::TrailingBytes(2)));
    check(&[1, 0, 0], Ok(Some(0u16)));

    check(b"\x02\0\0\0\xc3\xa4", Ok("ä".to_owned()));
    check::<String>(b"\x01\0\0\0\xc3", Err(Invalid::Text));
    check::<String>(b"\x02\0\0\0\xc0\x80", Err(Invalid::Text));
    check::<String>(b"\x03\0\0\0\xed\xa0\x80", Err(Invalid::Text));
    check::<String>(b"\x03\0\0\0a\0b", Err(Invalid::Text));
    check::<String>(b"\x03\0\0\0ab", Err(Invalid::Truncated));

    // A length is refused by its number, or for want of bytes, before anything is reserved for it.
    check::<String>(&number(STRING_BYTES_MAX), Err(Invalid::Truncated));
    check::<String>(
        &number(STRING_BYTES_MAX + 1),
        Err(too_many("string", STRING_BYTES_MAX + 1, STRING_BYTES_MAX)),
    );
    check::<String>(
        &number(u32::MAX),
        Err(too_many("string", u32::MAX, STRING_BYTES_MAX)),
    );
    check::<Vec<u8>>(&number(LIST_ITEMS_MAX), Err(Invalid::Truncated));
    check::<Vec<u8>>(
        &number(LIST_ITEMS_MAX + 1),
        Err(too_many("list", LIST_ITEMS_MAX + 1, LIST_ITEMS_MAX)),
    );
    check::<Vec<String>>(&number(u32::MAX), Err(too_many("list", u32::MAX, LIST_ITEMS_MAX)));
}

#[test]
fn the_longest_string_and_list_pass() {
    let text = "x".repeat(usize::try_from(STRING_BYTES_MAX).unwrap());
    check(&text.encode(), Ok(text));
    let list = vec![7u8; usize::try_from(LIST_ITEMS_MAX).unwrap()];
    check(&list.encode(), Ok(list));
}

#[test]
fn fields() {
    let field = |tag: u16, value: &[u8]| {
        let length = u32::try_from(value.len()).unwrap();
        [&tag.to_le_bytes()[..], &length.to_le_bytes(), value].concat()
    };
    let record = |fields: &[Vec<u8>]| {
        let count = u16::try_from(fields.len()).unwrap();
        [&count.to_le_bytes()[..], &fields.concat()].concat()
    };
    let (reference, force) = (field(1, b"\x01\0\0\0x"), field(2, &[1]));
    let whole = Remove {
        reference: "x".to_owned(),
        force: true,
    };
    let order = |tag| {
        Err(Invalid::FieldOrder {
            record: "Remove",
            tag,
        })
    };
    let redundant = |tag| {
        Err(Invalid::Redundant {
            record: "Remove",
            tag,
        })
    };

    check(&record(&[reference.clone(), force.clone()]), Ok(whole));
    check::<Remove>(&record(&[force.clone(), reference.clone()]), order(1));
    check::<Remove>(&record(&[reference.clone(), reference.clone()]), order(1));
    check::<Remove>(&record(&[field(1, &[0; 4])]), redundant(1));
    check::<Remove>(&record(&[field(2, &[0])]), redundant(2));
    check::<Remove>(&record(&[field(2, &[1, 0])]), Err(Invalid::TrailingBytes(1)));
    check::<Remove>(&record(&[field(2, &[])]), Err(Invalid::Truncated));
    check::<Remove>(
        &record(&[field(0, &[1])]),
        Err(Invalid::UnknownField {
            record: "Remove",
            tag: 0,
        }),
    );
    check::<IfNewer>(&[1, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 1], Err(Invalid::Truncated));
    // A count of fields that are not there.
    check::<Remove>(&[0xff, 0xff], Err(Invalid::Truncated));
}

#[test]
fn kinds_of_the_other_direction_are_not_understood() {
    for kind in Response::KINDS {
        assert_eq!(Opcode::from_number(*kind), None);
    }
    for opcode in Opcode::ALL {
        let kind = opcode.number();
        assert_eq!(Response::decode(kind, &[0, 0]), Err(Invalid::UnknownKind(kind)));
    }
    assert_eq!(Opcode::from_number(0), None);
    assert_eq!(Opcode::from_number(u16::MAX), None);
}

#[test]
fn opcodes_that_act_are_told_by_their_number() {
    use Opcode::{
        Capabilities, DiskUsage, Info, InspectContainer, InspectExec, ListChanges, ListContainers,
        ListImages, ListProcesses, OpenLog, Ping, PollEvents, ReadStats, Subscribe, Wait,
    };
    let asking = [
        Ping,
        Capabilities,
        Info,
        ListContainers,
        InspectContainer,
        ListImages,
        PollEvents,
        Subscribe,
        Wait,
        DiskUsage,
        OpenLog,
        ListProcesses,
        ReadStats,
        ListChanges,
        InspectExec,
    ];
    for opcode in Opcode::ALL {
        assert_eq!(opcode.number() < 32, asking.contains(opcode), "{opcode:?}");
        assert_eq!(Opcode::from_number(opcode.number()), Some(*opcode));
    }
}

#[test]
fn what_does_not_fit_a_frame_leaves_the_buffer_alone() {
    let max = usize::try_from(REQUEST_BYTES_MAX).unwrap();
    let request = Request::InspectContainer(ContainerRef {
        reference: "x".repeat(max),
    });
    let mut out = b"before".to_vec();
    // Two bytes for the count, six for the field, four for the string's length.
    let (length, max) = (REQUEST_BYTES_MAX + 12, REQUEST_BYTES_MAX);
    assert_eq!(request.append_to(&mut out), Err(Invalid::TooLong { length, max }));
    assert_eq!(out, b"before");

    let full = usize::try_from(RESPONSE_BYTES_MAX).unwrap();
    assert_eq!(
        frame::append(&mut out, 1, Flow::Last, RESPONSE_BYTES_MAX, |out| out
            .resize(out.len() + full, 0)),
        Ok(())
    );
    assert_eq!(out.len(), b"before".len() + HEADER_BYTES + full);
}
