//! Why a store did not do it.

use std::fmt;
use std::path::PathBuf;

/// Why it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// No enrolment has this token, or its time is over.
    NoEnrolment,
    /// A node of this id is there, and is not revoked.
    NodeExists,
    /// A key of this name is there.
    KeyExists,
    /// A port at this address is there.
    PortExists,
    /// There are as many of them as there may be: what, and how many.
    Full(&'static str, usize),
    /// The file cannot be opened: somebody else has it, or this user may not.
    Open(PathBuf, String),
    /// The file is not what it was when it was written, or is none of ours.
    Damaged(PathBuf, String),
    /// The file is of a version that this program does not know: that version.
    Version(PathBuf, u32),
    /// The disk took or gave nothing.
    Disk(String),
    /// The store is closed.
    Closed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEnrolment => f.write_str("this token is none, or was used, or its time is over"),
            Self::NodeExists => f.write_str("a node of this id is enrolled already"),
            Self::KeyExists => f.write_str("there is a key of this name already"),
            Self::PortExists => f.write_str("there is a port at this address already"),
            Self::Full(what, max) => write!(f, "there are {max} {what} already"),
            Self::Open(path, why) => write!(f, "cannot open {}: {why}", path.display()),
            Self::Damaged(path, why) => write!(
                f,
                "{} is damaged: {why}; put back a copy of it, or move it away and enrol every node anew",
                path.display()
            ),
            Self::Version(path, version) => write!(
                f,
                "{} is of version {version}, which this program does not know",
                path.display()
            ),
            Self::Disk(why) => write!(f, "the store's disk fails: {why}"),
            Self::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for StoreError {}
