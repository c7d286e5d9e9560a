//! Where a stream of bytes may be cut.

/// How much of `bytes` can go: all but the beginning of a letter of UTF-8 whose end is not there yet.
pub(super) fn letters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let Some(&byte) = bytes.get(at) else { break };
        let length = match byte {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        return if length > back { at } else { bytes.len() };
    }
    bytes.len()
}

/// How much of `bytes` is whole lines.
pub(super) fn lines(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}

/// Finds out, piece by piece, whether bytes are a text.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    is_binary: bool,
    /// The beginning of a letter whose end is not there yet.
    begun: Vec<u8>,
    len: u64,
    escapes: u64,
}

impl Sniffer {
    /// Of bytes that may be known to be no text.
    pub(super) fn new(is_binary: bool) -> Self {
        Self {
            is_binary,
            ..Self::default()
        }
    }

    /// Looks at the next piece.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.len = self
            .len
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.is_binary {
            return;
        }
        for byte in bytes {
            self.escapes = self.escapes.saturating_add(match byte {
                b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
                0x0B | 0x0C => 5,
                0..0x09 | 0x0E..0x20 | 0x7F => {
                    self.is_binary = true;
                    return;
                }
                _ => 0,
            });
        }
        self.is_binary = !self.is_utf8(bytes);
    }

    fn is_utf8(&mut self, mut bytes: &[u8]) -> bool {
        while !self.begun.is_empty() {
            let Some((&next, rest)) = bytes.split_first() else {
                return true;
            };
            self.begun.push(next);
            bytes = rest;
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => true,
            Err(error) if error.error_len().is_some() => false,
            Err(error) => {
                self.begun
                    .extend_from_slice(bytes.get(error.valid_up_to()..).unwrap_or_default());
                true
            }
        }
    }

    /// Whether it is no text, if this was all.
    pub(super) fn is_binary(&self) -> bool {
        self.is_binary || !self.begun.is_empty()
    }

    /// Letters that it takes in a JSON text, if this was all.
    pub(super) fn coded_len(&self) -> u64 {
        if self.is_binary() {
            self.len.div_ceil(3).saturating_mul(4)
        } else {
            self.len.saturating_add(self.escapes)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_are_whole() {
        let check = |bytes: &[u8], expected: usize| assert_eq!(letters(bytes), expected, "{bytes:x?}");
        check(b"", 0);
        check(b"abc", 3);
        check("ä".as_bytes(), 2);
        check(b"a\xC3", 1);
        check(b"\xE2\x82", 0);
        check(b"\xF0\x9F\x98", 0);
        check("😀".as_bytes(), 4);
        // What can never become a letter does not wait for its end.
        check(b"a\xFF", 2);
        check(b"a\x80", 2);
        check(b"\x80\x80\x80\x80", 4);
        check(b"\xC0", 1);
    }

    #[test]
    fn lines_are_whole() {
        let check = |bytes: &[u8], expected: usize| assert_eq!(lines(bytes), expected, "{bytes:?}");
        check(b"", 0);
        check(b"a", 0);
        check(b"a\n", 2);
        check(b"a\nb", 2);
        check(b"a\nb\n", 4);
    }

    #[test]
    fn texts_and_others() {
        let check = |bytes: &[u8], expected: bool| {
            let mut sniffer = Sniffer::new(false);
            sniffer.push(bytes);
            assert_eq!(sniffer.is_binary(), expected, "{bytes:x?}");
        };
        check(b"", false);
        check(b"{\"a\": \"\xC3\xA4\"}\r\n\t\x0B\x0C", false);
        check(b"\x08", true);
        check(b"\x0E", true);
        check(b"\x1F", true);
        check(b"\x7F", true);
        check(b"\xFF", true);
        check(b"a\xC3", true);
    }

    proptest! {
        #[test]
        fn a_text_cut_anywhere_stays_a_text(text in any::<String>(), piece in 1_usize..9) {
            let (mut waiting, mut seen) = (Vec::new(), String::new());
            for piece in text.as_bytes().chunks(piece) {
                waiting.extend_from_slice(piece);
                let ready: Vec<u8> = waiting.drain(..letters(&waiting)).collect();
                seen.push_str(std::str::from_utf8(&ready).unwrap());
                prop_assert!(waiting.len() < 4);
            }
            prop_assert_eq!(seen, text);
        }

        #[test]
        fn pieces_are_sniffed_as_the_whole(bytes in any::<Vec<u8>>(), text in any::<String>(), piece in 1_usize..9) {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                let (mut pieces, mut whole) = (Sniffer::new(false), Sniffer::new(false));
                whole.push(bytes);
                bytes.chunks(piece).for_each(|piece| pieces.push(piece));
                prop_assert_eq!(pieces.is_binary(), whole.is_binary());
                prop_assert_eq!(pieces.coded_len(), whole.coded_len());
                if !whole.is_binary() {
                    let json = serde_json::to_string(std::str::from_utf8(bytes).unwrap()).unwrap();
                    // A server's JSON may be shorter: it has letters of its own for some.
                    prop_assert!(whole.coded_len() + 2 >= json.len() as u64);
                }
            }
        }
    }
}
