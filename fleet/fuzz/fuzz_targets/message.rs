//! A server's messages: whatever is in them is one, or none.
#![no_main]

use fleet::hawser::message::Incoming;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Err(error) = Incoming::decode(text) {
        assert_ne!(error.to_string(), "");
    }
});
