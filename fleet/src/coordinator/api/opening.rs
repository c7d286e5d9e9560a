//! A stream that is opened with what is first written to it: a request then goes with the question for its stream, and
//! not a way there and back behind it.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::reach::Duplex;
use crate::limits::FIRST_MAX;

/// A stream that is there once somebody has opened it.
pub(super) struct Opening {
    /// What is to go first. Until a flush, or until it is as much as may go along, it waits.
    first: BytesMut,
    /// Who is told of it; none once that was done.
    tell: Option<oneshot::Sender<Bytes>>,
    state: State,
}

enum State {
    /// It comes, or not.
    Coming(oneshot::Receiver<Box<dyn Duplex>>),
    /// It is there.
    There(Box<dyn Duplex>),
    /// There will be none. Whoever heard of it may ask again: HTTP does, to end a connection in order.
    Never,
}

/// What opens it.
pub(super) struct Opener {
    /// What is to go first, once that is known. Nothing comes where the stream was dropped before.
    pub(super) first: oneshot::Receiver<Bytes>,
    /// Takes the stream that this was written to. Where it is dropped, there is none.
    pub(super) stream: oneshot::Sender<Box<dyn Duplex>>,
}

impl Opening {
    /// One, and what opens it.
    pub(super) fn new() -> (Self, Opener) {
        let (tell, first) = oneshot::channel();
        let (stream, coming) = oneshot::channel();
        let opening = Self {
            first: BytesMut::new(),
            tell: Some(tell),
            state: State::Coming(coming),
        };
        (opening, Opener { first, stream })
    }

    /// The stream, once it is there.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Duplex>>> {
        if let State::Coming(coming) = &mut self.state {
            let stream = ready!(Pin::new(coming).poll(cx));
            self.state = stream.map_or(State::Never, State::There);
        }
        match &mut self.state {
            State::There(stream) => Poll::Ready(Ok(Pin::new(&mut **stream))),
            // Why there is none is told by whoever opens it.
            State::Never => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            State::Coming(_) => Poll::Pending,
        }
    }

    /// Asks for the stream, unless that was done.
    fn ask(&mut self) {
        if let Some(tell) = self.tell.take() {
            // Where nobody opens it, it does not come.
            let _ = tell.send(std::mem::take(&mut self.first).freeze());
        }
    }
}

impl AsyncRead for Opening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_stream(cx))?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Opening {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = FIRST_MAX.saturating_sub(self.first.len());
        if self.tell.is_some() && room > 0 {
            let taken = bytes.get(..room).unwrap_or(bytes);
            self.first.extend_from_slice(taken);
            return Poll::Ready(Ok(taken.len()));
        }
        self.ask();
        ready!(self.poll_stream(cx))?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tell.is_some() && self.first.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.ask();
        ready!(self.poll_stream(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() && self.tell.take().is_some() {
            return Poll::Ready(Ok(()));
        }
        self.ask();
        ready!(self.poll_stream(cx))?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_is_written_first_goes_along() {
        let check = async |written: usize, along: usize| {
            let (mut opening, opener) = Opening::new();
            let all = vec![7; written];
            let writing = tokio::spawn(async move {
                opening.write_all(&all).await.unwrap();
                opening.flush().await.unwrap();
                opening
            });
            assert_eq!(opener.first.await.unwrap().len(), along, "{written}");
            let (here, mut there) = tokio::io::duplex(written + 1);
            assert!(opener.stream.send(Box::new(here)).is_ok());
            let mut opening = writing.await.unwrap();
            opening.shutdown().await.unwrap();
            let mut rest = Vec::new();
            there.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest.len(), written - along, "{written}");
        };
        check(1, 1).await;
        check(FIRST_MAX, FIRST_MAX).await;
        check(FIRST_MAX + 1, FIRST_MAX).await;
        check(FIRST_MAX * 4, FIRST_MAX).await;
    }

    #[tokio::test]
    async fn nobody_is_asked_for_nothing() {
        let (mut opening, mut opener) = Opening::new();
        opening.flush().await.unwrap();
        assert!(opening.read(&mut [0]).now_or_never().is_none());
        assert!(opener.first.try_recv().is_err());
        opening.write_all(b"x").await.unwrap();
        assert!(opener.first.try_recv().is_err());
        assert!(opening.flush().now_or_never().is_none());
        assert_eq!(&*opener.first.try_recv().unwrap(), b"x");
        drop(opener.stream);
        // However often it is asked, and for what.
        for _ in 0..2 {
            let errors = [
                opening.read(&mut [0]).await.map(drop),
                opening.write(b"x").await.map(drop),
                opening.flush().await,
                opening.shutdown().await,
            ];
            for error in errors {
                assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotConnected);
            }
        }
    }
}
