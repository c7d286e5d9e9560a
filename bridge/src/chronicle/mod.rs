//! `socketd-bridge journal`: the journal, read by people and by programs, beside a bridge or without.
//!
//! Takes no lock and changes nothing. Knows the journal's files and nothing of containers, runtimes
//! or sockets.

mod follow;
mod json;
mod show;
mod text;
mod verify;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use journal::{Archive, OpenError, ReadError};
use wire::ImageId;

use crate::config::{Journal, JournalCommand, Layout};

/// How often a journal is looked at again whose end is just being written, or whose oldest segment
/// is just being deleted. A write ends within milliseconds, unless nobody is writing any more.
const LOOKS_MAX: u32 = 6;

/// Between two such looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// How reading the journal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it was written.
    Whole,
    /// Something is not; the output says what.
    Damaged,
}

/// Why the journal cannot be read.
#[derive(Debug)]
pub enum ChronicleError {
    /// There is no journal there.
    NoJournal(PathBuf),
    /// It cannot be opened.
    Open(PathBuf, OpenError),
    /// A segment cannot be read.
    Read(ReadError),
    /// Where to write refuses.
    Output(io::Error),
    /// The directory cannot be watched.
    Watch(io::Error),
}

impl fmt::Display for ChronicleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJournal(path) => write!(f, "{}: there is no journal", path.display()),
            Self::Open(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Read(error) => match std::error::Error::source(error) {
                Some(source) => write!(f, "{error}: {source}"),
                None => error.fmt(f),
            },
            Self::Output(error) => write!(f, "cannot write: {error}"),
            Self::Watch(error) => write!(f, "cannot watch the journal: {error}"),
        }
    }
}

impl std::error::Error for ChronicleError {}

/// Does what is asked.
///
/// # Errors
/// See [`ChronicleError`]. A reader that goes away, as `head` does, is none.
pub fn run(arguments: &Journal) -> Result<Verdict, ChronicleError> {
    let done = match &arguments.command {
        JournalCommand::Show(show) => show::run(show),
        JournalCommand::Verify(place) => verify::run(&place.state_dir),
        JournalCommand::Export(export) => show::export(export),
    };
    match done {
        Err(ChronicleError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Verdict::Whole),
        other => other,
    }
}

/// The journal's directory below a state directory.
fn directory(state_dir: &Path) -> PathBuf {
    Layout::new(state_dir.to_owned()).journal()
}

/// Looks at the journal. What a writer is in the middle of is waited for, for a moment.
fn look(state_dir: &Path) -> Result<Archive, ChronicleError> {
    let directory = directory(state_dir);
    if !directory.is_dir() {
        return Err(ChronicleError::NoJournal(directory));
    }
    let host_id = host_id(state_dir);
    let mut looks = 0;
    loop {
        looks += 1;
        let opened = Archive::open(&directory, host_id);
        let unsettled = match &opened {
            Ok(archive) => archive.report.torn_tail.is_some(),
            Err(_) => true,
        };
        if !unsettled || looks >= LOOKS_MAX {
            return opened.map_err(|error| ChronicleError::Open(directory, error));
        }
        // Nobody unparks this thread; if somebody did, it would merely look earlier.
        thread::park_timeout(LOOK_PAUSE);
    }
}

/// This host's id; zero where it cannot be read, which makes every segment a foreign one.
fn host_id(state_dir: &Path) -> [u8; 32] {
    let path = Layout::new(state_dir.to_owned()).host_id();
    fs::read_to_string(path)
        .ok()
        .and_then(|text| ImageId::from_hex(text.trim()))
        .unwrap_or_default()
        .0
}

/// A door for the fuzzer, which comes from outside.
#[cfg(fuzzing)]
pub fn fuzz_moment(text: &str) {
    let _ = text::parse_moment(text);
}
