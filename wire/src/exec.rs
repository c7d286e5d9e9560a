//! Further processes in a container that runs.

use crate::id::ContainerId;
use crate::record;
use crate::time::Time;

record! {
    /// What a further process is asked to be.
    pub struct ExecSpec {
        /// The argument vector.
        1 => arguments: Vec<String>,
        /// Environment beside the container's own, as `NAME=value`.
        2 => env: Vec<String>,
        /// Working directory; empty means the container's.
        3 => working_dir: String,
        /// `user`, `uid`, `user:group` or `uid:gid`; empty means the container's.
        4 => user: String,
        /// Whether it gets a terminal.
        5 => tty: bool,
        /// Whether a client will write its standard input.
        6 => attach_stdin: bool,
        /// Whether a client will read its standard output.
        7 => attach_stdout: bool,
        /// Whether a client will read its standard error.
        8 => attach_stderr: bool,
        /// Whether it has every capability.
        9 => privileged: bool,
        /// Keys that let go of it, as asked; for showing.
        10 => detach_keys: String,
        /// Height of its terminal, in rows; zero means as the kernel makes it.
        11 => rows: u16,
        /// Width of its terminal, in columns; zero means as the kernel makes it.
        12 => columns: u16,
    }
}

record! {
    /// A further process. Answer to `INSPECT_EXEC`.
    pub struct Exec {
        /// Its id: 64 hexadecimal digits.
        1 => id: String,
        /// The container.
        2 => container: ContainerId,
        /// What it was asked to be.
        3 => spec: ExecSpec,
        /// Whether it runs.
        4 => running: bool,
        /// Its process, as the host numbers it; zero before its start and after its end.
        5 => pid: u32,
        /// Exit code, or 128 and the signal; none while it has none, and where nobody saw the end.
        6 => exit_code: Option<u32>,
        /// When it started; never before that.
        7 => started_at: Time,
        /// When it ended; never before that.
        8 => finished_at: Time,
    }
}

record! {
    /// Asks for a further process to be prepared.
    pub struct CreateExec {
        /// The container's name, id or prefix.
        1 => reference: String,
        /// What it is to be.
        2 => spec: ExecSpec,
    }
}

record! {
    /// A further process was prepared.
    pub struct ExecCreated {
        /// Its id.
        1 => id: String,
    }
}

record! {
    /// Starts a prepared process.
    pub struct StartExec {
        /// Its id, all of it.
        1 => id: String,
        /// Whether nobody will read or write its streams.
        2 => detach: bool,
        /// Height of its terminal instead of the one asked first; zero means that one.
        3 => rows: u16,
        /// Width of its terminal instead of the one asked first; zero means that one.
        4 => columns: u16,
    }
}

record! {
    /// A further process runs. Descriptors accompany this answer, in this order: the terminal's
    /// master alone where there is a terminal; else what `input`, `output` and `error` say.
    /// None where nobody is to read or write.
    pub struct ExecStarted {
        /// Its process, as the host numbers it.
        1 => pid: u32,
        /// Whether the one descriptor is the master of its terminal.
        2 => terminal: bool,
        /// Whether the writing end of its standard input comes along.
        3 => input: bool,
        /// Whether the reading end of its standard output comes along.
        4 => output: bool,
        /// Whether the reading end of its standard error comes along.
        5 => error: bool,
    }
}

record! {
    /// Names one further process.
    pub struct ExecRef {
        /// Its id, all of it.
        1 => id: String,
    }
}

record! {
    /// Asks about one further process.
    pub struct InspectExec {
        /// Its id, all of it.
        1 => id: String,
        /// Whether the answer is to wait until it no longer runs.
        2 => until_ended: bool,
    }
}
