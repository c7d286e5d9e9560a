//! A signal that cannot reach the wrong process.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// When a process started, in clock ticks since the machine did: field 22 of its `stat`. Together
/// with its id it names a process for as long as the machine runs.
///
/// # Errors
/// `ESRCH` when there is none, or it is a zombie; else what reading `/proc` said.
pub fn start_ticks(pid: u32) -> io::Result<u64> {
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    let stat = match fs::read(format!("/proc/{pid}/stat")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone()),
        other => other?,
    };
    // The second field is a name in parentheses that may hold anything, so count from its end.
    let end = stat.iter().rposition(|&byte| byte == b')').ok_or_else(gone)?;
    let rest = stat.get(end + 1..).unwrap_or_default();
    let text = std::str::from_utf8(rest).map_err(|_| gone())?;
    let mut fields = text.split_ascii_whitespace();
    if matches!(fields.next(), None | Some("Z" | "X")) {
        return Err(gone());
    }
    // State was field 3; nth(18) of what follows is field 22.
    fields
        .nth(18)
        .and_then(|ticks| ticks.parse().ok())
        .ok_or_else(gone)
}

/// Sends a signal to the process that has this id and started then; 0 only asks whether it is there.
///
/// On a kernel without pidfd (before 5.3) the check comes just before the signal. The window between
/// them is that of every `kill` ever written: the id would have to be freed and used again within it.
///
/// # Errors
/// `ESRCH` when that process is gone; else what the kernel said.
pub fn signal(pid: u32, started_ticks: u64, signal: i32) -> io::Result<()> {
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    let raw = i32::try_from(pid).ok().filter(|&raw| raw > 0).ok_or_else(gone)?;
    let handle = open_raw(raw);
    if start_ticks(pid)? != started_ticks {
        return Err(gone());
    }
    let sent = match handle {
        Ok(handle) => send(&handle, signal),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Err(gone()),
        Err(_) => Err(io::Error::from_raw_os_error(libc::ENOSYS)),
    };
    match sent {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => kill(raw, signal),
        other => other,
    }
}

/// Waits until the process that has this id and started then is gone, at most so long.
pub fn await_end(pid: u32, started_ticks: u64, longest: Duration) {
    const NAP: Duration = Duration::from_millis(1);
    let deadline = Instant::now() + longest;
    let handle = i32::try_from(pid).ok().and_then(|raw| open_raw(raw).ok());
    while start_ticks(pid).is_ok_and(|ticks| ticks == started_ticks) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match &handle {
            Some(handle) => {
                let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                let _ = poll(&mut [PollFd::new(handle.as_fd(), PollFlags::POLLIN)], timeout);
            }
            // Before 5.3 nothing tells of the end of a process that is not one's child.
            None => std::thread::sleep(NAP),
        }
    }
}

/// A descriptor that becomes readable when this process ends.
///
/// # Errors
/// `ESRCH` when there is none; `ENOSYS` before 5.3.
pub fn open(pid: u32) -> io::Result<OwnedFd> {
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    open_raw(i32::try_from(pid).map_err(|_| gone())?)
}

fn open_raw(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn send(handle: &OwnedFd, signal: i32) -> io::Result<()> {
    let no_info: libc::c_long = 0;
    // SAFETY: the descriptor is open while `handle` lives; a null siginfo makes the kernel fill in
    // what kill would, so no memory of ours is read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            libc::c_long::from(handle.as_raw_fd()),
            libc::c_long::from(signal),
            no_info,
            no_info,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two numbers and touches no memory of ours; the id is that of one process,
    // never zero or negative, which would mean a group. (nix's kill knows no real-time signals.)
    let result = unsafe { libc::kill(pid, signal) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
