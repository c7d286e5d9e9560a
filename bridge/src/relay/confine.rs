//! What a relay gives up before it reads the daemon's first byte.

use std::collections::BTreeMap;
use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::limits::{DESCRIPTORS_MAX, MEMORY_BYTES_MAX};
use crate::sys::filter;
use crate::unpack::confine;

/// Calls that move bytes between open descriptors, wait, keep memory, and end. None opens, makes or
/// changes anything that has a name.
const CALLS: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_sendto,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_restart_syscall,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Asks for the size of a terminal. (Its type differs between C libraries, its number does not.)
const TIOCGWINSZ: u64 = 0x5413;

/// Gives up every power and nearly every system call, for good.
///
/// # Errors
/// The step that failed; the process must then end.
#[allow(
    clippy::useless_conversion,
    reason = "limits are 32 bits wide on 32-bit machines"
)]
pub(super) fn irrevocably_confine() -> io::Result<()> {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS_MAX),
        (Resource::RLIMIT_AS, MEMORY_BYTES_MAX),
    ];
    for (resource, most) in limits {
        let most = most.try_into().unwrap_or(libc::RLIM_INFINITY);
        setrlimit(resource, most, most)?;
    }
    let program = program().map_err(|error| io::Error::other(error.to_string()))?;
    confine::irrevocably_keep(&[]).map_err(|fault| fault.system_errno().unwrap_or(Errno::EPERM))?;
    match filter::irrevocably_filter(&program) {
        // A kernel without filters has all else of this.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) && !filter::is_known() => Ok(()),
        other => other,
    }
}

fn program() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|&call| (call, Vec::new())).collect();
    let second_is = |value: u64| {
        let same = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
        Ok::<_, BackendError>(vec![SeccompRule::new(vec![same])?])
    };
    // To ask for the size of the terminal, and nothing else of it.
    rules.insert(libc::SYS_ioctl, second_is(TIOCGWINSZ)?);
    // To ask whether a descriptor is open, as the standard library does before it closes one.
    rules.insert(
        libc::SYS_fcntl,
        second_is(u64::from(libc::F_GETFD.unsigned_abs()))?,
    );
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}
