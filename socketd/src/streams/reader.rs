//! A log's files, read one piece after the other. Everything here blocks: see
//! [`LogStream`](super::LogStream) for the other side.

use std::collections::VecDeque;
use std::io;

use wire::Time;
use wire::log::{FILE_HEADER_BYTES, file_number};

use super::entries::{OpenFile, Parsed, parse, read_at, wide};
use super::render::{Render, Shape};
use super::tail::{FIRST_ENTRY, last_lines};
use crate::limits::LOG_PIECE_BYTES;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the oldest entry there is.
    Oldest,
    /// With so many lines before the end.
    Last(u64),
    /// With what is written after the files were opened.
    Now,
}

/// What is wanted of a log.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// How it is shown.
    pub shape: Shape,
    /// Where to begin.
    pub from: From,
    /// Entries before this are passed over.
    pub since: Time,
    /// The first entry after this ends the reading.
    pub until: Option<Time>,
    /// Whether what was written since the files were opened belongs to it.
    pub follow: bool,
}

/// What one step gave.
#[derive(Debug)]
pub(super) enum Step {
    /// Something for the client, perhaps nothing yet; go on.
    Bytes(Vec<u8>),
    /// Everything there is was read.
    Idle,
    /// Nothing that comes will be wanted.
    Over,
}

/// Reads a log's files in their order.
#[derive(Debug)]
pub(super) struct Reader {
    files: VecDeque<OpenFile>,
    wanted: Wanted,
    render: Render,
    /// Place in the first of the files.
    at: u64,
    begun: bool,
    /// What follows in the first of the files is no entry.
    damaged: bool,
    buffer: Vec<u8>,
}

/// How far a piece was understood.
enum Outcome {
    Whole(usize),
    Damaged(usize),
    Over,
}

impl Reader {
    pub(super) fn new(files: Vec<OpenFile>, wanted: Wanted) -> Self {
        Self {
            files: files.into(),
            render: Render::new(wanted.shape),
            wanted,
            at: FIRST_ENTRY,
            begun: false,
            damaged: false,
            buffer: Vec::new(),
        }
    }

    /// The newest file.
    pub(super) fn newest(&self) -> Option<&OpenFile> {
        self.files.back()
    }

    /// Those of all files of the log that came after those known.
    pub(super) fn later(&self, mut files: Vec<OpenFile>) -> Vec<OpenFile> {
        let known = self.newest().map_or(0, |file| file.number);
        files.retain(|file| file.number > known);
        files
    }

    /// Adds files that came after those known.
    pub(super) fn extend(&mut self, files: Vec<OpenFile>) {
        if self.files.is_empty() {
            self.at = FIRST_ENTRY;
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
        let end = if self.wanted.follow {
            first.file.metadata()?.len()
        } else {
            first.bytes
        };
        let left = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        if self.damaged || left == 0 {
            return Ok(self.next_file());
        }
        let piece = left.min(LOG_PIECE_BYTES);
        self.buffer.resize(piece, 0);
        let filled = read_at(&first.file, &mut self.buffer, self.at)?;
        let buffer = std::mem::take(&mut self.buffer);
        let step = self.take(
            buffer.get(..filled).unwrap_or_default(),
            left > filled && filled == piece,
        );
        self.buffer = buffer;
        Ok(step)
    }

    /// Takes the whole entries of a piece. `more`: whether the file goes on after it.
    fn take(&mut self, piece: &[u8], more: bool) -> Step {
        let mut out = Vec::with_capacity(piece.len());
        let outcome = self.entries(piece, more, &mut out);
        let (read, damaged) = match outcome {
            Outcome::Over => {
                // What was wanted may have been before it in this piece.
                self.wanted.until = Some(Time::NEVER);
                return if out.is_empty() {
                    Step::Over
                } else {
                    Step::Bytes(out)
                };
            }
            Outcome::Whole(read) => (read, read == 0 && more),
            Outcome::Damaged(read) => (read, true),
        };
        self.at = self.at.saturating_add(wide(read));
        if damaged {
            let number = self.files.front().map_or(0, |file| file.number);
            tracing::warn!(
                file = number,
                at = self.at,
                "a log is damaged; the rest of this file is passed over"
            );
            self.damaged = true;
        } else if read == 0 {
            // The beginning of an entry: its writer is at it, or was killed there.
            return self.next_file();
        }
        Step::Bytes(out)
    }

    fn entries(&mut self, piece: &[u8], more: bool, out: &mut Vec<u8>) -> Outcome {
        let (mut read, mut frame_at) = (0_usize, 0_usize);
        loop {
            let rest = piece.get(read..).unwrap_or_default();
            let (header, text, whole) = match parse(rest) {
                Parsed::Entry(header, text, whole) => (header, text, whole),
                Parsed::Damaged => {
                    self.render.cut();
                    return Outcome::Damaged(read);
                }
                Parsed::Short => break,
            };
            if self.wanted.until.is_some_and(|until| header.time > until) {
                return Outcome::Over;
            }
            if header.time >= self.wanted.since && self.render.push(&header, text, out) {
                frame_at = read;
            }
            read = read.saturating_add(whole);
        }
        // A line that goes on in the next piece is read again with it, so that it is one frame.
        if let Some(mark) = self.render.cut()
            && more
            && frame_at > 0
        {
            out.truncate(mark.out);
            self.render.back_to(mark);
            return Outcome::Whole(frame_at);
        }
        Outcome::Whole(read)
    }

    /// Goes on with the file after this one, if there is one.
    fn next_file(&mut self) -> Step {
        if self.files.len() > 1 {
            self.files.pop_front();
            self.at = FIRST_ENTRY;
            self.damaged = !self.files.front().is_some_and(has_header);
            return Step::Bytes(Vec::new());
        }
        // Whoever waits holds no buffer.
        self.buffer = Vec::new();
        Step::Idle
    }

    fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        let (index, at) = match self.wanted.from {
            From::Oldest => (0, FIRST_ENTRY),
            From::Last(lines) => last_lines(self.files.make_contiguous(), lines)?,
            From::Now => {
                let end = self.newest().map_or(FIRST_ENTRY, |file| file.bytes);
                (self.files.len().saturating_sub(1), end.max(FIRST_ENTRY))
            }
        };
        self.files.drain(..index.min(self.files.len()));
        self.at = at;
        self.damaged = self.files.front().is_some_and(|file| !has_header(file));
        Ok(())
    }
}

/// Whether a file begins as one of a log does. One that is empty is yet to begin.
fn has_header(file: &OpenFile) -> bool {
    let mut head = [0; FILE_HEADER_BYTES];
    match read_at(&file.file, &mut head, 0) {
        Ok(count) if count < head.len() => true,
        Ok(_) => file_number(&head).is_some(),
        Err(_) => false,
    }
}
