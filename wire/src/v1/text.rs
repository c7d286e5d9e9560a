//! Text in a slot of fixed width.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A slot of `N` bytes: a text of at most `N - 1`, then NUL to the end.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub(super) struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// Puts a text in, cut at the last character that fits whole, and before the first NUL.
    pub(super) fn set(&mut self, text: &str) {
        let text = text.split('\0').next().unwrap_or_default();
        let end = (0..N.min(text.len() + 1))
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        self.0 = [0; N];
        for (slot, byte) in self.0.iter_mut().zip(text.bytes().take(end)) {
            *slot = byte;
        }
    }

    /// The text: up to the first NUL or the end, with what is not UTF-8 replaced.
    pub(super) fn get(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The text, where it ends in the slot, is UTF-8, and nothing but NUL follows it.
    pub(super) fn sound(&self) -> Option<&str> {
        let text = self.bytes();
        let padding = self.0.get(text.len()..)?;
        let padded = !padding.is_empty() && padding.iter().all(|byte| *byte == 0);
        core::str::from_utf8(text).ok().filter(|_| padded)
    }

    /// Whether the text ends within its slot.
    pub(super) fn ends(&self) -> bool {
        self.0.contains(&0)
    }

    fn bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    fn check(text: &str, expected: &[u8; 6]) {
        let mut slot = Text([0xff; 6]);
        slot.set(text);
        assert_eq!(&slot.0, expected, "{text:?}");
        assert!(slot.ends() && slot.sound().is_some_and(|held| text.starts_with(held)));
    }

    #[test]
    fn texts_are_cut_at_a_character() {
        check("", b"\0\0\0\0\0\0");
        check("abc", b"abc\0\0\0");
        check("abcde", b"abcde\0");
        check("abcdef", b"abcde\0");
        check("abcdé", b"abcd\0\0");
        check("abcé", "abcé\0".as_bytes().first_chunk().unwrap());
        check("a€€", "a€\0\0".as_bytes().first_chunk().unwrap());
        check("ab\0cd", b"ab\0\0\0\0");
    }

    #[test]
    fn whatever_stands_in_a_slot_is_read() {
        let read = |bytes| {
            let slot = Text::<4>(bytes);
            (slot.get(), slot.ends(), slot.sound().is_some())
        };
        assert_eq!(read(*b"ab\0\0"), ("ab".to_owned(), true, true));
        assert_eq!(read(*b"ab\0c"), ("ab".to_owned(), true, false));
        assert_eq!(read(*b"abcd"), ("abcd".to_owned(), false, false));
        assert_eq!(read(*b"a\xc3\0\0"), ("a\u{fffd}".to_owned(), true, false));
        assert_eq!(read(*b"\0\0\0\0"), (String::new(), true, true));
    }
}
