//! The capabilities of the bridge itself, and what whoever it starts can be given.
//!
//! A program that root executes has all of the bounding set again. So the daemon's own sets hold what its
//! own work takes, and the bounding set what containers may ever be given.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;

/// What the bridge's own work takes, for as long as it runs.
const KEPT: &[Capability] = &[
    // Its sockets belong to the front's group, what it unpacked to whom an image says.
    Capability::CAP_CHOWN,
    // Logs, layers and control groups are looked at and removed whoever owns them.
    Capability::CAP_DAC_OVERRIDE,
    // Of the same, modes are changed, and entries of sticky directories removed.
    Capability::CAP_FOWNER,
    // Processes of containers run as any user.
    Capability::CAP_KILL,
    // `/proc/PID/ns`, `root` and `exe` of processes that have powers which it has not.
    Capability::CAP_SYS_PTRACE,
    // Descriptors are passed on and pipes made however many a container's root has under way: the kernel
    // counts them together, for they are the same user.
    Capability::CAP_SYS_RESOURCE,
];

/// What a helper or a shim needs to do its work, whatever the container is given: the least that the bounding
/// set can hold.
const OF_HELPERS: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_KILL,
    Capability::CAP_MKNOD,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_SYS_RESOURCE,
];

/// Takes every capability out of the bounding set that neither a helper needs nor a container may be given.
/// Children of this thread, and of the threads that it makes from now on, never have them.
///
/// # Errors
/// What the kernel said.
pub fn irrevocably_bound_children(may_be_given: &CapsHashSet) -> Result<(), CapsError> {
    for capability in caps::read(None, CapSet::Bounding)? {
        if !OF_HELPERS.contains(&capability) && !may_be_given.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    Ok(())
}

/// Gives up all that the bridge's own work does not take, in this thread and those that it makes from now
/// on. To be called when everything that is mounted is mounted.
///
/// Where whoever started the bridge has forbidden new powers (`no_new_privs`), a program that it starts
/// would have no more than it: then it keeps them, and the log says so.
///
/// # Errors
/// What the kernel said.
pub fn irrevocably_keep_own() -> Result<(), CapsError> {
    if prctl::get_no_new_privs().unwrap_or(false) {
        tracing::warn!(
            "started with no_new_privs: the bridge keeps all powers, or containers could have none"
        );
        return Ok(());
    }
    if caps::runtime::ambient_set_supported().is_ok() {
        caps::clear(None, CapSet::Ambient)?;
    }
    caps::clear(None, CapSet::Inheritable)?;
    let held = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = KEPT.iter().copied().filter(|kept| held.contains(kept)).collect();
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
