//! Keys that let go of a terminal.

/// Looks for a sequence of keys in what a client types. A beginning of it is held back until it is
/// clear whether it goes on.
#[derive(Debug)]
pub struct DetachKeys {
    keys: Vec<u8>,
    met: usize,
}

impl DetachKeys {
    /// Looks for these; nothing is ever found where there are none.
    #[must_use]
    pub fn new(keys: Vec<u8>) -> Self {
        Self { keys, met: 0 }
    }

    /// Takes what was typed: what goes on to the terminal, and whether the sequence was completed.
    /// What follows it is dropped.
    pub(super) fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut on = Vec::with_capacity(typed.len());
        for &byte in typed {
            if self.keys.get(self.met) != Some(&byte) {
                on.extend(self.keys.iter().take(self.met));
                self.met = 0;
            }
            if self.keys.get(self.met) != Some(&byte) {
                on.push(byte);
                continue;
            }
            self.met = self.met.saturating_add(1);
            if self.met == self.keys.len() {
                return (on, true);
            }
        }
        (on, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parts: &[&[u8]], on: &[u8], detached: bool) {
        let mut keys = DetachKeys::new(vec![16, 17]);
        let mut all = Vec::new();
        let mut found = false;
        for part in parts {
            let (some, done) = keys.pass(part);
            all.extend(some);
            found |= done;
        }
        assert_eq!((all.as_slice(), found), (on, detached), "{parts:?}");
    }

    #[test]
    fn a_sequence_is_found_wherever_it_is_split() {
        check(&[b"ab\x10\x11cd"], b"ab", true);
        check(&[b"ab\x10", b"\x11"], b"ab", true);
        check(&[b"\x10", b"x"], b"\x10x", false);
        check(&[b"\x10\x10\x11"], b"\x10", true);
        check(&[b"\x11\x10"], b"\x11", false);
        check(&[b"plain"], b"plain", false);
    }

    #[test]
    fn no_keys_are_never_found() {
        assert_eq!(
            DetachKeys::new(Vec::new()).pass(b"a\x10"),
            (b"a\x10".to_vec(), false)
        );
    }
}
