//! The files of a log, in whichever way they are kept.

use std::io;

use super::entries::OpenFile;
use super::raw::RawReader;
use super::reader::{Reader, Step, Wanted};

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// As entries with their times.
    Entries,
    /// As what was written and nothing else.
    Raw,
}

/// Reads files of either way.
#[derive(Debug)]
pub(super) enum Source {
    Entries(Reader),
    Raw(RawReader),
}

impl Source {
    pub(super) fn new(kept: Kept, files: Vec<OpenFile>, wanted: Wanted) -> Self {
        match kept {
            Kept::Entries => Self::Entries(Reader::new(files, wanted)),
            Kept::Raw => Self::Raw(RawReader::new(files, wanted)),
        }
    }

    /// Reads the next piece. Blocks.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        match self {
            Self::Entries(reader) => reader.step(),
            Self::Raw(reader) => reader.step(),
        }
    }

    /// The newest file.
    pub(super) fn newest(&self) -> Option<&OpenFile> {
        match self {
            Self::Entries(reader) => reader.newest(),
            Self::Raw(reader) => reader.newest(),
        }
    }

    /// Those of all files of the log that came after those known.
    pub(super) fn later(&self, files: Vec<OpenFile>) -> Vec<OpenFile> {
        match self {
            Self::Entries(reader) => reader.later(files),
            Self::Raw(reader) => reader.later(files),
        }
    }

    /// Adds files that came after those known.
    pub(super) fn extend(&mut self, files: Vec<OpenFile>) {
        match self {
            Self::Entries(reader) => reader.extend(files),
            Self::Raw(reader) => reader.extend(files),
        }
    }

    /// Whether a file is put aside by nothing but the start of the next run.
    pub(super) fn is_one_file_a_run(&self) -> bool {
        matches!(self, Self::Raw(_))
    }
}
