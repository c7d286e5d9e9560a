//! What a container writes, taken apart: which of its two streams, and line by line.

use bytes::{Buf as _, Bytes};
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;

use crate::limits::LINE_MAX;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output, or a terminal.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
        }
    }
}

/// Takes apart what both streams share. Before each piece stand its stream, three zeros, and its length in four bytes,
/// the most significant first.
#[derive(Debug)]
pub(super) struct Pieces {
    is_raw: bool,
    head: Vec<u8>,
    stream: Stream,
    left: usize,
}

/// Length of what stands before a piece, in bytes.
const HEAD: usize = 8;

impl Pieces {
    /// Of a terminal: one stream, with nothing in between.
    pub(super) fn raw() -> Self {
        Self {
            is_raw: true,
            head: Vec::new(),
            stream: Stream::Out,
            left: 0,
        }
    }

    /// Of what has no terminal.
    pub(super) fn shared() -> Self {
        Self {
            is_raw: false,
            ..Self::raw()
        }
    }

    /// As the headers of a log have it; none where the engine is too old to say so.
    pub(super) fn of_log(headers: &HeaderMap) -> Option<Self> {
        match headers.get(CONTENT_TYPE)?.as_bytes() {
            b"application/vnd.docker.raw-stream" => Some(Self::raw()),
            b"application/vnd.docker.multiplexed-stream" => Some(Self::shared()),
            _ => None,
        }
    }

    /// The next piece of `bytes`, which is taken out of them; none where they end before one begins.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Option<(Stream, Bytes)> {
        if self.is_raw {
            return (!bytes.is_empty()).then(|| (Stream::Out, bytes.split_to(bytes.len())));
        }
        while self.left == 0 {
            let missing = HEAD.saturating_sub(self.head.len());
            self.head
                .extend_from_slice(&bytes.split_to(missing.min(bytes.len())));
            if self.head.len() < HEAD {
                return None;
            }
            let mut head = self.head.as_slice();
            self.stream = if head.get_u8() == 2 {
                Stream::Err
            } else {
                Stream::Out
            };
            head.advance(3);
            self.left = usize::try_from(head.get_u32()).unwrap_or(usize::MAX);
            self.head.clear();
        }
        if bytes.is_empty() {
            return None;
        }
        let piece = bytes.split_to(self.left.min(bytes.len()));
        self.left -= piece.len();
        Some((self.stream, piece))
    }
}

/// Makes lines of pieces.
#[derive(Debug, Default)]
pub(super) struct Lines {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Lines {
    /// Gives `each` every line that ends in this piece, with its end. One that is too long is given as it is.
    pub(super) fn take(&mut self, stream: Stream, piece: &[u8], mut each: impl FnMut(Stream, String)) {
        let begun = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(part);
            if part.ends_with(b"\n") || begun.len() >= LINE_MAX {
                each(stream, String::from_utf8_lossy(begun).into_owned());
                begun.clear();
            }
        }
    }

    /// Gives `each` what was begun and never ended.
    pub(super) fn end(self, mut each: impl FnMut(Stream, String)) {
        for (stream, begun) in [(Stream::Out, self.out), (Stream::Err, self.err)] {
            if !begun.is_empty() {
                each(stream, String::from_utf8_lossy(&begun).into_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut pieces: Pieces, chunks: &[&[u8]]) -> Vec<(Stream, String)> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for chunk in chunks {
            let mut bytes = Bytes::copy_from_slice(chunk);
            while let Some((stream, piece)) = pieces.next(&mut bytes) {
                lines.take(stream, &piece, |stream, line| all.push((stream, line)));
            }
            assert!(bytes.is_empty());
        }
        lines.end(|stream, line| all.push((stream, line)));
        all
    }

    #[test]
    fn both_streams() {
        let whole =
            b"\x01\0\0\0\0\0\0\x04a\nb\n\x02\0\0\0\0\0\0\x02c\n\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01d";
        let expected = [
            (Stream::Out, "a\n".to_owned()),
            (Stream::Out, "b\n".to_owned()),
            (Stream::Err, "c\n".to_owned()),
            (Stream::Out, "d".to_owned()),
        ];
        assert_eq!(read(Pieces::shared(), &[whole]), expected);
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(read(Pieces::shared(), &bytes), expected);
        for at in 0..whole.len() {
            let (one, other) = whole.split_at(at);
            assert_eq!(read(Pieces::shared(), &[one, other]), expected, "{at}");
        }
    }

    #[test]
    fn a_terminal() {
        let expected = [
            (Stream::Out, "a\n".to_owned()),
            (Stream::Out, "\u{fffd}b".to_owned()),
        ];
        assert_eq!(read(Pieces::raw(), &[b"a\n\xff", b"b"]), expected);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; LINE_MAX];
        let read = read(Pieces::raw(), &[&long, &long, b"\n"]);
        let lengths: Vec<usize> = read.iter().map(|(_, line)| line.len()).collect();
        assert_eq!(lengths, [LINE_MAX, LINE_MAX, 1]);
    }

    #[test]
    fn a_length_that_is_a_lie_costs_nothing() {
        assert_eq!(
            read(Pieces::shared(), &[b"\x01\0\0\0\xff\xff\xff\xffabc"]),
            [(Stream::Out, "abc".to_owned())]
        );
    }
}
