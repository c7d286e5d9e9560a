//! What the daemon and its clients say to each other: numbers with the most significant byte first.

use std::io::{self, Read, Write};

/// Bit of a request's flags: with a terminal.
const WITH_TERMINAL: u32 = 1;
/// Most words of a request.
const WORDS_MAX: u32 = 64;
/// Most bytes of a word, and of what is typed at once.
pub(crate) const BYTES_MAX: u32 = 8192;

/// Kinds of frames.
pub(crate) const OUT: u8 = 0x01;
pub(crate) const ERR: u8 = 0x02;
pub(crate) const SIZE: u8 = 0x03;
pub(crate) const EXIT: u8 = 0xff;

/// What a client asks for: a call of the command.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) words: Vec<String>,
    /// Rows and columns of the terminal, where it is to have one.
    pub(crate) size: Option<(u16, u16)>,
}

impl Request {
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Self> {
        let (flags, count) = (number(from)?, number(from)?);
        if !(1..=WORDS_MAX).contains(&count) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let words: io::Result<_> = (0..count).map(|_| word(from)).collect();
        let mut own = Self {
            words: words?,
            size: None,
        };
        if flags & WITH_TERMINAL != 0 {
            let mut bytes = [0; 4];
            from.read_exact(&mut bytes)?;
            own.size = Some(size(bytes));
        }
        Ok(own)
    }

    /// Writes a request without a terminal.
    pub(crate) fn write(words: &[String], to: &mut impl Write) -> io::Result<()> {
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut bytes = [big_endian(0), big_endian(length(words.len()))].concat();
        for word in words {
            bytes.extend(big_endian(length(word.len())));
            bytes.extend(word.as_bytes());
        }
        to.write_all(&bytes)
    }
}

/// Reads a frame; none at the end.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut kind = [0];
    if from.read(&mut kind)? == 0 {
        return Ok(None);
    }
    let length = number(from)?;
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    Ok(Some((kind[0], bytes)))
}

/// Writes a frame.
pub(crate) fn write(to: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut frame = vec![kind];
    frame.extend(big_endian(length));
    frame.extend(bytes);
    to.write_all(&frame)
}

/// The four bytes of a number.
pub(crate) fn big_endian(number: u32) -> [u8; 4] {
    [24, 16, 8, 0].map(|shift| u8::try_from((number >> shift) & 0xff).unwrap_or_default())
}

/// The number of up to four bytes.
pub(crate) fn value(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

/// Rows and columns.
pub(crate) fn size(bytes: [u8; 4]) -> (u16, u16) {
    let half = |half: &[u8]| u16::try_from(value(half)).unwrap_or_default();
    (half(&bytes[..2]), half(&bytes[2..]))
}

fn number(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(value(&bytes))
}

fn word(from: &mut impl Read) -> io::Result<String> {
    let length = number(from)?;
    if length > BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}
