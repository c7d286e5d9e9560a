//! Why a packer could not do its work.

use std::io;

use nix::errno::Errno;

use super::limits::SENTENCE_CHARS_MAX;
use super::task::{Verdict, Word};
use crate::shim::failure::{Failure, Trouble};
use crate::{runtime::RuntimeError, unpack};

/// What stopped the packer.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing is at the path.
    NoSuchPath,
    /// What is at the path is no directory.
    NotADirectory,
    /// The file system refuses writing at the path.
    ReadOnly,
    /// The process whose root it was is gone.
    NotRunning,
    /// More than is allowed.
    Limit {
        /// What there was too much of.
        what: &'static str,
        /// The most that is allowed.
        max: usize,
    },
    /// The root file system could not be made.
    Root(Failure),
    /// A directory would take the place of something else, or the other way round.
    Kinds {
        /// What is there.
        path: String,
        /// The directory that was unpacked into.
        into: String,
        /// Whether what comes is the directory.
        directory: bool,
    },
    /// The tar that was to be unpacked.
    Unpack(unpack::Fault),
    /// The system said no.
    System {
        /// What was tried.
        attempt: &'static str,
        /// What the system said.
        errno: Errno,
    },
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Root(failure)
    }
}

impl From<unpack::Fault> for Fault {
    fn from(fault: unpack::Fault) -> Self {
        Self::Unpack(fault)
    }
}

impl Fault {
    /// For `map_err`: the attempt, then the error.
    pub(super) fn system<E: Into<io::Error>>(attempt: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System {
            attempt,
            errno: error.into().raw_os_error().map_or(Errno::EIO, Errno::from_raw),
        }
    }

    /// For `map_err`, where a path was looked up.
    pub(super) fn looking_up(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT => Self::NoSuchPath,
            Errno::ENOTDIR => Self::NotADirectory,
            errno => Self::System {
                attempt: "look up the path",
                errno,
            },
        }
    }

    /// As the bridge is told.
    pub(super) fn word(self) -> Word {
        let plain = |verdict| Word {
            verdict,
            ..Word::default()
        };
        match self {
            Self::NoSuchPath => plain(Verdict::NoSuchPath),
            Self::NotADirectory => plain(Verdict::NotADirectory),
            Self::ReadOnly => plain(Verdict::ReadOnly),
            Self::NotRunning => plain(Verdict::NotRunning),
            Self::Limit { what, max } => system(&format!("{what}: at most {max} allowed"), Errno::E2BIG),
            Self::Root(failure) if failure.trouble == Trouble::NotPermitted => Word {
                sentence: shortened(&failure.subject),
                ..plain(Verdict::NotPermitted)
            },
            Self::Root(failure) => {
                let errno = Errno::from_raw(failure.errno);
                system(&RuntimeError::from(failure).to_string(), errno)
            }
            Self::System { attempt, errno } => system(&format!("{attempt}: {}", errno.desc()), errno),
            Self::Kinds {
                path,
                into,
                directory,
            } => {
                let (there, comes) = if directory {
                    ("non-directory", "directory")
                } else {
                    ("directory", "non-directory")
                };
                Word {
                    sentence: shortened(&format!(
                        "cannot overwrite {there} {path:?} with {comes} {into:?}"
                    )),
                    path: shortened(&path),
                    ..plain(Verdict::PathConflict)
                }
            }
            Self::Unpack(fault) => match fault.system_errno() {
                Some(Errno::EROFS) => plain(Verdict::ReadOnly),
                Some(errno) => system(&fault.to_string(), errno),
                None => Word {
                    sentence: shortened(&fault.to_string()),
                    ..plain(Verdict::InvalidArchive)
                },
            },
        }
    }
}

fn system(sentence: &str, errno: Errno) -> Word {
    Word {
        verdict: Verdict::System,
        sentence: shortened(sentence),
        errno: io::Error::from(errno).raw_os_error().unwrap_or_default(),
        ..Word::default()
    }
}

fn shortened(sentence: &str) -> String {
    sentence.chars().take(SENTENCE_CHARS_MAX).collect()
}
