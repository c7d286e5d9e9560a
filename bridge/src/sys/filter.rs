//! System call filters.

use std::io;

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

/// Whether the kernel knows filters at all. Asks with a null program: a kernel that has them
/// answers `EFAULT` (it tried to read it), one that has not `EINVAL`.
#[must_use]
pub fn is_known() -> bool {
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
