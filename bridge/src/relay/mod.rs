//! The relay: `socketd-bridge relay`, a process of its own for each further process that is not the
//! bridge's to start.
//!
//! Where a container's own daemon starts it, the daemon wraps its streams in frames on one connection. The
//! bridge passes on no bulk bytes, and what it passes to the front must be a terminal or pipes; so it hands
//! that connection to this process, which gives up every power, and stands between the two until the
//! daemon says how the process ended. Where there is no daemon, it becomes the command that does its work.
//!
//! Standard input is a socket to the bridge: one [`Task`] comes from it, with descriptors, and one
//! [`Word`] goes to it. The bridge may end meanwhile; this goes on. It knows nothing of containers,
//! names or clients.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::setsid;
use wire::container::Exit;

mod become_command;
mod confine;
pub(crate) mod frames;
pub(crate) mod limits;
mod pump;
pub(crate) mod task;

use pump::{Client, Pump};
use task::{Task, Word, Work};

use crate::shim::{now, record};
use crate::sys::{descriptors, terminal};

/// The hidden subcommand.
///
/// Exit codes: 0 when the bridge was told how it went, 1 when not even that could be done; the command's
/// own where it became one.
#[must_use]
pub fn run() -> ExitCode {
    descriptors::irrevocably_close_inherited();
    let told = io::stdin().as_fd().try_clone_to_owned().and_then(|bridge| {
        let word = serve(&bridge).unwrap_or_else(|error| Word {
            exit: unknown(),
            finished_at: now(),
            errno: error.raw_os_error().unwrap_or(nix::libc::EIO),
        });
        record::send_message(&bridge, &word)
    });
    if told.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn unknown() -> Exit {
    Exit {
        unknown: true,
        ..Exit::default()
    }
}

fn serve(bridge: &OwnedFd) -> io::Result<Word> {
    // Executed by descriptor, it would be called by that number.
    nix::sys::prctl::set_name(c"socketd-relay")?;
    let (task, mut passed) =
        record::receive_with::<Task>(bridge, limits::TASK_BYTES_MAX)?.ok_or(Errno::EPIPE)?;
    match task.work {
        Work::Become => match become_command::become_command(&task, &passed)? {},
        Work::Relay if !passed.is_empty() => {
            let daemon = passed.remove(0);
            let pump = Pump::new(daemon, client(&task, passed)?)?;
            confine::irrevocably_confine()?;
            let code = pump.run();
            Ok(Word {
                exit: code.map_or_else(unknown, |code| Exit {
                    code,
                    ..Exit::default()
                }),
                finished_at: now(),
                errno: 0,
            })
        }
        Work::Relay | Work::Unknown(_) => Err(Errno::EINVAL.into()),
    }
}

fn client(task: &Task, passed: Vec<OwnedFd>) -> io::Result<Client> {
    let mut passed = passed.into_iter();
    let mut take = |asked: bool| {
        let descriptor = if asked { passed.next() } else { None };
        if asked && descriptor.is_none() {
            return Err(Errno::EBADF);
        }
        Ok(descriptor)
    };
    if let Some(terminal) = take(task.terminal)? {
        return Ok(Client::Terminal {
            resized: take_terminal(&terminal)?,
            terminal,
            size: (task.rows, task.columns),
        });
    }
    Ok(Client::Pipes {
        output: take(task.output)?,
        error: take(task.error)?,
    })
}

/// Makes the terminal this process's own, which is told of its sizes. What comes back is where. What passes
/// through it is left as it is already: by now somebody may have typed.
fn take_terminal(terminal: &OwnedFd) -> io::Result<SignalFd> {
    // Its hang-up is seen in `poll`, and must not kill who has yet to say so.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGWINCH);
    signals.add(Signal::SIGHUP);
    signals.thread_block()?;
    setsid()?;
    terminal::take_control(terminal)?;
    let resized = SigSet::from(Signal::SIGWINCH);
    Ok(SignalFd::with_flags(
        &resized,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}

/// A door for the fuzzer, which comes from outside.
#[cfg(fuzzing)]
pub fn fuzz_frames(mut bytes: &[u8]) {
    let mut frames = frames::Frames::new();
    while !bytes.is_empty() {
        match frames.take(bytes) {
            Ok((_, used)) => bytes = bytes.get(used.max(1)..).unwrap_or_default(),
            Err(frames::Malformed) => return,
        }
    }
}
