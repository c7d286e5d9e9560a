//! The file in which root says what the bridge never does.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| bridge::ceiling::fuzz(text));
