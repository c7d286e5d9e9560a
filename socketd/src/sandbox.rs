//! Giving up power: user, groups, capabilities, and the way back to any of them.
//!
//! Called once, before the first thread and before the first socket. Afterwards nothing that a
//! client or the bridge sends meets a process that could do more than talk to the two sockets.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use caps::{CapSet, CapsHashSet};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, getegid, geteuid, getresgid, getresuid, setgroups, setresgid, setresuid};

use crate::config::Group;

/// The number used when nothing else is asked for.
const DEFAULT_ID: u32 = 60_750;

/// Who to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    uid: Uid,
    gid: Gid,
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
    /// The group this process will have: this one's as root, else the one it has.
    #[must_use]
    pub fn group_to_be(self) -> Gid {
        if geteuid().is_root() { self.gid } else { getegid() }
    }
}

/// At which step power could not be given up.
#[derive(Debug)]
pub enum SandboxError {
    /// The directory for a socket cannot be made.
    Directory(PathBuf, io::Error),
    /// The socket group is not in `/etc/group`.
    NoSuchGroup(String),
    /// `/etc/group` cannot be read.
    Groups(io::Error),
    /// A system call failed.
    Call(&'static str, Errno),
    /// A set of capabilities cannot be changed or read.
    Capabilities(caps::errors::CapsError),
    /// Everything succeeded, and yet this is left.
    StillThere(&'static str),
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, error) => write!(f, "cannot make {}: {error}", path.display()),
            Self::NoSuchGroup(name) => write!(f, "/etc/group has no group {name}"),
            Self::Groups(error) => write!(f, "cannot read /etc/group: {error}"),
            Self::Call(name, errno) => write!(f, "{name} failed: {errno}"),
            Self::Capabilities(error) => write!(f, "capabilities: {error}"),
            Self::StillThere(what) => write!(f, "{what} could not be given up"),
        }
    }
}

impl std::error::Error for SandboxError {}

impl From<caps::errors::CapsError> for SandboxError {
    fn from(error: caps::errors::CapsError) -> Self {
        Self::Capabilities(error)
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

/// Gives up everything, for good: as root, becomes `identity` with no group but `socket_group`;
/// as anybody, empties every set of capabilities, forbids gaining any by executing files, and
/// hides its memory from others of the same user. Then makes sure that it worked.
///
/// # Errors
/// The first step that fails. The process must not go on then.
pub fn irrevocably_drop_power(identity: Identity, socket_group: Option<Gid>) -> Result<(), SandboxError> {
    let root = geteuid().is_root();
    if root {
        let groups: Vec<Gid> = socket_group.into_iter().collect();
        empty_bounding_set(&groups)?;
        setresgid(identity.gid, identity.gid, identity.gid)
            .map_err(|errno| SandboxError::Call("setresgid", errno))?;
        setresuid(identity.uid, identity.uid, identity.uid)
            .map_err(|errno| SandboxError::Call("setresuid", errno))?;
    }
    empty_sets()?;
    verify(root.then_some(identity))
}

/// As root: gives up everything but the user and the group, for good. Capabilities are given up as above,
/// the bounding set with them, and every further group.
///
/// # Errors
/// The first step that fails. The process must not go on then.
pub fn irrevocably_keep_user_alone() -> Result<(), SandboxError> {
    empty_bounding_set(&[])?;
    empty_sets()?;
    verify_sets()?;
    verify_bounding_set()
}

/// What only root may do, and must do first: lowering the bounding set takes a capability that goes next.
fn empty_bounding_set(groups: &[Gid]) -> Result<(), SandboxError> {
    for capability in caps::runtime::thread_all_supported() {
        caps::drop(None, CapSet::Bounding, capability)?;
    }
    setgroups(groups).map_err(|errno| SandboxError::Call("setgroups", errno))
}

fn empty_sets() -> Result<(), SandboxError> {
    if caps::runtime::ambient_set_supported().is_ok() {
        caps::clear(None, CapSet::Ambient)?;
    }
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &CapsHashSet::new())?;
    }
    prctl::set_no_new_privs().map_err(|errno| SandboxError::Call("PR_SET_NO_NEW_PRIVS", errno))?;
    prctl::set_dumpable(false).map_err(|errno| SandboxError::Call("PR_SET_DUMPABLE", errno))
}

fn verify_sets() -> Result<(), SandboxError> {
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        if !caps::read(None, set)?.is_empty() {
            return Err(SandboxError::StillThere("a capability"));
        }
    }
    Ok(())
}

fn verify_bounding_set() -> Result<(), SandboxError> {
    if caps::read(None, CapSet::Bounding)?.is_empty() {
        Ok(())
    } else {
        Err(SandboxError::StillThere("a capability of the bounding set"))
    }
}

/// Reads back what the kernel says, and tries the way back to root, which must be closed.
fn verify(became: Option<Identity>) -> Result<(), SandboxError> {
    verify_sets()?;
    let Some(identity) = became else {
        return Ok(());
    };
    verify_bounding_set()?;
    let user = getresuid().map_err(|errno| SandboxError::Call("getresuid", errno))?;
    let group = getresgid().map_err(|errno| SandboxError::Call("getresgid", errno))?;
    if [user.real, user.effective, user.saved] != [identity.uid; 3] {
        return Err(SandboxError::StillThere("the user root"));
    }
    if [group.real, group.effective, group.saved] != [identity.gid; 3] {
        return Err(SandboxError::StillThere("the group root"));
    }
    let root = Uid::from_raw(0);
    if setresuid(root, root, root).is_ok() {
        return Err(SandboxError::StillThere("the way back to root"));
    }
    Ok(())
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
