//! What the unpacker gives up before it reads the first byte.
//!
//! In this order: inherited descriptors, its parent's death as a way to be forgotten, resources,
//! the file system outside the image, network and IPC, privileges. Each step needs a power that a
//! later one takes away.

use std::fs;
use std::io;
use std::os::fd::{AsFd, RawFd};

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, chroot, close};
use rustix::process::setpriority_process;

use super::fault::Fault;
use super::limits::{DESCRIPTORS_MAX, MEMORY_BYTES_MAX, PROCESSOR_S_MAX, UNPACKED_BYTES_MAX};
use crate::limits::PACKING_NICE;

/// What it takes to make somebody else's files: their owners, modes, nodes and capabilities.
pub(crate) const KEPT: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_MKNOD,
    Capability::CAP_SETFCAP,
];

/// Leaves the processor to whoever answers: work that is long by nature can wait, a list cannot.
pub(crate) fn step_back() {
    // Where it cannot be had, it works beside the others.
    let _ = setpriority_process(None, PACKING_NICE);
}

/// Locks this process into its current directory, for good.
///
/// # Errors
/// The step that failed; the process must then end without reading anything.
pub(super) fn irrevocably_confine() -> Result<(), Fault> {
    close_inherited_descriptors()?;
    die_with_the_bridge()?;
    limit_resources(DESCRIPTORS_MAX)?;
    // The sets of capabilities below hash with random numbers. Before Linux 3.17 these come from
    // /dev/urandom, which is out of reach after the next line; once made, they are kept.
    drop(std::hash::RandomState::new());
    chroot(".").map_err(Fault::system("chroot into the image"))?;
    chdir("/").map_err(Fault::system("enter the image"))?;
    irrevocably_keep(KEPT)
}

/// Leaves the network and every power but these, for good.
///
/// # Errors
/// The step that failed.
pub(crate) fn irrevocably_keep(kept: &[Capability]) -> Result<(), Fault> {
    // A kernel without one of these namespaces has less to lose; the other fences stand.
    for namespace in [CloneFlags::CLONE_NEWNET, CloneFlags::CLONE_NEWIPC] {
        match unshare(namespace) {
            Ok(()) | Err(Errno::EINVAL | Errno::EPERM | Errno::ENOSPC) => {}
            Err(errno) => return Err(Fault::system("leave the network")(errno)),
        }
    }
    drop_capabilities(kept).map_err(|_| Fault::system("drop capabilities")(Errno::EPERM))?;
    set_no_new_privs().map_err(Fault::system("give up new privileges"))?;
    umask(Mode::empty());
    Ok(())
}

/// An open directory would be a way out of the image.
fn close_inherited_descriptors() -> Result<(), Fault> {
    let listed: io::Result<Vec<RawFd>> = fs::read_dir("/proc/self/fd").map(|entries| {
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    });
    let listed = listed.map_err(|error| Fault::System {
        attempt: "list open descriptors",
        errno: error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
    })?;
    for descriptor in listed.into_iter().filter(|descriptor| *descriptor > 2) {
        // The one the list itself was read through is closed already.
        let _ = close(descriptor);
    }
    Ok(())
}

/// A bridge that is gone cannot clean up after us, and the next one would clean up under us.
///
/// # Errors
/// What the system said; `EPIPE` when it is gone already.
pub(crate) fn die_with_the_bridge() -> Result<(), Fault> {
    set_pdeathsig(Signal::SIGKILL).map_err(Fault::system("die with the bridge"))?;
    // It may have died before that call. Then nobody holds the other end of our report.
    let stdout = io::stdout();
    let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    poll(&mut polled, PollTimeout::ZERO).map_err(Fault::system("look for the bridge"))?;
    match polled.first().and_then(PollFd::revents) {
        Some(events) if events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL) => {
            Err(Fault::system("look for the bridge")(Errno::EPIPE))
        }
        _ => Ok(()),
    }
}

/// Sets the limits of this process, with so many open descriptors.
///
/// # Errors
/// What the system said.
#[allow(
    clippy::useless_conversion,
    reason = "limits are 32 bits wide on 32-bit machines"
)]
pub(crate) fn limit_resources(descriptors: u64) -> Result<(), Fault> {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, descriptors),
        (Resource::RLIMIT_FSIZE, UNPACKED_BYTES_MAX),
        (Resource::RLIMIT_CPU, PROCESSOR_S_MAX),
        (Resource::RLIMIT_AS, MEMORY_BYTES_MAX),
    ];
    for (resource, most) in limits {
        let most = most.try_into().unwrap_or(nix::libc::RLIM_INFINITY);
        setrlimit(resource, most, most).map_err(Fault::system("limit resources"))?;
    }
    Ok(())
}

fn drop_capabilities(kept: &[Capability]) -> Result<(), caps::errors::CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = kept.iter().copied().filter(|kept| held.contains(kept)).collect();
    for capability in caps::read(None, CapSet::Bounding)? {
        if !kept.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    // Kernels before 4.3 have no ambient set to clear.
    if caps::runtime::ambient_set_supported().is_ok() {
        caps::clear(None, CapSet::Ambient)?;
    }
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
