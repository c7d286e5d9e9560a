//! The frame header: whatever passes is written again as it came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::limits::RESPONSE_BYTES_MAX;
use wire::{HEADER_BYTES, Header};

fuzz_target!(|frame: &[u8]| {
    let Some(bytes) = frame.first_chunk::<HEADER_BYTES>() else {
        return;
    };
    if let Ok(header) = Header::parse(bytes, RESPONSE_BYTES_MAX) {
        assert!(header.length <= RESPONSE_BYTES_MAX);
        assert_eq!(header.to_bytes(), *bytes);
    }
});
