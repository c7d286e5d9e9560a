//! What an image is unpacked from, compressed or not: every member and its data are read, nothing is written.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bridge::unpack::fuzzing::read(bytes));
