//! The master of a terminal.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::termios::Winsize;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::Mutex;

/// A terminal's master. Its processes are hung up when the last one closes.
///
/// To the runtime it is the two ends of a pipe: all they do is to wait, read and write.
#[derive(Debug)]
pub struct Terminal {
    reader: pipe::Receiver,
    writer: Mutex<pipe::Sender>,
}

impl Terminal {
    /// A terminal of this master.
    ///
    /// # Errors
    /// What the system says of the descriptor.
    pub fn new(master: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        Ok(Self {
            writer: Mutex::new(pipe::Sender::from_owned_fd_unchecked(master.try_clone()?)?),
            reader: pipe::Receiver::from_owned_fd_unchecked(master)?,
        })
    }

    /// Reads some bytes; none when every process has let go of it. May be dropped while it waits.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.reader.readable().await?;
            match self.reader.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(0),
                outcome => return outcome,
            }
        }
    }

    /// Writes everything.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.writer.lock().await.write_all(bytes).await
    }

    /// Gives it a size.
    ///
    /// # Errors
    /// What the system says.
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(&self.reader, size)?)
    }
}
