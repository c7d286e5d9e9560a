//! How much of the machine this process may use.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::fs::FileType;

use super::SandboxError;
use crate::limits::{DESCRIPTORS_MAX, MEMORY_BYTES_MAX, THREADS_MAX};

/// Asks for as many descriptors as are needed, within what the system allows this process, and lets
/// itself have no more. Where that is fewer, the listeners wait for connections to end.
pub fn raise_descriptors() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| {
        let wanted = DESCRIPTORS_MAX.min(hard);
        setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted)
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open descriptors stays as it is");
    }
}

/// Takes from this process what it has no use for: files, memory dumps, processes. `own_user` says whether
/// its user has no other processes, which would be counted with it.
///
/// # Errors
/// [`SandboxError::Call`].
pub fn limit(own_user: bool) -> Result<(), SandboxError> {
    lower(Resource::RLIMIT_CORE, 0)?;
    lower(Resource::RLIMIT_MEMLOCK, 0)?;
    lower(Resource::RLIMIT_MSGQUEUE, 0)?;
    lower(Resource::RLIMIT_DATA, MEMORY_BYTES_MAX)?;
    if !logs_to_a_file() {
        lower(Resource::RLIMIT_FSIZE, 0)?;
    }
    if own_user {
        lower(Resource::RLIMIT_NPROC, THREADS_MAX)?;
    }
    Ok(())
}

/// The log is the one file that this process may write to, if it is one.
fn logs_to_a_file() -> bool {
    let regular = |found: rustix::fs::Stat| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    rustix::fs::fstat(rustix::stdio::stderr()).is_ok_and(regular)
        || rustix::fs::fstat(rustix::stdio::stdout()).is_ok_and(regular)
}

/// Never more than it was.
#[allow(
    clippy::useless_conversion,
    reason = "limits are 32 bits wide on 32-bit machines"
)]
fn lower(resource: Resource, most: u64) -> Result<(), SandboxError> {
    let failed = |errno: Errno| SandboxError::Call("setrlimit", errno);
    let (_, hard) = getrlimit(resource).map_err(failed)?;
    let most = most.try_into().unwrap_or(hard).min(hard);
    setrlimit(resource, most, most).map_err(failed)
}
