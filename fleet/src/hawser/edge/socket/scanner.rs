//! Finds the `body` of a message that is too large for memory, while it comes.
//!
//! What is around the body is small, and is kept: with something small in the body's place it is a message like any
//! other. The body itself goes on, a text without its quotes and escapes, anything else as it stands.

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// A text.
    Text,
    /// Any other JSON.
    Json,
}

/// Why it is no use to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanError {
    /// There is more around the body than may be.
    TooLarge,
    /// This is no JSON.
    Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Around the body, outside of a text.
    Around,
    /// In a text around the body.
    Text { is_escaped: bool },
    /// Behind the colon of the body.
    Before,
    /// In a body that is a text.
    BodyText,
    /// Behind a backslash in it.
    BodyEscape,
    /// In `\uXXXX`: digits so far, and their value.
    BodyUnicode(u8, u32),
    /// In a body that is no text, this deep in it.
    BodyJson(u32),
    /// In a text in that.
    BodyJsonText(u32, bool),
}

/// Goes over a message piece by piece.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    depth: u32,
    around: Vec<u8>,
    around_max: usize,
    /// The text that ended last at depth one, as long as nothing but a colon has followed.
    key: Option<(usize, usize)>,
    text_begin: usize,
    kind: Option<BodyKind>,
    /// The first half of a letter in two halves.
    high: Option<u32>,
}

const KEY: &[u8] = b"body";

impl Scanner {
    /// Keeps at most `around_max` bytes.
    pub(crate) fn new(around_max: usize) -> Self {
        Self {
            state: State::Around,
            depth: 0,
            around: Vec::new(),
            around_max,
            key: None,
            text_begin: 0,
            kind: None,
            high: None,
        }
    }

    /// What is around the body, and what the body was: a message without it.
    pub(crate) fn finish(self) -> (Vec<u8>, Option<BodyKind>) {
        (self.around, self.kind)
    }

    /// Takes the next piece; what of it is the body's is added to `body`.
    ///
    /// # Errors
    /// [`ScanError`]; nothing more can be pushed then.
    pub(crate) fn push(&mut self, mut bytes: &[u8], body: &mut Vec<u8>) -> Result<(), ScanError> {
        while let Some((&first, _)) = bytes.split_first() {
            // Long runs without anything special are most of every large message.
            let run = match self.state {
                State::BodyText if self.high.is_none() => run(bytes, |byte| byte == b'"' || byte == b'\\'),
                State::BodyJsonText(_, false) => run(bytes, |byte| byte == b'"' || byte == b'\\'),
                _ => 0,
            };
            if let Some((run, rest)) = bytes.split_at_checked(run).filter(|(run, _)| !run.is_empty()) {
                body.extend_from_slice(run);
                bytes = rest;
                continue;
            }
            self.step(first, body)?;
            bytes = bytes.split_first().map_or(&[], |(_, rest)| rest);
        }
        Ok(())
    }

    fn step(&mut self, byte: u8, body: &mut Vec<u8>) -> Result<(), ScanError> {
        match self.state {
            State::Around => self.around(byte)?,
            State::Text { is_escaped } => {
                self.keep(byte)?;
                self.state = match byte {
                    b'"' if !is_escaped => {
                        let end = self.around.len().saturating_sub(1);
                        self.key = (self.depth == 1).then_some((self.text_begin, end));
                        State::Around
                    }
                    _ => State::Text {
                        is_escaped: byte == b'\\' && !is_escaped,
                    },
                };
            }
            State::Before => self.begin(byte, body)?,
            State::BodyText => match byte {
                b'"' => {
                    self.lone_half(body);
                    self.state = State::Around;
                }
                b'\\' => self.state = State::BodyEscape,
                _ => {
                    self.lone_half(body);
                    body.push(byte);
                }
            },
            State::BodyEscape => self.escape(byte, body)?,
            State::BodyUnicode(digits, value) => self.unicode(byte, (digits, value), body)?,
            State::BodyJson(depth) => self.json(byte, depth, body)?,
            State::BodyJsonText(depth, is_escaped) => {
                body.push(byte);
                self.state = match byte {
                    b'"' if !is_escaped => State::BodyJson(depth),
                    _ => State::BodyJsonText(depth, byte == b'\\' && !is_escaped),
                };
            }
        }
        Ok(())
    }

