//! Version 1, from both ends: what is read encodes to something that is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::v1::{HEADER_BYTES, Opcode, Request, RequestHeader, Response, ResponseHeader, events};

fuzz_target!(|frame: &[u8]| {
    let _ = events::scan(frame).count();
    let Some((header, payload)) = frame.split_first_chunk::<HEADER_BYTES>() else {
        return;
    };
    if let Ok(request) = RequestHeader::parse(header).and_then(|header| Request::decode(header, payload)) {
        // A reference that was not UTF-8 may have grown beyond its slot.
        if let Ok(again) = request.to_frame() {
            let (header, payload) = again.split_first_chunk().expect("a frame has a header");
            let again = RequestHeader::parse(header).and_then(|header| Request::decode(header, payload));
            assert_eq!(again, Ok(request));
        }
    }
    for asked in Opcode::ALL {
        let Ok(header) = ResponseHeader::parse(header, *asked) else {
            continue;
        };
        let Ok(Ok(response)) = Response::decode(*asked, header, payload) else {
            continue;
        };
        let again = response.to_frame().expect("it came in a frame, so it fits one");
        let (header, payload) = again.split_first_chunk().expect("a frame has a header");
        let header = ResponseHeader::parse(header, *asked).expect("it was made here");
        // Text that was not UTF-8 may be cut, and its last letter with it; what was cut stays so.
        let second = Response::decode(*asked, header, payload).expect("it was made here");
        let second = second.expect("its status is that of an answer");
        let third = second.to_frame().expect("it came in a frame, so it fits one");
        assert_eq!(third, again);
    }
});
