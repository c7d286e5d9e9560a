//! A message whose body goes to a file: pieces make no difference, and what JSON says the body is, it is.
#![no_main]

use fleet::hawser::fuzzing::scanned;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, text) = input;
    let whole = scanned(text, text.len());
    assert_eq!(whole, scanned(text, usize::from(piece)));
    let Ok(Value::Object(said)) = serde_json::from_slice(text) else {
        return;
    };
    let (around, body, is_text) = whole.expect("it is JSON");
    let around: Value = serde_json::from_slice(&around).expect("what is around the body is JSON");
    let mut expected = said.clone();
    // A name that is there twice, or written with escapes, is read by each in its own way.
    let names = text.windows(6).filter(|word| word == b"\"body\"").count();
    if names != 1 || text.contains(&b'\\') {
        return;
    }
    match is_text {
        None => {}
        Some(true) => {
            assert_eq!(said["body"].as_str().map(str::as_bytes), Some(body.as_slice()));
            expected.insert("body".to_owned(), "".into());
        }
        Some(false) => {
            let body: Value = serde_json::from_slice(&body).expect("the body is JSON");
            assert_eq!(said["body"], body);
            expected.insert("body".to_owned(), 0.into());
        }
    }
    assert_eq!(around, Value::Object(expected));
});