    fn keep(&mut self, byte: u8) -> Result<(), ScanError> {
        if self.around.len() >= self.around_max {
            return Err(ScanError::TooLarge);
        }
        self.around.push(byte);
        Ok(())
    }

    fn around(&mut self, byte: u8) -> Result<(), ScanError> {
        self.keep(byte)?;
        match byte {
            b'"' => {
                self.state = State::Text { is_escaped: false };
                self.text_begin = self.around.len();
                self.key = None;
            }
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                self.key = None;
            }
            b'}' | b']' => self.depth = self.depth.checked_sub(1).ok_or(ScanError::Shape)?,
            b':' => {
                let is_body = self
                    .key
                    .take()
                    .and_then(|(begin, end)| self.around.get(begin..end))
                    .is_some_and(|key| key == KEY);
                if is_body && self.kind.is_none() {
                    self.state = State::Before;
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => self.key = None,
        }
        Ok(())
    }

    /// The first byte of the body.
    fn begin(&mut self, byte: u8, body: &mut Vec<u8>) -> Result<(), ScanError> {
        if byte.is_ascii_whitespace() {
            return Ok(());
        }
        if byte == b'"' {
            self.kind = Some(BodyKind::Text);
            self.keep(b'"')?;
            self.keep(b'"')?;
            self.state = State::BodyText;
            return Ok(());
        }
        self.kind = Some(BodyKind::Json);
        self.keep(b'0')?;
        self.json(byte, 0, body)
    }

    fn json(&mut self, byte: u8, depth: u32, body: &mut Vec<u8>) -> Result<(), ScanError> {
        let next = match byte {
            b',' | b'}' | b']' if depth == 0 => {
                self.state = State::Around;
                return self.around(byte);
            }
            b'{' | b'[' => State::BodyJson(depth.saturating_add(1)),
            b'}' | b']' => State::BodyJson(depth.saturating_sub(1)),
            b'"' => State::BodyJsonText(depth, false),
            _ => State::BodyJson(depth),
        };
        body.push(byte);
        self.state = next;
        Ok(())
    }

    fn escape(&mut self, byte: u8, body: &mut Vec<u8>) -> Result<(), ScanError> {
        let plain = match byte {
            b'u' => {
                self.state = State::BodyUnicode(0, 0);
                return Ok(());
            }
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return Err(ScanError::Shape),
        };
        self.lone_half(body);
        body.push(plain);
        self.state = State::BodyText;
        Ok(())
    }

    fn unicode(&mut self, byte: u8, so_far: (u8, u32), body: &mut Vec<u8>) -> Result<(), ScanError> {
        let digit = char::from(byte).to_digit(16).ok_or(ScanError::Shape)?;
        let (digits, value) = (so_far.0.saturating_add(1), (so_far.1 << 4) | digit);
        if digits < 4 {
            self.state = State::BodyUnicode(digits, value);
            return Ok(());
        }
        self.state = State::BodyText;
        match (self.high.take(), value) {
            (None, 0xD800..=0xDBFF) => self.high = Some(value),
            (Some(high), 0xDC00..=0xDFFF) => {
                let letter = 0x1_0000 + ((high - 0xD800) << 10) + (value - 0xDC00);
                put(char::from_u32(letter), body);
            }
            (Some(_), 0xD800..=0xDBFF) => {
                put(None, body);
                self.high = Some(value);
            }
            (high, value) => {
                if high.is_some() {
                    put(None, body);
                }
                put(char::from_u32(value), body);
            }
        }
        Ok(())
    }

    /// A first half that no second one followed is no letter.
    fn lone_half(&mut self, body: &mut Vec<u8>) {
        if self.high.take().is_some() {
            put(None, body);
        }
    }
}

fn put(letter: Option<char>, body: &mut Vec<u8>) {
    let letter = letter.unwrap_or(char::REPLACEMENT_CHARACTER);
    body.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

/// How many bytes come before the first that is special.
fn run(bytes: &[u8], is_special: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|byte| is_special(*byte))
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(text: &[u8], piece: usize) -> Result<(String, Vec<u8>, Option<BodyKind>), ScanError> {
        let (mut scanner, mut body) = (Scanner::new(1000), Vec::new());
        for piece in text.chunks(piece) {
            scanner.push(piece, &mut body)?;
        }
        let (around, kind) = scanner.finish();
        Ok((String::from_utf8_lossy(&around).into_owned(), body, kind))
    }

    #[test]
    fn bodies() {
        let check = |text: &str, around: &str, body: &str, kind: Option<BodyKind>| {
            for piece in 1..5 {
                let seen = scan(text.as_bytes(), piece).unwrap();
                assert_eq!(
                    seen,
                    (around.to_owned(), body.as_bytes().to_vec(), kind),
                    "{text}"
                );
            }
        };
        let (text, json) = (Some(BodyKind::Text), Some(BodyKind::Json));
        check(
            r#"{"a":1,"body":"QUJD","z":2}"#,
            r#"{"a":1,"body":"","z":2}"#,
            "QUJD",
            text,
        );
        check(
            r#"{"body" : "a\/b\n\u00e4\ud83d\ude00"}"#,
            r#"{"body" :""}"#,
            "a/b\nä😀",
            text,
        );
        check(r#"{"body":"\ud83dx"}"#, r#"{"body":""}"#, "\u{FFFD}x", text);
        check(
            r#"{"body":{"a":["}",{}]},"z":2}"#,
            r#"{"body":0,"z":2}"#,
            r#"{"a":["}",{}]}"#,
            json,
        );
        check(r#"{"body":[1,2]}"#, r#"{"body":0}"#, "[1,2]", json);
        check(r#"{"body":12}"#, r#"{"body":0}"#, "12", json);
        check(r#"{"a":{"body":"x"}}"#, r#"{"a":{"body":"x"}}"#, "", None);
        check(r#"{"a":"body","b":"x"}"#, r#"{"a":"body","b":"x"}"#, "", None);
        check(r#"{"a":"\"body\":1"}"#, r#"{"a":"\"body\":1"}"#, "", None);
        check(
            r#"{"body":"x","body":"y"}"#,
            r#"{"body":"","body":"y"}"#,
            "x",
            text,
        );
    }

    #[test]
    fn bounds() {
        let check =
            |text: &str, expected: ScanError| assert_eq!(scan(text.as_bytes(), 7), Err(expected), "{text}");
        check(&format!("{{\"a\":\"{}\"", "x".repeat(1000)), ScanError::TooLarge);
        check("}", ScanError::Shape);
        check(r#"{"body":"\x"}"#, ScanError::Shape);
        check(r#"{"body":"\u12g4"}"#, ScanError::Shape);
    }

    proptest! {
        #[test]
        fn any_text_comes_out_as_it_was(body in any::<String>(), other in any::<String>(), piece in 1_usize..50) {
            let other: String = other.chars().take(100).collect();
            let message = serde_json::json!({ "a": other, "body": body, "z": [other] }).to_string();
            let (around, seen, kind) = scan(message.as_bytes(), piece).unwrap();
            prop_assert_eq!(kind, Some(BodyKind::Text));
            prop_assert_eq!(seen, body.as_bytes());
            let around: serde_json::Value = serde_json::from_str(&around).unwrap();
            prop_assert_eq!(around, serde_json::json!({ "a": other, "body": "", "z": [other] }));
        }

        #[test]
        fn nothing_breaks_it(bytes in any::<Vec<u8>>(), piece in 1_usize..50) {
            let _ = scan(&bytes, piece);
            let mut begun = br#"{"body":"#.to_vec();
            begun.extend(bytes);
            let _ = scan(&begun, piece);
        }
    }
}
