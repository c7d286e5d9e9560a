//! A log, as its file holds it: whatever is in it, each entry takes some bytes, and no more than there are.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert!(socketd::streams::fuzzing::entries(bytes) <= bytes.len());
});
