//! Names and ids of containers.

use std::fs::File;
use std::io::{self, Read};

use wire::{ContainerId, Refusal, RefusalCode};

use crate::limits::NAME_BYTES_MAX;

const ADJECTIVES: [&str; 32] = [
    "amber", "brave", "bright", "brisk", "calm", "clever", "cosy", "crisp", "daring", "deft", "eager",
    "early", "fair", "fleet", "gentle", "glad", "hardy", "humble", "keen", "kind", "lively", "lucid",
    "mellow", "merry", "nimble", "patient", "quiet", "quick", "steady", "sunny", "tidy", "warm",
];

const NOUNS: [&str; 32] = [
    "acorn", "anchor", "badger", "beacon", "birch", "brook", "cedar", "cliff", "comet", "crane", "delta",
    "dune", "falcon", "fern", "finch", "harbor", "heron", "island", "lantern", "maple", "meadow", "otter",
    "pebble", "pine", "plover", "reed", "ridge", "river", "sparrow", "thistle", "willow", "wren",
];

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A new id.
pub(super) fn new_id() -> Result<ContainerId, Refusal> {
    random()
        .map(ContainerId)
        .map_err(|error| Refusal::because(RefusalCode::Internal, error.to_string()))
}

/// A name for a container whose maker did not choose one. Later tries carry a number.
pub(super) fn invent(id: &ContainerId, attempt: u32) -> String {
    let [first, second, ..] = id.0;
    let adjective = ADJECTIVES
        .get(usize::from(first) % ADJECTIVES.len())
        .unwrap_or(&"calm");
    let noun = NOUNS.get(usize::from(second) % NOUNS.len()).unwrap_or(&"river");
    match attempt {
        0 => format!("{adjective}_{noun}"),
        _ => format!("{adjective}_{noun}{attempt}"),
    }
}

/// Letters, digits, `_`, `.` and `-`, the first a letter or digit, at least two of them.
pub(super) fn check(name: &str) -> Result<(), Refusal> {
    let word = |byte: u8| byte.is_ascii_alphanumeric();
    let good = match name.as_bytes() {
        [first, rest @ ..] => {
            word(*first)
                && !rest.is_empty()
                && name.len() <= NAME_BYTES_MAX
                && rest
                    .iter()
                    .all(|byte| word(*byte) || matches!(byte, b'_' | b'.' | b'-'))
        }
        [] => false,
    };
    if good {
        Ok(())
    } else {
        Err(Refusal::about(RefusalCode::InvalidName, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["ab", "a1", "web-1", "A.b_c", &"x".repeat(255)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "-a", ".a", "a/b", "a b", "a\u{e9}", &"x".repeat(256)] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let id = ContainerId([3; 32]);
        assert!(check(&invent(&id, 0)).is_ok());
        assert_ne!(invent(&id, 0), invent(&id, 1));
    }
}
