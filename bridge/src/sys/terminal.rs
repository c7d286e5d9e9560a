//! Pseudo terminals, without the C library's detours through `/dev/pts` of the host.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the other side of this master be opened, and says its number below `/dev/pts`.
///
/// # Errors
/// `ENOTTY` when it is no master.
pub fn unlock(master: &OwnedFd) -> io::Result<u32> {
    let unlocked: libc::c_int = 0;
    // SAFETY: the descriptor is open while `master` lives; TIOCSPTLCK reads one int.
    done(unsafe {
        libc::ioctl(
            master.as_raw_fd(),
            libc::TIOCSPTLCK,
            std::ptr::from_ref(&unlocked),
        )
    })?;
    let mut number: libc::c_uint = 0;
    // SAFETY: as above; TIOCGPTN writes one unsigned int, which `number` is.
    done(unsafe {
        libc::ioctl(
            master.as_raw_fd(),
            libc::TIOCGPTN,
            std::ptr::from_mut(&mut number),
        )
    })?;
    Ok(number)
}

/// Makes a terminal the controlling one of this session, whose leader this process must be.
///
/// # Errors
/// `EPERM` when it is no leader or the terminal is another session's.
pub fn take_control(terminal: &OwnedFd) -> io::Result<()> {
    // SAFETY: the descriptor is open while `terminal` lives; TIOCSCTTY takes a number, no pointer.
    done(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })
}

/// Gives a terminal a size, and tells the processes in front of it.
///
/// # Errors
/// `ENOTTY` when it is none.
pub fn set_size(terminal: &OwnedFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is open while `terminal` lives; TIOCSWINSZ reads one winsize.
    done(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, std::ptr::from_ref(&size)) })
}

/// The size of a terminal, rows and columns.
///
/// # Errors
/// `ENOTTY` when it is none.
pub fn size(terminal: &OwnedFd) -> io::Result<(u16, u16)> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is open while `terminal` lives; TIOCGWINSZ writes one winsize, which `size` is.
    done(unsafe {
        libc::ioctl(
            terminal.as_raw_fd(),
            libc::TIOCGWINSZ,
            std::ptr::from_mut(&mut size),
        )
    })?;
    Ok((size.ws_row, size.ws_col))
}
