//! What the bridge and a relay tell each other: one [`Task`], then one [`Word`] at most.

use wire::container::Exit;
use wire::{Time, numbers, record};

numbers! {
    /// What a relay is for.
    pub enum Work {
        /// To pass on what a daemon and a client say. Descriptors come along: the connection to the
        /// daemon; then the terminal, or the ends of the pipes that `output` and `error` speak of.
        Relay = 1,
        /// To become a command. Descriptors come along: the terminal, or three standard streams.
        Become = 2,
    }
}

record! {
    /// What a relay is to do.
    pub struct Task {
        /// Which of the two.
        1 => work: Work,
        /// Whether a terminal comes along.
        2 => terminal: bool,
        /// Whether somebody reads the standard output.
        3 => output: bool,
        /// Whether somebody reads the standard error.
        4 => error: bool,
        /// Height of the terminal that the daemon was told of, in rows.
        5 => rows: u16,
        /// Width of that terminal, in columns.
        6 => columns: u16,
        /// The command to become: an absolute path.
        7 => program: String,
        /// Its argument vector, its own name included.
        8 => arguments: Vec<String>,
        /// All of its environment.
        9 => env: Vec<String>,
    }
}

record! {
    /// What a relay says last. One that became a command says nothing.
    pub struct Word {
        /// How the process ended, as the daemon says; unknown where it did not.
        1 => exit: Exit,
        /// When that was heard.
        2 => finished_at: Time,
        /// Why the command could not be executed, by the system's number; else zero.
        3 => errno: i32,
    }
}
