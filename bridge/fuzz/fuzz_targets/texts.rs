//! Texts that the kernel or a person writes: the list of mounts, and points in time.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    bridge::shim::mountinfo::fuzz(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        bridge::chronicle::fuzz_moment(text);
    }
});
