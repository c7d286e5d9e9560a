//! What containers read and write, between the bridge's descriptors and clients.
//!
//! A log is read from its files on blocking threads, a piece at a time, as fast as the client takes
//! it; one who follows waits for a bell and costs nothing meanwhile. Pipes and terminals of further
//! processes are read the same way: whatever waits lies in the kernel, never here.
//!
//! It must not know HTTP: [`routes`](crate::routes) takes connections over and hands them in.

mod converse;
mod entries;
mod exec;
mod hangup;
mod input;
mod keys;
mod log;
mod raw;
mod reader;
mod render;
mod source;
mod tail;
mod terminal;

pub use converse::{End, Inward, Way, converse};
pub use entries::OpenFile;
pub use exec::{ExecOutput, Execs};
pub use hangup::HangUp;
pub use input::Input;
pub use keys::DetachKeys;
pub use log::{Following, LogStream};
pub use reader::{From, Wanted};
pub use render::Shape;
pub use source::Kept;
pub use terminal::Terminal;

use bytes::Bytes;

/// What a client reads.
#[derive(Debug)]
pub enum Output {
    /// A container's log.
    Log(Box<LogStream>),
    /// The streams of a further process.
    Exec(Box<ExecOutput>),
    /// One text.
    Text(Option<Bytes>),
}

impl Output {
    /// What comes next; none at the end. May be dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Log(log) => log.next().await,
            Self::Exec(exec) => exec.next().await,
            Self::Text(text) => text.take(),
        }
    }
}

/// Doors for the fuzzer, which comes from outside.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::entries::{Parsed, parse};

    /// Reads entry after entry; how many bytes those took that are whole.
    #[must_use]
    pub fn entries(bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(Parsed::Entry(_, _, whole)) = bytes.get(at..).map(parse) {
            at += whole.max(1);
        }
        at
    }
}
