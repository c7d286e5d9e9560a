//! The daemon's frames: a kind, a length, so many bytes. Numbers are in network order.
//!
//! A frame is taken as it comes, never gathered: what is kept between two reads are five bytes.

use super::limits::{FRAME_BYTES_MAX, INPUT_BYTES_MAX};

/// Kind and length.
const HEAD_BYTES: usize = 5;

/// Output to the client, input to the daemon.
const STREAM: u8 = 0x01;
/// Standard error to the client.
const ERROR: u8 = 0x02;
/// The size of the terminal, to the daemon.
const WINDOW: u8 = 0x03;
/// The exit code, to the client: the last frame.
const EXIT: u8 = 0xff;

/// Bytes that are no frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What the bytes at hand begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Nothing for anybody: the inside of a frame begins after these bytes, or is not here yet.
    Nothing,
    /// Output: these bytes.
    Output,
    /// Standard error: these bytes.
    Error,
    /// The exit code. There is nothing after it.
    Exit(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of a head.
    Head([u8; HEAD_BYTES], usize),
    /// So much of the inside of a frame is still to come.
    Inside(Piece, usize),
    /// So many bytes of an exit code.
    Code([u8; 4], usize),
}

/// Where in the daemon's frames one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frames(State);

impl Frames {
    /// At the beginning of one.
    pub(super) fn new() -> Self {
        Self(State::Head([0; HEAD_BYTES], 0))
    }

    /// Takes what `bytes`, which are some, begin with. Says what it is, and how many bytes it is.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(Piece, usize), Malformed> {
        match &mut self.0 {
            State::Head(head, have) => {
                let used = gather(head, have, bytes);
                if *have == HEAD_BYTES {
                    self.0 = begin(*head)?;
                }
                Ok((Piece::Nothing, used))
            }
            State::Inside(piece, left) => {
                let (piece, used) = (*piece, bytes.len().min(*left));
                *left -= used;
                if *left == 0 {
                    *self = Self::new();
                }
                Ok((piece, used))
            }
            State::Code(code, have) => {
                let used = gather(code, have, bytes);
                let piece = if *have == code.len() {
                    Piece::Exit(number(*code))
                } else {
                    Piece::Nothing
                };
                Ok((piece, used))
            }
        }
    }
}

/// Fills `into`, of which so many bytes are there; how many were taken.
fn gather(into: &mut [u8], have: &mut usize, bytes: &[u8]) -> usize {
    let room = into.get_mut(*have..).unwrap_or_default();
    let mut used = 0;
    for (slot, byte) in room.iter_mut().zip(bytes) {
        *slot = *byte;
        used += 1;
    }
    *have += used;
    used
}

fn begin(head: [u8; HEAD_BYTES]) -> Result<State, Malformed> {
    let [kind, length @ ..] = head;
    let length = number(length);
    let bytes = usize::try_from(length).map_err(|_| Malformed)?;
    match (kind, length) {
        (EXIT, 4) => Ok(State::Code([0; 4], 0)),
        (STREAM | ERROR, 0) => Ok(Frames::new().0),
        (STREAM, 1..=FRAME_BYTES_MAX) => Ok(State::Inside(Piece::Output, bytes)),
        (ERROR, 1..=FRAME_BYTES_MAX) => Ok(State::Inside(Piece::Error, bytes)),
        _ => Err(Malformed),
    }
}

fn number(bytes: [u8; 4]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The bytes of a number in network order.
pub(crate) fn ordered(number: u32) -> [u8; 4] {
    let mut bytes = number.to_le_bytes();
    bytes.reverse();
    bytes
}

/// A frame with so much of `input` as one may hold; how much that is.
pub(super) fn input(input: &[u8], out: &mut Vec<u8>) -> usize {
    let length = input.len().min(INPUT_BYTES_MAX);
    frame(STREAM, input.get(..length).unwrap_or_default(), out);
    length
}

/// A frame with the size of the terminal.
pub(super) fn window(rows: u16, columns: u16, out: &mut Vec<u8>) {
    let [_, _, high, low] = ordered(rows.into());
    let [_, _, wide_high, wide_low] = ordered(columns.into());
    frame(WINDOW, &[high, low, wide_high, wide_low], out);
}

fn frame(kind: u8, inside: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&ordered(u32::try_from(inside.len()).unwrap_or_default()));
    out.extend_from_slice(inside);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All output, all errors, and the exit code.
    type Taken = (Vec<u8>, Vec<u8>, Option<u32>);

    /// What is in a stream that comes in pieces of this size.
    fn read(bytes: &[u8], step: usize) -> Result<Taken, Malformed> {
        let (mut frames, mut output, mut error) = (Frames::new(), Vec::new(), Vec::new());
        for mut rest in bytes.chunks(step) {
            while !rest.is_empty() {
                let (piece, used) = frames.take(rest)?;
                let (taken, after) = rest.split_at(used);
                match piece {
                    Piece::Nothing => {}
                    Piece::Output => output.extend_from_slice(taken),
                    Piece::Error => error.extend_from_slice(taken),
                    Piece::Exit(code) => return Ok((output, error, Some(code))),
                }
                rest = after;
            }
        }
        Ok((output, error, None))
    }

    #[test]
    fn frames_in_pieces_of_every_size() {
        let bytes =
            b"\x01\0\0\0\x03abc\x02\0\0\0\x02de\x01\0\0\0\0\x01\0\0\0\x01f\xff\0\0\0\x04\0\0\x01\x02rest";
        for step in 1..=bytes.len() {
            assert_eq!(
                read(bytes, step),
                Ok((b"abcf".to_vec(), b"de".to_vec(), Some(258))),
                "{step}"
            );
        }
        assert_eq!(
            read(b"\x01\0\0\0\x03ab", 64),
            Ok((b"ab".to_vec(), Vec::new(), None))
        );
        assert_eq!(
            read(b"\xff\0\0\0\x04\0\0\0", 64),
            Ok((Vec::new(), Vec::new(), None))
        );
    }

    #[test]
    fn what_is_no_frame() {
        for head in [
            b"\0\0\0\0\0",
            b"\x03\0\0\0\x04",
            b"\x04\0\0\0\x01",
            b"\xff\0\0\0\0",
            b"\xff\0\0\0\x05",
            b"\x01\0\x10\0\x01",
            b"\x02\xff\xff\xff\xff",
        ] {
            assert_eq!(read(head, 5), Err(Malformed), "{}", head.escape_ascii());
        }
        // The longest is one.
        assert_eq!(read(b"\x01\0\x10\0\0", 5), Ok((Vec::new(), Vec::new(), None)));
    }

    #[test]
    fn frames_to_the_daemon() {
        let mut out = Vec::new();
        assert_eq!(input(b"ls\r", &mut out), 3);
        window(24, 0x0102, &mut out);
        assert_eq!(out, b"\x01\0\0\0\x03ls\r\x03\0\0\0\x04\0\x18\x01\x02");
        let mut out = Vec::new();
        assert_eq!(input(&[b'x'; 9000], &mut out), INPUT_BYTES_MAX);
        assert_eq!(
            (out.len(), &out[..5]),
            (HEAD_BYTES + INPUT_BYTES_MAX, b"\x01\0\0\x20\0".as_slice())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1..9_usize) {
            prop_assert_eq!(read(&bytes, step), read(&bytes, 200));
        }
    }
}
