//! A log whose files hold what was written and nothing else, read one piece after the other.
//! Everything here blocks: see [`LogStream`](super::LogStream) for the other side.
//!
//! Nobody knows when a line was written. Those that were there before anybody looked carry the time
//! that never was; those that come while somebody follows carry the time at which they were read.
//!
//! The newest file may be cut to nothing at any time and begun again. That shows: the file is then
//! shorter than the place reached, or the bytes before that place are others. A file that was cut
//! and grew beyond the place with the very same bytes before it cannot be told from one that only
//! grew; what is lost then is what was written up to the place.

mod tail;

use std::collections::VecDeque;
use std::io;
use std::time::SystemTime;

use wire::Time;
use wire::log::{EntryHeader, Stream, TEXT_BYTES_MAX};

use self::tail::last_lines;
use super::entries::{OpenFile, read_at, wide};
use super::reader::{From, Step, Wanted};
use super::render::Render;
use crate::limits::{LOG_PIECE_BYTES, LOG_PLACE_BYTES};

/// Reads the files of such a log in their order.
#[derive(Debug)]
pub(super) struct RawReader {
    files: VecDeque<OpenFile>,
    wanted: Wanted,
    render: Render,
    /// Place in the first of the files.
    at: u64,
    /// The last bytes before the place.
    before: Vec<u8>,
    /// Bytes of the first of the files that were there before anybody looked.
    there: u64,
    begun: bool,
    buffer: Vec<u8>,
}

impl RawReader {
    pub(super) fn new(files: Vec<OpenFile>, wanted: Wanted) -> Self {
        Self {
            files: files.into(),
            render: Render::new(wanted.shape),
            wanted,
            at: 0,
            before: Vec::new(),
            there: 0,
            begun: false,
            buffer: Vec::new(),
        }
    }

    /// The newest file.
    pub(super) fn newest(&self) -> Option<&OpenFile> {
        self.files.back()
    }

    /// The newest of these files, where it is none that is known. Those before it were put aside
    /// without being written to again.
    pub(super) fn later(&self, mut files: Vec<OpenFile>) -> Vec<OpenFile> {
        let known = self.newest().and_then(OpenFile::identity);
        let newest = files.pop().filter(|file| file.identity() != known);
        newest.into_iter().collect()
    }

    /// Adds files that came after those known, with all that is in them.
    pub(super) fn extend(&mut self, files: Vec<OpenFile>) {
        let files = files.into_iter().map(|file| OpenFile { bytes: 0, ..file });
        if self.files.is_empty() {
            self.go_to_beginning();
        }
        self.files.extend(files);
    }

    /// Reads the next piece.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        if !self.begun {
            self.begin()?;
        }
        let Some(first) = self.files.front() else {
            return Ok(Step::Idle);
        };
        let was_there = self.at < self.there;
        let most = match (was_there, self.wanted.follow) {
            (true, _) => usize::try_from(self.there.saturating_sub(self.at)).unwrap_or(usize::MAX),
            (false, true) => usize::MAX,
            (false, false) => return Ok(self.next_file()),
        };
        let grown = first.file.metadata()?.len().saturating_sub(self.at);
        let grown = usize::try_from(grown).unwrap_or(usize::MAX);
        let piece = most.min(grown).min(LOG_PIECE_BYTES);
        let mut buffer = std::mem::take(&mut self.buffer);
        // The bytes before the place are read with those behind it, so that nothing happens between.
        let known = self.before.len();
        buffer.resize(known.saturating_add(piece), 0);
        let filled = read_at(&first.file, &mut buffer, self.at.saturating_sub(wide(known)))?;
        let found = buffer.get(..filled).unwrap_or_default();
        let step = match found.strip_prefix(self.before.as_slice()) {
            Some([]) => self.next_file(),
            Some(fresh) => self.take(fresh, was_there),
            None => {
                // The file was begun again. Who does not follow wanted what is gone.
                self.go_to_beginning();
                Step::Bytes(Vec::new())
            }
        };
        if !matches!(step, Step::Idle) {
            self.buffer = buffer;
        }
        Ok(step)
    }

    fn take(&mut self, fresh: &[u8], was_there: bool) -> Step {
        self.at = self.at.saturating_add(wide(fresh.len()));
        self.before.extend(last(fresh));
        self.before
            .drain(..self.before.len().saturating_sub(LOG_PLACE_BYTES));
        let time = if was_there { Time::NEVER } else { now() };
        let is_late = self.wanted.until.is_some_and(|until| time > until);
        if is_late {
            return Step::Over;
        }
        let mut out = Vec::new();
        // What was there before, and may be older than wanted, was passed over at the beginning.
        if was_there || time >= self.wanted.since {
            self.show(fresh, time, &mut out);
        }
        Step::Bytes(out)
    }

    fn show(&mut self, bytes: &[u8], time: Time, out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            for text in line.chunks(TEXT_BYTES_MAX) {
                let header = EntryHeader {
                    time,
                    stream: Stream::Output,
                    partial: !text.ends_with(b"\n"),
                    length: u32::try_from(text.len()).unwrap_or(u32::MAX),
                };
                self.render.push(&header, text, out);
            }
        }
        // A line that goes on in the next piece goes on in a frame of its own.
        self.render.cut();
    }

    /// Goes on with the file after this one, if there is one.
    fn next_file(&mut self) -> Step {
        if self.files.len() > 1 {
            self.files.pop_front();
            self.go_to_beginning();
            self.there = self.files.front().map_or(0, |file| file.bytes);
            return Step::Bytes(Vec::new());
        }
        // Whoever waits holds no buffer.
        self.buffer = Vec::new();
        Step::Idle
    }

    /// Nothing of the first of the files was read, and all that is in it came just now.
    fn go_to_beginning(&mut self) {
        self.at = 0;
        self.before.clear();
        self.there = 0;
    }

    fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        let files = self.files.make_contiguous();
        let newest = files.len().saturating_sub(1);
        let end = (newest, files.last().map_or(0, |file| file.bytes));
        let wanted = match self.wanted.from {
            From::Oldest => (0, 0),
            From::Last(0) | From::Now => end,
            From::Last(lines) => last_lines(files, lines)?,
        };
        // A file that was last written to before the time has nothing of it.
        let since = self.wanted.since;
        let oldest = files.iter().position(|file| file.modified_at() >= since);
        let (index, at) = wanted.max(oldest.map_or(end, |index| (index, 0)));
        self.files.drain(..index.min(self.files.len()));
        self.at = at;
        self.there = self.files.front().map_or(0, |file| file.bytes);
        self.remember()
    }

    /// Reads what is before the place.
    fn remember(&mut self) -> io::Result<()> {
        let Some(first) = self.files.front() else {
            return Ok(());
        };
        let start = self.at.saturating_sub(wide(LOG_PLACE_BYTES));
        let length = usize::try_from(self.at.saturating_sub(start)).unwrap_or_default();
        self.before.resize(length, 0);
        if read_at(&first.file, &mut self.before, start)? < length {
            self.go_to_beginning();
        }
        Ok(())
    }
}

/// As many of the last bytes as a place is known by.
fn last(bytes: &[u8]) -> &[u8] {
    let from = bytes.len().saturating_sub(LOG_PLACE_BYTES);
    bytes.get(from..).unwrap_or_default()
}

/// The present, by the wall clock.
fn now() -> Time {
    Time::since_epoch(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

#[cfg(test)]
mod tests;
