//! The streams of a further process: the ends that are passed on, and the ends of who serves it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::pipe2;
use wire::exec::ExecStarted;

use crate::runtime::{ExecOrder, RuntimeError};
use crate::sys::terminal;

/// Which streams somebody has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// A terminal, and nothing else.
    pub(super) terminal: bool,
    /// Standard input.
    pub(super) input: bool,
    /// Standard output.
    pub(super) output: bool,
    /// Standard error.
    pub(super) error: bool,
}

impl Wanted {
    /// What is asked for. Where nobody reads or writes there is none, not even a terminal: whoever serves
    /// the process throws away what it writes.
    pub(super) fn of(order: ExecOrder<'_>) -> Self {
        let (spec, attached) = (order.spec, !order.detach);
        let pipes = attached && !spec.tty;
        Self {
            terminal: attached && spec.tty,
            input: pipes && spec.attach_stdin,
            output: pipes && spec.attach_stdout,
            error: pipes && spec.attach_stderr,
        }
    }
}

/// Both ends.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The master of the terminal, or the ends of pipes, in the order in which they are passed on.
    pub(super) ours: Vec<OwnedFd>,
    /// The terminal; else standard input, output and error, none where nobody has them.
    pub(super) theirs: [Option<OwnedFd>; 3],
}

impl Streams {
    /// Opens those that are wanted; a terminal has this size, where that is not zero.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn open(wanted: Wanted, size: (u16, u16)) -> Result<Self, RuntimeError> {
        let mut streams = Self::default();
        let [first, second, third] = &mut streams.theirs;
        if wanted.terminal {
            let (master, slave) = terminal_pair(size)?;
            *first = Some(slave);
            streams.ours.push(master);
            return Ok(streams);
        }
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::system("make a pipe"));
        if wanted.input {
            let (reading, writing) = pipe()?;
            *first = Some(reading);
            streams.ours.push(writing);
        }
        for (slot, wanted) in [(second, wanted.output), (third, wanted.error)] {
            if wanted {
                let (reading, writing) = pipe()?;
                *slot = Some(writing);
                streams.ours.push(reading);
            }
        }
        Ok(streams)
    }
}

/// What is answered about streams like these.
pub(super) fn started(pid: u32, wanted: Wanted) -> ExecStarted {
    ExecStarted {
        pid,
        terminal: wanted.terminal,
        input: wanted.input,
        output: wanted.output,
        error: wanted.error,
    }
}

/// The null device, for a stream that nobody has.
///
/// # Errors
/// What the kernel said.
pub(super) fn null() -> Result<OwnedFd, RuntimeError> {
    let file = File::options().read(true).write(true).open("/dev/null");
    file.map(OwnedFd::from)
        .map_err(RuntimeError::system("open /dev/null"))
}

/// Lets everything pass through a terminal as it is, for a relay: the other end of the daemon's connection
/// is a terminal that does the rest. To be called before anybody can type.
///
/// # Errors
/// What the kernel said.
pub(super) fn make_raw(terminal: &OwnedFd) -> Result<(), RuntimeError> {
    let mut settings = tcgetattr(terminal).map_err(RuntimeError::system("look at a terminal"))?;
    cfmakeraw(&mut settings);
    tcsetattr(terminal, SetArg::TCSANOW, &settings).map_err(RuntimeError::system("set up a terminal"))
}

/// A terminal of the host's: its master, and the side for who serves the process.
fn terminal_pair(size: (u16, u16)) -> Result<(OwnedFd, OwnedFd), RuntimeError> {
    let open = |path: &str| {
        let mut options = File::options();
        options.read(true).write(true).custom_flags(libc::O_NOCTTY);
        options.open(path).map(OwnedFd::from)
    };
    let master = open("/dev/ptmx").map_err(RuntimeError::system("open a terminal"))?;
    let number = terminal::unlock(&master).map_err(RuntimeError::system("unlock a terminal"))?;
    let slave = open(&format!("/dev/pts/{number}")).map_err(RuntimeError::system("open a terminal"))?;
    if size != (0, 0) {
        terminal::set_size(&slave, size.0, size.1).map_err(RuntimeError::system("size a terminal"))?;
    }
    Ok((master, slave))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ExecSpec;

    #[test]
    fn wanted() {
        fn check(tty: bool, detach: bool, attach: [bool; 3], expected: &str) {
            let [attach_stdin, attach_stdout, attach_stderr] = attach;
            let spec = ExecSpec {
                tty,
                attach_stdin,
                attach_stdout,
                attach_stderr,
                ..ExecSpec::default()
            };
            let order = ExecOrder {
                id: "",
                spec: &spec,
                detach,
            };
            let wanted = Wanted::of(order);
            let marks = [
                (wanted.terminal, 't'),
                (wanted.input, 'i'),
                (wanted.output, 'o'),
                (wanted.error, 'e'),
            ];
            let found: String = marks
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, mark)| mark)
                .collect();
            assert_eq!(found, expected);
            let streams = Streams::open(wanted, (0, 0)).expect("they open");
            assert_eq!(streams.ours.len(), expected.len());
        }
        check(false, false, [true, true, true], "ioe");
        check(false, false, [false, true, false], "o");
        check(false, false, [false, false, false], "");
        check(false, true, [true, true, true], "");
        check(true, false, [true, true, true], "t");
        check(true, false, [false, false, false], "t");
        check(true, true, [true, true, true], "");
    }
}
