//! User, groups and capabilities, and the way back to any of them.

use caps::{CapSet, CapsHashSet};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, geteuid, getresgid, getresuid, setgroups, setresgid, setresuid};

use super::{Identity, SandboxError};

/// Gives up everything, for good: as root, becomes `identity` with no further group but these;
/// as anybody, empties every set of capabilities, forbids gaining any by executing files, and
/// hides its memory from others of the same user. Then makes sure that it worked.
///
/// # Errors
/// The first step that fails. The process must not go on then.
pub fn irrevocably_drop_power(identity: Identity, groups: &[Gid]) -> Result<(), SandboxError> {
    let root = geteuid().is_root();
    if root {
        empty_bounding_set(groups)?;
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
