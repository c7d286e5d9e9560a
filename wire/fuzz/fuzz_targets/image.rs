//! The image record, as it is also kept on disk. The golden frames serve as seeds, so the bytes
//! of a header are passed over first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::reader::Unknown;
use wire::record::Value;
use wire::{HEADER_BYTES, Image};

fuzz_target!(|frame: &[u8]| {
    let Some((_, bytes)) = frame.split_first_chunk::<HEADER_BYTES>() else {
        return;
    };
    let lenient = Image::decode(bytes, Unknown::Skip);
    if let Ok(value) = Image::decode(bytes, Unknown::Refuse) {
        assert_eq!(value.encode(), bytes);
        assert_eq!(lenient, Ok(value));
    }
});
