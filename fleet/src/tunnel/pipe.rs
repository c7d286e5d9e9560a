//! One way of a tunnel, inside one process: bytes go in, pieces come out, and no more wait in between than may.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use futures_util::Stream;
use tokio::sync::oneshot;

use crate::limits::{PIECE_MAX, PIPE_MAX};
use crate::proto::Piece;

/// What both ends share.
#[derive(Debug, Default)]
struct Pipe {
    waiting: BytesMut,
    /// Nothing more will be written, and the reader is to say so.
    is_ended: bool,
    /// The writer is gone.
    is_left: bool,
    /// The reader is gone.
    is_severed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Where bytes go in.
#[derive(Debug)]
pub(super) struct Writer {
    pipe: Arc<Mutex<Pipe>>,
}

/// Where they come out, for gRPC to take. It ends when the writer is dropped: the other end of the tunnel takes that
/// for a connection that broke off, unless both ways have ended before.
#[derive(Debug)]
pub struct Outgoing {
    pipe: Arc<Mutex<Pipe>>,
    is_end_told: bool,
    // Dropped with it, which its receiver hears.
    _severed: oneshot::Sender<()>,
}

/// Both ends, and what hears when the second of them is gone.
pub(super) fn pipe() -> (Writer, Outgoing, oneshot::Receiver<()>) {
    let pipe = Arc::new(Mutex::new(Pipe::default()));
    let (severed, hears) = oneshot::channel();
    let writer = Writer {
        pipe: Arc::clone(&pipe),
    };
    let outgoing = Outgoing {
        pipe,
        is_end_told: false,
        _severed: severed,
    };
    (writer, outgoing, hears)
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// As [`tokio::io::AsyncWrite::poll_write`].
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.pipe);
        if pipe.is_severed || pipe.is_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = PIPE_MAX.saturating_sub(pipe.waiting.len());
        if room == 0 && !bytes.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = bytes.get(..room).unwrap_or(bytes);
        pipe.waiting.extend_from_slice(taken);
        wake(&mut pipe.reader);
        Poll::Ready(Ok(taken.len()))
    }

    /// Ready once nothing waits any more, or nobody would take it.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.pipe);
        if pipe.is_severed || pipe.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        pipe.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Nothing more will be written.
    pub(super) fn end(&self) {
        let mut pipe = lock(&self.pipe);
        pipe.is_ended = true;
        wake(&mut pipe.reader);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut pipe = lock(&self.pipe);
        pipe.is_left = true;
        wake(&mut pipe.reader);
    }
}

impl Stream for Outgoing {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let shared = Arc::clone(&self.pipe);
        let mut pipe = lock(&shared);
        if !pipe.waiting.is_empty() {
            let length = pipe.waiting.len().min(PIECE_MAX);
            let data = pipe.waiting.split_to(length).freeze();
            wake(&mut pipe.writer);
            let is_end = pipe.is_ended && pipe.waiting.is_empty();
            self.is_end_told |= is_end;
            return Poll::Ready(Some(Piece { data, is_end }));
        }
        if pipe.is_ended && !self.is_end_told {
            self.is_end_told = true;
            let data = bytes::Bytes::new();
            return Poll::Ready(Some(Piece { data, is_end: true }));
        }
        if pipe.is_left {
            return Poll::Ready(None);
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let mut pipe = lock(&self.pipe);
        pipe.is_severed = true;
        pipe.waiting = BytesMut::new();
        wake(&mut pipe.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    async fn write(writer: &Writer, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| writer.poll_write(cx, bytes)).await
    }

    #[tokio::test]
    async fn no_more_waits_than_may() {
        let (writer, mut outgoing, _) = pipe();
        let all = vec![7; PIPE_MAX + 1];
        assert_eq!(write(&writer, &all).await.unwrap(), PIPE_MAX);
        assert!(write(&writer, &all).now_or_never().is_none());
        let piece = outgoing.next().await.unwrap();
        assert_eq!((piece.data.len(), piece.is_end), (PIECE_MAX, false));
        assert_eq!(write(&writer, &all).await.unwrap(), PIECE_MAX);
        assert!(poll_fn(|cx| writer.poll_flush(cx)).now_or_never().is_none());
        for _ in 0..PIPE_MAX / PIECE_MAX {
            outgoing.next().await.unwrap();
        }
        poll_fn(|cx| writer.poll_flush(cx)).await.unwrap();
    }

    #[tokio::test]
    async fn an_end_is_told_once() {
        let check = async |written: &[u8], expected: &[(usize, bool)]| {
            let (writer, mut outgoing, _) = pipe();
            if !written.is_empty() {
                write(&writer, written).await.unwrap();
            }
            writer.end();
            for (length, is_end) in expected {
                let piece = outgoing.next().await.unwrap();
                assert_eq!((piece.data.len(), piece.is_end), (*length, *is_end));
            }
            assert!(outgoing.next().now_or_never().is_none());
            assert!(write(&writer, b"x").await.is_err());
            drop(writer);
            assert!(outgoing.next().await.is_none());
        };
        check(b"", &[(0, true)]).await;
        check(b"abc", &[(3, true)]).await;
        check(&vec![1; PIECE_MAX + 1], &[(PIECE_MAX, false), (1, true)]).await;
    }

    #[tokio::test]
    async fn who_is_left_hears_of_it() {
        let (writer, outgoing, severed) = pipe();
        let full = vec![0; PIPE_MAX];
        write(&writer, &full).await.unwrap();
        let mut waiting = Box::pin(write(&writer, b"x"));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(outgoing);
        assert_eq!(waiting.await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(severed.await.is_err());
        let (writer, mut outgoing, _severed) = pipe();
        write(&writer, b"x").await.unwrap();
        drop(writer);
        assert!(outgoing.next().await.is_some());
        assert!(outgoing.next().await.is_none());
    }
}
