//! What the bridge reads as root: a request is refused, or encodes to the bytes it came as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::limits::REQUEST_BYTES_MAX;
use wire::{HEADER_BYTES, Header, Opcode, Request};

fuzz_target!(|frame: &[u8]| {
    let Some((header, payload)) = frame.split_first_chunk::<HEADER_BYTES>() else {
        return;
    };
    let Ok(header) = Header::parse(header, REQUEST_BYTES_MAX) else {
        return;
    };
    let Some(opcode) = Opcode::from_number(header.kind) else {
        return;
    };
    if let Ok(request) = Request::decode(opcode, payload) {
        let mut again = Vec::new();
        request
            .append_to(&mut again)
            .expect("it came in a frame, so it fits one");
        assert_eq!(&again[HEADER_BYTES..], payload);
    }
});
