//! What a further process is asked to be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use socketd::docker::exec::{parse_create, parse_start};

fuzz_target!(|body: &[u8]| {
    let _ = parse_create(body);
    let _ = parse_start(body);
});
