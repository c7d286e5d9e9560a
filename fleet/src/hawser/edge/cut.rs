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
