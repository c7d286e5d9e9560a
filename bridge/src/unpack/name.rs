//! Which names an entry of an archive may have.
//!
//! The unpacker is chrooted into the image, so no name can lead out of it whatever is decided
//! here. These rules are the first of the two fences, and they make an archive that tries to get
//! out an error instead of an odd image.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::limits::{COMPONENT_BYTES_MAX, NAME_BYTES_MAX};

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameFault {
    /// A part of it is `..`.
    Parent,
    /// It holds a NUL.
    Nul,
    /// It, or a part of it, is longer than the kernel takes.
    TooLong,
    /// It names the root itself, or nothing at all, where that makes no sense.
    Root,
    /// It names a directory, of which there can be no second name.
    Directory,
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parent => "leads out of the archive",
            Self::Nul => "holds a NUL",
            Self::TooLong => "too long",
            Self::Root => "names no file",
            Self::Directory => "a directory cannot be linked to",
        })
    }
}

/// A name below the root of the image: no leading slash, no `.`, no `..`, no empty part.
/// The root itself is the empty name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Name(OsString);

impl Name {
    /// Reads a name as it stands in an archive. Leading slashes and `./` are dropped, as every tar
    /// program does, so `/bin/sh`, `./bin/sh` and `bin//sh/` are all `bin/sh`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(raw: &[u8]) -> Result<Self, NameFault> {
        if raw.contains(&0) {
            return Err(NameFault::Nul);
        }
        let mut name = Vec::with_capacity(raw.len().min(NAME_BYTES_MAX));
        for part in raw.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(NameFault::Parent),
                _ if part.len() > COMPONENT_BYTES_MAX => return Err(NameFault::TooLong),
                _ => {}
            }
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend_from_slice(part);
            if name.len() > NAME_BYTES_MAX {
                return Err(NameFault::TooLong);
            }
        }
        Ok(Self(OsString::from_vec(name)))
    }

    /// Whether it is the root of the image.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// For system calls, relative to the root; the root itself is `.`.
    pub(super) fn path(&self) -> &OsStr {
        if self.is_root() { OsStr::new(".") } else { &self.0 }
    }

    /// The bytes, for messages.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The directory it is in; empty for the root and what is directly in it.
    pub(super) fn parent(&self) -> &OsStr {
        let bytes = self.bytes();
        let end = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        OsStr::from_bytes(bytes.get(..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(raw: &[u8], expected: Result<&str, NameFault>) {
        assert_eq!(
            Name::parse(raw),
            expected.map(|name| Name(OsString::from(name))),
            "{}",
            raw.escape_ascii()
        );
    }

    #[test]
    fn names() {
        check(b"bin/sh", Ok("bin/sh"));
        check(b"/bin/sh", Ok("bin/sh"));
        check(b"//bin//sh//", Ok("bin/sh"));
        check(b"./././bin/./sh/.", Ok("bin/sh"));
        check(b"./", Ok(""));
        check(b"", Ok(""));
        check(b"...", Ok("..."));
        check(b"..a/b..", Ok("..a/b.."));
        check(b"..", Err(NameFault::Parent));
        check(b"a/../b", Err(NameFault::Parent));
        check(b"a/..", Err(NameFault::Parent));
        check(b"/../etc/passwd", Err(NameFault::Parent));
        check(b"a\0b", Err(NameFault::Nul));
        check(&[b'a'; 256], Err(NameFault::TooLong));
        check(&b"a/".repeat(2049), Err(NameFault::TooLong));
    }

    #[test]
    fn parents() {
        for (name, parent) in [("a/b/c", "a/b"), ("a", ""), ("", "")] {
            assert_eq!(Name::parse(name.as_bytes()).unwrap().parent(), OsStr::new(parent));
        }
    }

    proptest! {
        #[test]
        fn no_accepted_name_leaves_the_root(raw in "[./a\\x00]{0,40}") {
            if let Ok(name) = Name::parse(raw.as_bytes()) {
                prop_assert!(!name.bytes().starts_with(b"/"));
                prop_assert!(!name.bytes().contains(&0));
                let parts: Vec<_> = name.bytes().split(|byte| *byte == b'/').collect();
                prop_assert!(name.is_root() || parts.iter().all(|part| !matches!(*part, b"" | b"." | b"..")));
                // What was accepted is read again as itself.
                prop_assert_eq!(Name::parse(name.bytes()), Ok(name));
            }
        }
    }
}
