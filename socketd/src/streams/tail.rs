//! Where the last lines of a log begin, found from its end by the entries' trailers.

use std::fs::File;
use std::io;

use wire::log::{ENTRY_HEADER_BYTES, ENTRY_TRAILER_BYTES, EntryHeader, FILE_HEADER_BYTES, Stream};

use super::entries::{OpenFile, Parsed, parse, read_at, wide};
use crate::limits::LOG_TAIL_BYTES;

/// First byte after a file's header.
pub(super) const FIRST_ENTRY: u64 = FILE_HEADER_BYTES as u64;

/// An index into the files, and a place in that file, from which on there are so many lines of
/// both streams together. A line that is not finished counts.
pub(super) fn last_lines(files: &[OpenFile], lines: u64) -> io::Result<(usize, u64)> {
    let mut count = Count::default();
    for (index, file) in files.iter().enumerate().rev() {
        let mut backwards = Backwards::new(&file.file, whole_end(file)?);
        loop {
            let end = backwards.at;
            let Some(header) = backwards.previous()? else {
                break;
            };
            if count.ends_a_line(&header) {
                if count.lines == lines {
                    return Ok((index, end));
                }
                count.lines = count.lines.saturating_add(1);
            }
        }
        if backwards.damaged {
            // A reader from the front would not come past this either.
            return Ok((index, backwards.at));
        }
    }
    Ok((0, FIRST_ENTRY))
}

/// Lines met so far, from the end.
#[derive(Debug, Default)]
struct Count {
    lines: u64,
    /// Whether a later entry of this stream was met: a part before it belongs to that line.
    output: bool,
    error: bool,
}

impl Count {
    fn ends_a_line(&mut self, header: &EntryHeader) -> bool {
        let met = match header.stream {
            Stream::Output => &mut self.output,
            Stream::Error => &mut self.error,
        };
        !std::mem::replace(met, true) || !header.partial
    }
}

/// Where the last whole entry of a file ends: where the file does, unless its writer is in the
/// middle of an entry or was killed there.
fn whole_end(file: &OpenFile) -> io::Result<u64> {
    let mut backwards = Backwards::new(&file.file, file.bytes);
    if backwards.previous()?.is_some() || !backwards.damaged {
        return Ok(file.bytes);
    }
    let mut at = FIRST_ENTRY;
    let mut buffer = vec![0; LOG_TAIL_BYTES];
    loop {
        let filled = read_at(&file.file, &mut buffer, at)?;
        let mut rest = buffer.get(..filled).unwrap_or_default();
        let start = at;
        while let Parsed::Entry(_, _, whole) = parse(rest) {
            let next = at.saturating_add(wide(whole));
            if next > file.bytes {
                return Ok(at);
            }
            at = next;
            rest = rest.get(whole..).unwrap_or_default();
        }
        if at == start {
            return Ok(at);
        }
    }
}

/// Goes from entry to entry towards a file's beginning.
#[derive(Debug)]
struct Backwards<'a> {
    file: &'a File,
    /// Where the entry before begins, at last; where the search stands.
    at: u64,
    buffer: Vec<u8>,
    /// Place in the file of the buffer's first byte.
    base: u64,
    damaged: bool,
}

impl<'a> Backwards<'a> {
    fn new(file: &'a File, end: u64) -> Self {
        Self {
            file,
            at: end,
            buffer: Vec::new(),
            base: 0,
            damaged: false,
        }
    }

    /// The entry before the place; none at the beginning, and where the bytes are no entry.
    fn previous(&mut self) -> io::Result<Option<EntryHeader>> {
        if self.at <= FIRST_ENTRY || self.damaged {
            return Ok(None);
        }
        let found = self.header()?;
        match found {
            Some((header, start)) => {
                self.at = start;
                Ok(Some(header))
            }
            None => {
                self.damaged = true;
                Ok(None)
            }
        }
    }

    fn header(&mut self) -> io::Result<Option<(EntryHeader, u64)>> {
        let Some(trailer) = self.number(self.at)? else {
            return Ok(None);
        };
        let around = wide(ENTRY_HEADER_BYTES + ENTRY_TRAILER_BYTES);
        let start = self.at.checked_sub(around.saturating_add(u64::from(trailer)));
        let Some(start) = start.filter(|start| *start >= FIRST_ENTRY) else {
            return Ok(None);
        };
        let head = self.window(start, ENTRY_HEADER_BYTES)?;
        let header = head.first_chunk().and_then(EntryHeader::parse);
        Ok(header
            .filter(|header| header.length == trailer)
            .map(|header| (header, start)))
    }

    /// The number that ends at a place.
    fn number(&mut self, end: u64) -> io::Result<Option<u32>> {
        let Some(start) = end.checked_sub(wide(ENTRY_TRAILER_BYTES)) else {
            return Ok(None);
        };
        let bytes = self.window(start, ENTRY_TRAILER_BYTES)?;
        Ok(bytes.first_chunk().copied().map(u32::from_le_bytes))
    }

    /// Some bytes at a place; fewer where the file has no more.
    fn window(&mut self, start: u64, length: usize) -> io::Result<&[u8]> {
        let end = start.saturating_add(wide(length));
        let held_to = self.base.saturating_add(wide(self.buffer.len()));
        if start < self.base || end > held_to {
            self.base = end.saturating_sub(wide(LOG_TAIL_BYTES));
            let bytes = usize::try_from(end.saturating_sub(self.base)).unwrap_or(LOG_TAIL_BYTES);
            self.buffer.resize(bytes, 0);
            let filled = read_at(self.file, &mut self.buffer, self.base)?;
            self.buffer.truncate(filled);
        }
        let from = usize::try_from(start.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let window = self.buffer.get(from..from.saturating_add(length));
        Ok(window.unwrap_or_default())
    }
}
