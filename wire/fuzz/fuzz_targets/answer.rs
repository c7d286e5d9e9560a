//! What socketd reads from the bridge, strictly and as a reader of a later version's bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::limits::RESPONSE_BYTES_MAX;
use wire::reader::Unknown;
use wire::{Flow, HEADER_BYTES, Header, Response};

fuzz_target!(|frame: &[u8]| {
    let Some((header, payload)) = frame.split_first_chunk::<HEADER_BYTES>() else {
        return;
    };
    let Ok(header) = Header::parse(header, RESPONSE_BYTES_MAX) else {
        return;
    };
    let lenient = Response::decode(header.kind, payload);
    if let Ok(answer) = Response::decode_as(header.kind, payload, Unknown::Refuse) {
        let mut again = Vec::new();
        answer
            .append_to(Flow::Last, &mut again)
            .expect("it came in a frame, so it fits one");
        assert_eq!(&again[HEADER_BYTES..], payload);
        assert_eq!(lenient, Ok(answer));
    }
});
