//! System call filters.

use std::io;
use std::sync::OnceLock;

use nix::libc;
use seccompiler::BpfProgram;

/// Puts a filter on this thread and on all it will ever become, irrevocably.
///
/// Through `prctl`, not through `seccomp`, which is younger (3.17) and offers nothing needed here.
/// The thread must have given up new privileges before, or hold `CAP_SYS_ADMIN`.
///
/// # Errors
/// `EINVAL` on a kernel built without filters; `E2BIG` for a program the kernel could not hold.
pub fn irrevocably_filter(program: &BpfProgram) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: the kernel copies `len` instructions from `filter` before it returns and writes
    // nothing; the slice lives until then. seccompiler's sock_filter and libc's are both #[repr(C)]
    // with the kernel's four fields, hence the cast. Passing the structure's address where prctl
    // expects a word is its documented use.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            std::ptr::from_ref(&program),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether the kernel knows filters at all. Asks once, with a null program: a kernel that has them
/// answers `EFAULT` (it tried to read it), one that has not `EINVAL`.
#[must_use]
pub fn is_known() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(ask)
}

fn ask() -> bool {
    // SAFETY: a null program cannot be read, so nothing is installed and no memory is touched.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            std::ptr::null::<libc::sock_fprog>(),
        )
    };
    result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

/// Whether a filter can end the whole process (4.14 and later).
#[must_use]
pub fn can_end_processes() -> bool {
    let action = libc::SECCOMP_RET_KILL_PROCESS;
    let no_flags: libc::c_long = 0;
    // SAFETY: SECCOMP_GET_ACTION_AVAIL reads one 32-bit word at the address given, which is that of
    // `action`, and changes nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::c_long::from(libc::SECCOMP_GET_ACTION_AVAIL),
            no_flags,
            std::ptr::from_ref(&action),
        )
    };
    result == 0
}
