//! Further processes, and what is heard of them.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use bridge::runtime::droidspaces::execs::{ExecOptions, Execs};
use bridge::runtime::{Change, ExecOrder, ExecRun, RuntimeError};
use wire::container::Exit;
use wire::{ContainerId, ExecSpec};

/// Nothing here takes longer unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const CONTAINER: ContainerId = ContainerId([7; 32]);

pub(crate) struct Scene {
    pub(crate) execs: Execs,
    changes: Receiver<Change>,
}

impl Scene {
    /// With a daemon of this name, and a command that does not exist.
    pub(crate) fn new(daemon: &str) -> Self {
        Self::with(daemon, PathBuf::from("/nowhere/command"))
    }

    pub(crate) fn with(daemon: &str, command: PathBuf) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the daemon is root's: run with sudo"
        );
        let (told, changes) = mpsc::channel();
        let options = ExecOptions {
            program: PathBuf::from(env!("CARGO_BIN_EXE_socketd-bridge")),
            command,
            daemon: daemon.to_owned(),
        };
        Self {
            execs: Execs::new(&options, told).unwrap(),
            changes,
        }
    }

    pub(crate) fn try_start(&self, id: &str, spec: &ExecSpec, detach: bool) -> Result<ExecRun, RuntimeError> {
        let order = ExecOrder { id, spec, detach };
        self.execs.start("a box", order, CONTAINER)
    }

    pub(crate) fn start(&self, id: &str, spec: &ExecSpec) -> ExecRun {
        self.try_start(id, spec, false).unwrap()
    }

    /// How the next one ended that does.
    pub(crate) fn ended(&self) -> (String, Exit) {
        match self.changes.recv_timeout(DEADLINE).expect("no end was told") {
            Change::ExecEnded {
                container,
                exec,
                exit,
                finished_at,
            } => {
                assert_eq!(container, CONTAINER);
                assert!(finished_at.0 > 0);
                (exec, exit)
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn expect_end(&self, id: &str, code: Option<u32>) {
        let exit = Exit {
            code: code.unwrap_or_default(),
            unknown: code.is_none(),
            oom: false,
        };
        assert_eq!(self.ended(), (id.to_owned(), exit));
    }

    /// Whose end is waiting to be heard, if one is.
    pub(crate) fn heard(&self) -> Option<String> {
        match self.changes.try_recv().ok()? {
            Change::ExecEnded { exec, .. } => Some(exec),
            other => panic!("{other:?}"),
        }
    }
}

/// A command without a terminal whose output and errors are read.
pub(crate) fn command(arguments: &[&str]) -> ExecSpec {
    ExecSpec {
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        attach_stdout: true,
        attach_stderr: true,
        ..ExecSpec::default()
    }
}

/// A command with a terminal.
pub(crate) fn interactive(arguments: &[&str]) -> ExecSpec {
    ExecSpec {
        tty: true,
        attach_stdin: true,
        rows: 24,
        columns: 80,
        ..command(arguments)
    }
}

/// All that comes out of a pipe, or of a terminal until it hangs up.
pub(crate) fn all(stream: OwnedFd) -> Vec<u8> {
    let mut bytes = Vec::new();
    match File::from(stream).read_to_end(&mut bytes) {
        Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => {}
        other => drop(other.unwrap()),
    }
    bytes
}

/// A line of `/proc/PID/status`.
pub(crate) fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

/// A mebibyte in which no two places look alike.
pub(crate) fn mebibyte() -> Vec<u8> {
    let numbers = (0..).flat_map(|number: u32| number.wrapping_mul(2_654_435_761).to_le_bytes());
    numbers.take(1 << 20).collect()
}
