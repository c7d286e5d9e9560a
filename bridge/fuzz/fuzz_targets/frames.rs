//! What the daemon of another runtime says to the relay: every step takes some of the bytes, and no more.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bridge::relay::fuzz_frames(bytes));
