//! A server's WebSocket: frames of any kind, cut anywhere. Where they are cut makes no difference, and nothing that was not
//! sent comes out.
#![no_main]

use fleet::hawser::fuzzing::messages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let whole = messages(bytes, 0);
    assert_eq!(whole, messages(bytes, usize::from(cut)));
    let (all, _) = whole.expect("it waits for more than there is");
    let taken: usize = all.iter().map(Vec::len).sum();
    assert!(taken + 2 * all.len() <= bytes.len());
});
