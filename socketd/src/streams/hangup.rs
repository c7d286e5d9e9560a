//! Whether a client is gone that only said that it will write no more.
//!
//! Many clients end their half of a connection at once and read on for hours. On a unix socket the
//! kernel tells the two apart: a peer that is gone hangs up. On TCP nothing does until something is
//! written, or until the kernel's own questions stay without an answer.

use std::io;
use std::os::fd::AsFd;

use tokio::io::Interest;
use tokio::net::UnixStream;

/// Watches the other end of a unix socket.
#[derive(Debug)]
pub struct HangUp {
    /// The same socket once more, with a readiness of its own.
    socket: UnixStream,
}

impl HangUp {
    /// Watches the peer of `stream`.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let copy = stream.as_fd().try_clone_to_owned()?;
        Ok(Self {
            socket: UnixStream::from_std(copy.into())?,
        })
    }

    /// Over when the peer has closed its end altogether.
    pub async fn wait(self) {
        loop {
            // The half that reads has ended already, and would be ready for ever.
            match self.socket.ready(Interest::WRITABLE).await {
                Ok(ready) if !ready.is_write_closed() => {}
                _ => return,
            }
            // Nothing is written here: only what changes from now on counts.
            let not_now = || Err(io::ErrorKind::WouldBlock.into());
            let _ = self.socket.try_io::<()>(Interest::WRITABLE, not_now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn an_end_of_writing_is_no_end_and_a_close_is() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let mut gone = tokio::spawn(HangUp::of(&ours).unwrap().wait());
        theirs.shutdown().await.unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
        ours.write_all(b"more").await.unwrap();
        theirs.read_exact(&mut [0; 4]).await.unwrap();
        // Everything that could be mistaken has happened.
        let early = timeout(Duration::from_millis(50), &mut gone).await;
        assert!(early.is_err(), "it reads on");
        drop(theirs);
        gone.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_is_gone_already_is_known_at_once() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        HangUp::of(&ours).unwrap().wait().await;
    }
}
