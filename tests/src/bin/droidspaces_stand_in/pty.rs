//! Terminals.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::unistd::setsid;

use crate::Failure;
use crate::place::Place;

/// Both ends of a terminal. No child gets them by accident.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) master: File,
    pub(crate) slave: File,
}

/// Makes a terminal of so many rows and columns.
pub(crate) fn open(size: Option<(u16, u16)>) -> Result<Ends, Failure> {
    let size = size.map(|(ws_row, ws_col)| Winsize {
        ws_row,
        ws_col,
        ws_xpixel: 0,
        ws_ypixel: 0,
    });
    let ends = openpty(size.as_ref(), None)?;
    for end in [&ends.master, &ends.slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    Ok(Ends {
        master: ends.master.into(),
        slave: ends.slave.into(),
    })
}

/// Becomes a call of this program in a session of its own, whose terminal is the standard input.
pub(crate) fn become_session(place: &Place, words: &[String]) -> Result<u8, Failure> {
    setsid()?;
    rustix::process::ioctl_tiocsctty(io::stdin())?;
    Err(Command::new(place.program()).args(words).exec().into())
}
