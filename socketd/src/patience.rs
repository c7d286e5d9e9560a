//! Patience with clients that do not read, and with those that do not finish what they say.
//!
//! What is ready for a client waits in bounded buffers, and whoever makes it waits with it. That is
//! right for a slow client and wrong for one that has stopped for good: its connection ends with an
//! error. The clock runs only while something cannot be written, so an idle connection has no timer. So it
//! is with heads of requests that come too slowly, in [`head`].

mod head;

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

pub(crate) use head::Head;

/// A stream whose writes fail once none has got on for too long.
#[derive(Debug)]
pub(crate) struct Patience<S> {
    stream: S,
    limit: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// How far the client is with a request's head, where it sends any.
    head: Option<Arc<Head>>,
    /// Runs while a head is half there.
    late: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            stalled: None,
            head: None,
            late: None,
        }
    }

    /// With heads of requests that must be whole in time.
    pub(super) fn hearing(self, head: Arc<Head>) -> Self {
        Self {
            head: Some(head),
            ..self
        }
    }

    /// The stream itself.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Lets what a write says stand, unless it has waited too long.
    fn judge<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        match stalled.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                tracing::info!(
                    seconds = limit.as_secs(),
                    "a client does not read; its connection ends"
                );
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S> Patience<S> {
    /// Lets what a read says stand, unless it leaves a head half there for too long.
    fn hear(&mut self, cx: &mut Context<'_>, came: Poll<io::Result<usize>>) -> Poll<io::Result<()>> {
        let Some(head) = &self.head else {
            return came.map_ok(drop);
        };
        if let Poll::Ready(outcome) = came {
            if matches!(outcome, Ok(count) if count > 0) {
                head.hear();
            }
            return Poll::Ready(outcome.map(drop));
        }
        if !head.is_half() {
            self.late = None;
            return Poll::Pending;
        }
        let limit = head.time_max();
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(limit)));
        match late.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                tracing::debug!(
                    seconds = limit.as_secs(),
                    "a client does not finish the head of its request; its connection ends"
                );
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        self.hear(cx, outcome.map_ok(|()| count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.judge(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, advance, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn one_that_never_reads_is_left_and_one_that_reads_slowly_is_not() {
        let (ours, mut theirs) = duplex(16);
        let mut patient = Patience::new(ours, LIMIT);
        let begin = Instant::now();
        let slow = tokio::spawn(async move {
            let mut bytes = [0; 8];
            for _ in 0..8 {
                // Whoever writes waits by now; the paused clock moves when nothing else can.
                let _ = timeout(LIMIT / 2, std::future::pending::<()>()).await;
                theirs.read_exact(&mut bytes).await.unwrap();
            }
            theirs
        });
        patient.write_all(&[7; 64]).await.unwrap();
        let theirs = slow.await.unwrap();
        assert!(begin.elapsed() > LIMIT);

        let begin = Instant::now();
        let error = patient.write_all(&[7; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begin.elapsed().as_secs(), LIMIT.as_secs());
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_costs_nothing() {
        let (ours, mut theirs) = duplex(16);
        let mut patient = Patience::new(ours, LIMIT);
        patient.write_all(b"one").await.unwrap();
        assert!(patient.stalled.is_none());
        advance(LIMIT * 3).await;
        patient.write_all(b"two").await.unwrap();
        let mut both = [0; 6];
        theirs.read_exact(&mut both).await.unwrap();
        assert_eq!(&both, b"onetwo");
    }
}
