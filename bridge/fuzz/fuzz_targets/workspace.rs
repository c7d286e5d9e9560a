//! The files of another runtime: configuration, environment, what a monitor notes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bridge::runtime::fuzz_workspace(bytes));
