//! What the shim and the bridge tell each other and keep: what is read as a record encodes to the same bytes.
#![no_main]

use bridge::shim::record::{Answer, Ask, End, Order, Report, Run, Word};
use libfuzzer_sys::fuzz_target;
use wire::reader::Unknown;
use wire::record::Value;

fn check<T: Value>(bytes: &[u8]) {
    let _ = T::decode(bytes, Unknown::Skip);
    if let Ok(value) = T::decode(bytes, Unknown::Refuse) {
        assert_eq!(value.encode(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check::<Order>(bytes);
    check::<Report>(bytes);
    check::<Run>(bytes);
    check::<End>(bytes);
    check::<Ask>(bytes);
    check::<Answer>(bytes);
    check::<Word>(bytes);
});
