//! What whoever started the bridge left to it.

use std::fs::File;
use std::io;

use nix::sys::prctl;
use nix::unistd::dup2_stdin;

use crate::sys::{descriptors, environment};

/// Variables that mean something to this program, or to those it is started by. All others may steer a
/// library, or hold somebody's secret.
const VARIABLES: &[&str] = &[
    "SOCKETD_LOG",
    "RUST_BACKTRACE",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

/// Closes every descriptor above standard error, forgets the environment but for those, reads nothing, and
/// lets nobody of the same user look into its memory, not even when it crashes: no dump is written.
///
/// (Nothing is lowered for that, so the limits of containers are those that the bridge was started with.
/// Ctrl-C comes as a signal, whatever standard input is.)
///
/// To be called first thing in `main`, before anything is opened and before the first thread. Answers whether
/// the environment is forgotten: it stays where a thread of somebody else's could be reading it, as an emulator
/// of programs has one.
///
/// # Errors
/// What the system said.
pub fn irrevocably_begin_afresh() -> io::Result<bool> {
    descriptors::irrevocably_close_inherited();
    let forgotten = match environment::irrevocably_forget_but(VARIABLES) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => false,
        outcome => outcome.map(|()| true)?,
    };
    dup2_stdin(File::open("/dev/null")?)?;
    prctl::set_dumpable(false)?;
    Ok(forgotten)
}
