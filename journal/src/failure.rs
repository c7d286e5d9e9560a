//! What can go wrong with the file system, and while doing what.

use std::fmt;
use std::io;

use wire::Time;

use crate::segment;

/// What was being done when the file system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Taking the directory for its one writer.
    Lock,
    /// Listing the directory.
    List,
    /// Opening a segment.
    Open,
    /// Reading a segment.
    Read,
    /// Finding a salt for a new segment.
    Salt,
    /// Making a new segment.
    Create,
    /// Writing records.
    Write,
    /// Making records durable.
    Sync,
    /// Making the directory durable.
    SyncDirectory,
    /// Removing a segment.
    Remove,
    /// Starting the writer's thread.
    Thread,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "locking the directory",
            Self::List => "listing the directory",
            Self::Open => "opening",
            Self::Read => "reading",
            Self::Salt => "finding a salt for",
            Self::Create => "making",
            Self::Write => "writing",
            Self::Sync => "syncing",
            Self::SyncDirectory => "syncing the directory of",
            Self::Remove => "removing",
            Self::Thread => "starting the thread of",
        })
    }
}

/// Why a journal could not be opened. Damage is no reason; it is in the [`Report`](crate::Report).
#[derive(Debug)]
pub enum OpenError {
    /// Another writer has the directory.
    Busy,
    /// The file system refused.
    Io {
        /// What was being done.
        act: Act,
        /// The first event of the segment it was done to; zero where it was none.
        segment: u64,
        /// What the file system said.
        source: io::Error,
    },
    /// A segment of a later version. Writing behind it would lose what only that version knows.
    Version {
        /// The first event of the segment.
        segment: u64,
        /// The version it states.
        version: u16,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("another writer has the journal"),
            Self::Io { act, segment: 0, .. } => write!(f, "{act} failed"),
            Self::Io { act, segment, .. } => write!(f, "{act} {} failed", segment::name(*segment)),
            Self::Version { segment, version } => {
                write!(f, "{} is of version {version}", segment::name(*segment))
            }
        }
    }
}

impl core::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Busy | Self::Version { .. } => None,
        }
    }
}

pub(crate) fn failed(act: Act, segment: u64) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { act, segment, source }
}

/// Why the journal takes no events at present. It takes them again as soon as a new segment can
/// be made, which every append and [`Journal::heal`](crate::Journal::heal) tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What was being done.
    pub act: Act,
    /// The first event of the segment it was done to.
    pub segment: u64,
    /// The system's number for what it said; none where the failure is not the system's.
    pub errno: Option<i32>,
    /// The kind of what it said.
    pub kind: io::ErrorKind,
    /// When, by the wall clock.
    pub at: Time,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            act,
            segment,
            errno,
            kind,
            ..
        } = self;
        write!(f, "{act} {} failed: {kind}", segment::name(*segment))?;
        match errno {
            Some(errno) => write!(f, " (errno {errno})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Failure {}
