//! The variables that came with the process.

use std::env;
use std::fs;
use std::io;

use nix::libc;

/// Removes every variable but these, for this process and all that it starts. (The block that the kernel
/// copied in at the start, which `/proc/PID/environ` shows to root, stays what it was.)
///
/// # Errors
/// `EBUSY` in a process with more than one thread: another could be reading them.
pub(crate) fn irrevocably_forget_but(kept: &[&str]) -> io::Result<()> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    let others: Vec<_> = env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| !kept.iter().any(|kept| name == kept))
        .collect();
    for name in others {
        // SAFETY: no other thread can read or change the environment meanwhile, for there is none
        // (checked above), and this one starts none before it returns.
        unsafe { env::remove_var(name) };
    }
    Ok(())
}
