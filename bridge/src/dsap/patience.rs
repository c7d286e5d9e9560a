//! Reading and writing with one deadline for all of it, however often the peer says a little.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::limits::CHUNK_BYTES;

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    deadline: Instant,
}

impl Patience {
    /// From now on.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
        }
    }

    /// Reads what is there, waiting for something to be; zero at the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`], or the connection's.
    pub(super) fn read(self, mut stream: &UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            stream.set_read_timeout(Some(self.left()?))?;
            match stream.read(buffer) {
                Err(error) if is_passing(&error) => {}
                read => return read,
            }
        }
    }

    /// Fills a buffer; gives how much of it, where the peer had no more to say.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn fill(self, stream: &UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.read(stream, room)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Throws so many bytes away; gives how many there were.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn skip(self, stream: &UnixStream, length: usize) -> io::Result<usize> {
        let mut chunk = [0; CHUNK_BYTES];
        let mut skipped = 0;
        while skipped < length {
            let room = chunk.get_mut(..(length - skipped).min(CHUNK_BYTES));
            match self.read(stream, room.unwrap_or_default())? {
                0 => break,
                count => skipped += count,
            }
        }
        Ok(skipped)
    }

    /// Writes everything.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`], or the connection's.
    pub(super) fn write(self, mut stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            stream.set_write_timeout(Some(self.left()?))?;
            match stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn left(self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // The kernel counts in microseconds, and takes none for no limit at all.
        Ok(left.max(Duration::from_millis(1)))
    }
}

/// Whether to look at the clock and try again.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}
