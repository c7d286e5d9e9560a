//! Who this process becomes, and what is made ready for that one while there is power.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::Path;
use std::str::FromStr;

use nix::unistd::{Gid, Uid, getegid, geteuid};

use super::SandboxError;
use crate::config::Group;

/// The number used when nothing else is asked for.
const DEFAULT_ID: u32 = 60_750;

/// Who to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            uid: Uid::from_raw(DEFAULT_ID),
            gid: Gid::from_raw(DEFAULT_ID),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// Why a `--user` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityError {
    /// Not `UID` or `UID:GID` in numbers.
    Number,
    /// Root, or the number that stands for nobody at all.
    Reserved,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "it must be UID or UID:GID, both numbers",
            Self::Reserved => "neither user nor group may be 0 or 4294967295",
        })
    }
}

impl std::error::Error for IdentityError {}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let number = |part: &str| part.parse::<u32>().map_err(|_| IdentityError::Number);
        let (uid, gid) = (number(uid)?, number(gid)?);
        if [uid, gid].iter().any(|id| matches!(*id, 0 | u32::MAX)) {
            return Err(IdentityError::Reserved);
        }
        Ok(Self {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
        })
    }
}

impl Identity {
    /// The user.
    #[must_use]
    pub fn uid(self) -> Uid {
        self.uid
    }

    /// The group.
    #[must_use]
    pub fn gid(self) -> Gid {
        self.gid
    }

    /// The group this process will have: this one's as root, else the one it has.
    #[must_use]
    pub fn group_to_be(self) -> Gid {
        if geteuid().is_root() { self.gid } else { getegid() }
    }
}

/// The number of a socket group.
///
/// # Errors
/// [`SandboxError::NoSuchGroup`], [`SandboxError::Groups`].
pub fn find_group(group: &Group) -> Result<Gid, SandboxError> {
    let name = match group {
        Group::Number(number) => return Ok(Gid::from_raw(*number)),
        Group::Name(name) => name,
    };
    // Read here rather than through NSS, which would load code and may ask the network.
    let text = fs::read_to_string("/etc/group").map_err(SandboxError::Groups)?;
    group_in(&text, name).ok_or_else(|| SandboxError::NoSuchGroup(name.clone()))
}

fn group_in(text: &str, name: &str) -> Option<Gid> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
            .map(Gid::from_raw)
    })
}

/// Makes the directory a socket will lie in, owned by who this process will be. One that is there
/// already is left as it is: it may be somebody else's.
///
/// # Errors
/// [`SandboxError::Directory`].
pub fn prepare_directory(socket: &Path, identity: Identity) -> Result<(), SandboxError> {
    let Some(dir) = socket.parent() else {
        return Ok(());
    };
    let failed = |error| SandboxError::Directory(dir.to_owned(), error);
    if let Some(above) = dir.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)
            .map_err(failed)?;
    }
    // Making it and finding it there are told apart in one step, so only our own changes hands.
    match fs::DirBuilder::new().mode(0o755).create(dir) {
        Ok(()) if geteuid().is_root() => {
            lchown(dir, Some(identity.uid.as_raw()), Some(identity.gid.as_raw())).map_err(failed)
        }
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, IdentityError>) {
        let got = text.parse::<Identity>().map(|identity| identity.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn identities() {
        check("60750", Ok("60750:60750"));
        check("1000:50", Ok("1000:50"));
        check("0", Err(IdentityError::Reserved));
        check("5:0", Err(IdentityError::Reserved));
        check("4294967295", Err(IdentityError::Reserved));
        check("docker", Err(IdentityError::Number));
        check("", Err(IdentityError::Number));
        check("1:2:3", Err(IdentityError::Number));
    }

    #[test]
    fn groups_are_found_by_whole_name() {
        let text = "root:x:0:\nbroken\ndocker2:x:7:\ndocker:x:42:me\n";
        assert_eq!(group_in(text, "docker"), Some(Gid::from_raw(42)));
        assert_eq!(group_in(text, "dock"), None);
        assert_eq!(group_in(text, "broken"), None);
    }
}
