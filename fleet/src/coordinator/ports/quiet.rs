//! Connections of ports, by how long nothing went over them: who was silent longest makes room where there is none left.
//!
//! Clients keep connections for a next request, some for ever, and an engine need not end them. What goes over a port is
//! not read, so such a connection looks like a stream that has nothing to say: while there is room none of them ends.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::limits::{PORT_CONNECTIONS_MAX, PORT_SILENCE_MIN};

/// Everybody who is connected to a port.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    callers: Mutex<Callers>,
}

#[derive(Debug, Default)]
struct Callers {
    next: u64,
    all: HashMap<u64, Caller>,
}

#[derive(Debug)]
struct Caller {
    node_id: Box<str>,
    last: Arc<Mutex<Instant>>,
    /// What has it leave, and what tells that it has.
    leave: oneshot::Sender<()>,
    left: oneshot::Receiver<()>,
}

/// One who is connected.
#[derive(Debug)]
pub(super) struct Place {
    quiet: Arc<Quiet>,
    number: u64,
    last: Arc<Mutex<Instant>>,
    leaving: oneshot::Receiver<()>,
    /// What tells that it has left, when it is dropped.
    _left: oneshot::Sender<()>,
}

impl Quiet {
    fn lock(&self) -> MutexGuard<'_, Callers> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, of a port of this node's: where there are too many, who was silent longest makes room. None where nobody
    /// was silent long enough.
    pub(super) async fn enter(quiet: &Arc<Self>, node_id: &str) -> Option<Place> {
        loop {
            if let Some(place) = Self::place(quiet, node_id) {
                return Some(place);
            }
            let caller = quiet.most_silent(node_id)?;
            tracing::info!(
                node_id,
                "a connection of a port that was silent makes room for another"
            );
            let _ = caller.leave.send(());
            // An error says that it was dropped, which is how it is told.
            let _ = caller.left.await;
        }
    }

    fn place(quiet: &Arc<Self>, node_id: &str) -> Option<Place> {
        let last = Arc::new(Mutex::new(Instant::now()));
        let ((leave, leaving), (left, gone)) = (oneshot::channel(), oneshot::channel());
        let mut callers = quiet.lock();
        let own = callers.all.values().filter(|caller| *caller.node_id == *node_id);
        if own.count() >= PORT_CONNECTIONS_MAX {
            return None;
        }
        let number = callers.next;
        callers.next += 1;
        let caller = Caller {
            node_id: node_id.into(),
            last: Arc::clone(&last),
            leave,
            left: gone,
        };
        callers.all.insert(number, caller);
        Some(Place {
            quiet: Arc::clone(quiet),
            number,
            last,
            leaving,
            _left: left,
        })
    }

    fn most_silent(&self, node_id: &str) -> Option<Caller> {
        let mut callers = self.lock();
        let silent = callers
            .all
            .iter()
            .filter(|(_, caller)| *caller.node_id == *node_id)
            .map(|(number, caller)| (moment(&caller.last), *number))
            .min()
            .filter(|(last, _)| last.elapsed() >= PORT_SILENCE_MIN);
        let (_, number) = silent?;
        callers.all.remove(&number)
    }
}

fn moment(last: &Mutex<Instant>) -> Instant {
    *last.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    /// Ends when it is to leave.
    pub(super) async fn leaving(&mut self) {
        // Nobody drops the other end before it is sent but who holds this one.
        let _ = (&mut self.leaving).await;
    }

    /// A stream whose bytes are noticed.
    pub(super) fn notice<S>(&self, stream: S) -> Noticed<S> {
        Noticed {
            stream,
            last: Arc::clone(&self.last),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.quiet.lock().all.remove(&self.number);
    }
}

/// A stream whose bytes are noticed.
#[derive(Debug)]
pub(super) struct Noticed<S> {
    stream: S,
    last: Arc<Mutex<Instant>>,
}

impl<S> Noticed<S> {
    fn heard(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noticed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.heard();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noticed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.heard();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_was_silent_longest_leaves() {
        let quiet = Arc::new(Quiet::default());
        let mut first = Quiet::enter(&quiet, "a").await.unwrap();
        let mut second = Quiet::enter(&quiet, "a").await.unwrap();
        let mut others = Vec::new();
        for _ in 2..PORT_CONNECTIONS_MAX {
            advance(PORT_SILENCE_MIN / 100).await;
            others.push(Quiet::enter(&quiet, "a").await.unwrap());
        }
        assert!(
            Quiet::enter(&quiet, "a").await.is_none(),
            "nobody was silent so long"
        );
        assert!(Quiet::enter(&quiet, "b").await.is_some(), "another node's");
        let (mut near, far) = tokio::io::duplex(16);
        let mut far = first.notice(far);
        near.write_all(b"x").await.unwrap();
        far.read_exact(&mut [0]).await.unwrap();
        advance(PORT_SILENCE_MIN - PORT_SILENCE_MIN / 100 * 40).await;
        let leaves = tokio::spawn(async move { second.leaving().await });
        let next = Quiet::enter(&quiet, "a").await;
        assert!(next.is_some());
        leaves.await.unwrap();
        let is_asked = tokio::time::timeout(PORT_SILENCE_MIN / 100, first.leaving()).await;
        assert!(is_asked.is_err(), "it said something");
        drop((first, others, next));
        assert!(quiet.lock().all.is_empty());
    }
}
