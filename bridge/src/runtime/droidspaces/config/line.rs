//! Lines of a configuration, as a program reads them that has a buffer of fixed size for each.

use super::limits::LINE_BYTES_MAX;

/// Keys and values, in order, trimmed. What is no such line is left out.
pub(super) fn pairs(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    bytes
        .split(|&byte| byte == b'\n')
        .flat_map(|line| line.chunks(LINE_BYTES_MAX))
        .filter_map(pair)
}

fn pair(line: &[u8]) -> Option<(&[u8], &[u8])> {
    // To a program in C a text ends there.
    let line = line.split(|&byte| byte == 0).next()?;
    let line = trim(line);
    if line.starts_with(b"#") {
        return None;
    }
    let at = line.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (line.get(..at)?, line.get(at + 1..)?);
    Some((trim(key), trim(value)))
}

/// Without the white space around it, which here includes the vertical tab.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let Some(first) = bytes.iter().position(|byte| !is_space(byte)) else {
        return &[];
    };
    let end = bytes
        .iter()
        .rposition(|byte| !is_space(byte))
        .map_or(0, |at| at + 1);
    bytes.get(first..end).unwrap_or_default()
}

/// The first so many bytes, less a character that they would cut in two and white space at their end:
/// written down, that would not be read again.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = text.get(..end).unwrap_or_default();
    cut.trim_end_matches(|char: char| char.is_ascii_whitespace() || char == '\x0b')
}

/// Whether a word means yes; every other means no.
pub(super) fn is_yes(word: &str) -> bool {
    ["1", "true", "yes", "on"]
        .iter()
        .any(|yes| word.eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        fn check(text: &[u8], expected: &[(&str, &str)]) {
            let found: Vec<(&[u8], &[u8])> = pairs(text).collect();
            let expected: Vec<(&[u8], &[u8])> = expected
                .iter()
                .map(|(key, value)| (key.as_bytes(), value.as_bytes()))
                .collect();
            assert_eq!(found, expected, "{}", text.escape_ascii());
        }
        check(b"", &[]);
        check(b"\n\n\r\n", &[]);
        check(b"a=b", &[("a", "b")]);
        check(b"a=b\nc=d\n", &[("a", "b"), ("c", "d")]);
        check(b"a=b\r\nc=d\r\n", &[("a", "b"), ("c", "d")]);
        check(b" \t\x0b\x0c a \t= \x0b b c \x0b", &[("a", "b c")]);
        check(b"a=b=c", &[("a", "b=c")]);
        check(b"a=", &[("a", "")]);
        check(b"=b", &[("", "b")]);
        check(b"=", &[("", "")]);
        check(b"no sign\na=b", &[("a", "b")]);
        check(b"#a=b\n  # c=d\ne=f # g", &[("e", "f # g")]);
        check(b"a#=b", &[("a#", "b")]);
        check(b"a=b\0c=d\ne=f", &[("a", "b"), ("e", "f")]);
        check(b"\0a=b", &[]);
    }

    #[test]
    fn the_tail_of_a_long_line_is_a_line() {
        let long = [b"a=".as_slice(), &[b'x'; 2045], b"c=d"].concat();
        let found: Vec<_> = pairs(&long).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0, found[0].1.len()), (b"a".as_slice(), 2045));
        assert_eq!(found[1], (b"c".as_slice(), b"d".as_slice()));
        // One that just fits has no tail.
        let fits = [b"a=".as_slice(), &[b'x'; 2045], b"\nc=d"].concat();
        assert_eq!(pairs(&fits).count(), 2);
        // The tail of a comment is no comment.
        let comment = [b"#".as_slice(), &[b'x'; 2046], b"c=d"].concat();
        assert_eq!(
            pairs(&comment).collect::<Vec<_>>(),
            [(b"c".as_slice(), b"d".as_slice())]
        );
    }

    #[test]
    fn cuts() {
        for (text, most, expected) in [
            ("abc", 2, "ab"),
            ("abc", 3, "abc"),
            ("abc", 9, "abc"),
            ("aé", 2, "a"),
            ("é", 1, ""),
            ("", 0, ""),
            ("ab \x0b\tc", 5, "ab"),
        ] {
            assert_eq!(cut(text, most), expected, "{text} {most}");
        }
    }

    #[test]
    fn words_that_mean_yes() {
        for word in ["1", "true", "TRUE", "Yes", "oN"] {
            assert!(is_yes(word), "{word}");
        }
        for word in ["", "0", "2", "y", "false", "no", "off", "true!", "11"] {
            assert!(!is_yes(word), "{word}");
        }
    }
}
