//! The way to a standard input.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::Terminal;

/// Where a client's bytes go. Dropping it is the end of input where this was its last writer.
#[derive(Debug)]
pub enum Input {
    /// The writing end of a pipe.
    Pipe(pipe::Sender),
    /// A terminal.
    Terminal(Arc<Terminal>),
}

impl Input {
    /// What the bridge opened.
    ///
    /// # Errors
    /// What the system says of the descriptor.
    pub fn new(descriptor: OwnedFd, terminal: bool) -> io::Result<Self> {
        Ok(if terminal {
            Self::Terminal(Arc::new(Terminal::new(descriptor)?))
        } else {
            Self::Pipe(pipe::Sender::from_owned_fd(descriptor)?)
        })
    }

    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Pipe(pipe) => pipe.write_all(bytes).await,
            Self::Terminal(terminal) => terminal.write_all(bytes).await,
        }
    }
}
