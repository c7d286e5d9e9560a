//! No network, where nobody is listened to over one; and what Android asks of who makes sockets.

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{Gid, geteuid, setgroups};

use super::SandboxError;

/// Android's group `inet`: kernels with its `PARANOID_NETWORK` let nobody else make internet sockets.
pub const INET: Gid = Gid::from_raw(3003);

/// As root, moves this process to a network of its own in which there is nothing, not even a loopback
/// address that is up. Sockets in the file system stay where they are; abstract ones are left behind.
/// An ordinary user cannot, and has the filter of system calls alone.
///
/// # Errors
/// [`SandboxError::Call`].
pub fn irrevocably_leave_network() -> Result<(), SandboxError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => Ok(()),
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::ENOSPC | Errno::EPERM) => {
            tracing::warn!(
                "the kernel gives out no networks: socketd stays in the machine's, without sockets in it"
            );
            Ok(())
        }
        Err(errno) => Err(SandboxError::Call("unshare", errno)),
    }
}

/// Whether the kernel lets only some groups make internet sockets. Asked of the kernel itself, for a system
/// on Android need not look like one: root without the capability that stands for the group is refused.
///
/// # Errors
/// [`SandboxError::Call`], [`SandboxError::Capabilities`].
pub fn sockets_need_a_group() -> Result<bool, SandboxError> {
    if !geteuid().is_root() {
        return Ok(false);
    }
    let held = caps::read(None, CapSet::Effective)?;
    setgroups(&[]).map_err(|errno| SandboxError::Call("setgroups", errno))?;
    let mut lowered = held.clone();
    for stands_for_it in [Capability::CAP_NET_RAW, Capability::CAP_NET_ADMIN] {
        lowered.remove(&stands_for_it);
    }
    caps::set(None, CapSet::Effective, &lowered)?;
    let asked = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    caps::set(None, CapSet::Effective, &held)?;
    Ok(matches!(asked, Err(Errno::EACCES | Errno::EPERM)))
}
