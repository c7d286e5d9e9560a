//! Why a tar was not unpacked.

use std::fmt;

use nix::errno::Errno;

use super::name::NameFault;

/// What stopped the unpacker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The input ends before the archive does.
    Truncated,
    /// A header whose checksum or numbers are wrong: this is no tar.
    Header,
    /// The compressed stream contradicts itself.
    Compression(&'static str),
    /// Something other than zeros follows the end of the archive.
    TrailingData,
    /// PAX records that cannot be read.
    Records,
    /// A map of a sparse file that cannot be, or is of a kind we do not read.
    Sparse,
    /// A name no entry may have, or point to with a hard link.
    Name {
        /// The name as it stands in the archive.
        name: Vec<u8>,
        /// What is wrong with it.
        why: NameFault,
    },
    /// An entry of a kind that no image holds.
    Kind {
        /// The entry.
        name: Vec<u8>,
        /// The type flag of its header.
        flag: u8,
    },
    /// A device other than the harmless ones every container has.
    Device {
        /// The entry.
        name: Vec<u8>,
        /// Its major and minor number.
        number: (u32, u32),
    },
    /// More than is allowed.
    Limit {
        /// What there was too much of.
        what: &'static str,
        /// The most that is allowed.
        max: u64,
    },
    /// An entry could not be made.
    Entry {
        /// The entry.
        name: Vec<u8>,
        /// What the system said.
        errno: Errno,
    },
    /// An entry would take the place of something of another kind.
    Kinds {
        /// The entry.
        name: Vec<u8>,
        /// Whether the entry is the directory.
        directory: bool,
    },
    /// A step that has nothing to do with any entry failed.
    System {
        /// What was tried.
        attempt: &'static str,
        /// What the system said.
        errno: Errno,
    },
}

impl Fault {
    /// The system's error, where it is the machine that failed and not the archive.
    pub(crate) fn system_errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. } => Some(*errno),
            Self::Entry { errno, .. } if !is_archives_fault(*errno) => Some(*errno),
            _ => None,
        }
    }

    /// The entry that would take the place of something of another kind, and whether it is the directory.
    pub(crate) fn conflict(&self) -> Option<(&[u8], bool)> {
        match self {
            Self::Kinds { name, directory } => Some((name, *directory)),
            _ => None,
        }
    }

    /// For `map_err`: the attempt, then the error.
    pub(super) fn system(attempt: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System { attempt, errno }
    }
}

/// Errors that only the order and the names of the entries bring about.
fn is_archives_fault(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOENT
            | Errno::ENOTDIR
            | Errno::EISDIR
            | Errno::EEXIST
            | Errno::ELOOP
            | Errno::ENAMETOOLONG
            | Errno::EMLINK
            | Errno::EXDEV
            | Errno::EINVAL
            | Errno::EFBIG
    )
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The first two are what Go's archive/tar says, known to users and their scripts.
            Self::Truncated => f.write_str("unexpected EOF"),
            Self::Header => f.write_str("archive/tar: invalid tar header"),
            Self::Compression(format) => write!(f, "invalid {format} data"),
            Self::TrailingData => f.write_str("data after the end of the archive"),
            Self::Records => f.write_str("invalid PAX records"),
            Self::Sparse => f.write_str("sparse file with an invalid or unknown map"),
            Self::Name { name, why } => write!(f, "invalid name {}: {why}", name.escape_ascii()),
            Self::Kind { name, flag } => {
                write!(
                    f,
                    "{}: unhandled entry type '{}'",
                    name.escape_ascii(),
                    flag.escape_ascii()
                )
            }
            Self::Device { name, number } => write!(
                f,
                "{}: device {}:{} is not allowed in an image",
                name.escape_ascii(),
                number.0,
                number.1
            ),
            Self::Limit { what, max } => write!(f, "{what}: at most {max} allowed"),
            Self::Entry { name, errno } => write!(f, "{}: {}", name.escape_ascii(), errno.desc()),
            Self::Kinds { name, directory } => {
                let (there, comes) = if *directory {
                    ("non-directory", "directory")
                } else {
                    ("directory", "non-directory")
                };
                write!(f, "cannot overwrite {there} with {comes} {}", name.escape_ascii())
            }
            Self::System { attempt, errno } => write!(f, "{attempt}: {}", errno.desc()),
        }
    }
}

impl std::error::Error for Fault {}
