//! Becoming a command that keeps the bridge's power: one that does without the daemon what the daemon
//! would do.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, setsid};

use super::task::Task;
use crate::sys::{process, terminal};

/// Becomes it, with these streams, in a session of its own.
///
/// # Errors
/// Why not.
pub(super) fn become_command(task: &Task, streams: &[OwnedFd]) -> Result<Infallible, Errno> {
    let texts = |texts: &[String]| -> Result<Vec<CString>, Errno> {
        let made = texts.iter().map(|text| CString::new(text.as_str()));
        made.collect::<Result<_, _>>().map_err(|_| Errno::EINVAL)
    };
    let program = CString::new(task.program.as_str()).map_err(|_| Errno::EINVAL)?;
    let (arguments, env) = (texts(&task.arguments)?, texts(&task.env)?);
    // Started as the leader of nothing, so it can become one.
    setsid()?;
    match streams {
        [terminal] if task.terminal => {
            terminal::take_control(terminal).map_err(|_| Errno::ENOTTY)?;
            take_streams(terminal, terminal, terminal)?;
        }
        [input, output, error] => take_streams(input, output, error)?,
        _ => return Err(Errno::EBADF),
    }
    chdir("/")?;
    umask(Mode::from_bits_truncate(0o022));
    process::default_signals();
    execve(&program, &arguments, &env)
}

fn take_streams(input: &OwnedFd, output: &OwnedFd, error: &OwnedFd) -> Result<(), Errno> {
    dup2_stdin(input)?;
    dup2_stdout(output)?;
    dup2_stderr(error)
}
