//! A child process in namespaces of its own.

use std::fs;
use std::io;

use nix::libc;
use nix::sched::CloneFlags;
use nix::unistd::Pid;

/// That this process has one thread. It stays so: only that thread could start another.
#[derive(Debug, Clone, Copy)]
pub struct Alone(());

impl Alone {
    /// Looks, in the `/proc` that is in reach; which must be one that tells the truth about this process.
    ///
    /// # Errors
    /// `EBUSY` in a process with more than one thread, where a copy of the memory could hold locks that
    /// nobody will ever release.
    pub fn check() -> io::Result<Self> {
        if fs::read_dir("/proc/self/task")?.count() == 1 {
            Ok(Self(()))
        } else {
            Err(io::Error::from_raw_os_error(libc::EBUSY))
        }
    }
}

/// Forks this process into new namespaces and runs `child` in the copy, which then ends.
///
/// `clone` is called directly because `fork` takes no namespaces and `clone3` is younger than the
/// kernels we support. Returns the child's process id, as this process numbers it.
///
/// # Errors
/// What the kernel said; as [`Alone::check`].
pub fn fork_into(namespaces: CloneFlags, child: impl FnOnce() -> u8) -> io::Result<Pid> {
    fork_alone(Alone::check()?, namespaces, child)
}

/// As [`fork_into`], for one who has looked before: in a container, `/proc` is not ours to believe.
///
/// # Errors
/// What the kernel said.
pub fn fork_alone(_: Alone, namespaces: CloneFlags, child: impl FnOnce() -> u8) -> io::Result<Pid> {
    let flags = libc::c_long::from(namespaces.bits() | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM and with no stack given, clone copies the address space as fork does,
    // so both sides go on with memory of their own. This process has one thread (`Alone` says so), so
    // no lock of the allocator or of the C library is held by a thread that the copy does not have.
    // The pointer arguments are null, and no flag (CLONE_SETTLS, CLONE_*_SETTID) that would read
    // them is set: `namespaces` is of a type that has none of these but by bits out of CloneFlags,
    // which the callers in this crate do not make.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = child();
            // The copy must not run destructors or exit handlers of the original.
            // SAFETY: _exit takes any number and does not return.
            unsafe { libc::_exit(code.into()) }
        }
        pid => i32::try_from(pid)
            .map(Pid::from_raw)
            .map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW)),
    }
}

/// Gives every signal its default action back and blocks none, for a program about to be executed:
/// both are inherited, and Rust's runtime ignores `SIGPIPE`, which no program expects.
pub fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no handler, so no code of ours can run at a bad moment. Numbers
        // that cannot be set (SIGKILL, SIGSTOP, those of the C library) answer EINVAL.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // Blocking none is always possible.
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
}

/// A child that ended and has been reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which one.
    pub pid: Pid,
    /// Its exit code, or 128 and the signal that killed it.
    pub code: u8,
    /// That signal.
    pub signal: Option<i32>,
}

/// Reaps one child that has ended; none when there is none yet, or no child at all.
///
/// (nix's `waitpid` reaps and then fails where a real-time signal was the cause, and the code is lost.)
#[must_use]
pub fn reap() -> Option<Ended> {
    let mut status: libc::c_int = 0;
    loop {
        // SAFETY: waitpid writes one int to the address given, which is that of `status`.
        let pid = unsafe { libc::waitpid(-1, std::ptr::from_mut(&mut status), libc::WNOHANG) };
        if pid > 0 {
            let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
            let code = signal.map_or_else(|| libc::WEXITSTATUS(status), |signal| 128 + signal);
            return Some(Ended {
                pid: Pid::from_raw(pid),
                code: u8::try_from(code).unwrap_or(u8::MAX),
                signal,
            });
        }
        if pid == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}
