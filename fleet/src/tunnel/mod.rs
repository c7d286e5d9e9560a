//! A stream of bytes over one call of gRPC. Both ends of it are the same.
//!
//! A way that ends says so in a piece; the call's own end would end both, and stands for a connection that broke off.
//! What waits is bounded by HTTP/2's windows and one pipe, so whoever does not read holds up nobody else.

mod pipe;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::Stream as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tonic::{Status, Streaming};

use crate::limits::PIECE_MAX;
use crate::proto::Piece;
use pipe::Writer;

pub use pipe::Outgoing;

/// Both ways of a connection to a node's Docker socket. Shutting it down ends one way; dropping it ends the connection
/// at the other end, too.
pub struct TunnelStream {
    incoming: Incoming,
    rest: Bytes,
    is_ended: bool,
    /// What is wrong, where that is still to be told.
    broken: Option<io::Error>,
    writer: Writer,
    severed: Option<oneshot::Receiver<()>>,
    // Free again when it is dropped.
    places: Vec<OwnedSemaphorePermit>,
}

/// What comes.
enum Incoming {
    /// From a call whose other end has not said yet that it takes it.
    Called(Pin<Box<dyn Future<Output = Result<Streaming<Piece>, Status>> + Send>>),
    /// From one that it took.
    Taken(Box<Streaming<Piece>>),
    /// From none.
    Refused,
}

impl Incoming {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, Status>>> {
        loop {
            match self {
                Self::Called(call) => match ready!(call.as_mut().poll(cx)) {
                    Ok(incoming) => *self = Self::Taken(Box::new(incoming)),
                    Err(status) => {
                        *self = Self::Refused;
                        return Poll::Ready(Some(Err(status)));
                    }
                },
                Self::Refused => return Poll::Ready(None),
                Self::Taken(incoming) => return Pin::new(&mut **incoming).poll_next(cx),
            }
        }
    }
}

impl TunnelStream {
    /// Of what comes; and what is to go.
    pub(crate) fn new(incoming: Streaming<Piece>) -> (Self, Outgoing) {
        let (writer, outgoing, severed) = pipe::pipe();
        (
            Self::of(Incoming::Taken(Box::new(incoming)), writer, severed),
            outgoing,
        )
    }

    /// Of a call that `call` makes with what is to go. What is written goes at once, and does not wait until the other
    /// end has said that it takes the call: that would be a way there and back. Reading tells where it does not.
    pub(crate) fn call<F>(call: impl FnOnce(Outgoing) -> F) -> Self
    where
        F: Future<Output = Result<Streaming<Piece>, Status>> + Send + 'static,
    {
        let (writer, outgoing, severed) = pipe::pipe();
        Self::of(Incoming::Called(Box::pin(call(outgoing))), writer, severed)
    }

    fn of(incoming: Incoming, writer: Writer, severed: oneshot::Receiver<()>) -> Self {
        Self {
            incoming,
            rest: Bytes::new(),
            is_ended: false,
            broken: None,
            writer,
            severed: Some(severed),
            places: Vec::new(),
        }
    }

    /// Holds these as long as it lives.
    pub(crate) fn hold(&mut self, places: Vec<OwnedSemaphorePermit>) {
        self.places = places;
    }

    /// Waits until whoever made the call, or took it, ends it. Dropping a stream whose two ways have ended would cut off
    /// what of its last bytes is still under way.
    pub(crate) async fn finish(mut self) {
        while let Some(Ok(_)) = poll_fn(|cx| self.incoming.poll_next(cx)).await {}
    }

    /// Ends when the call has, though nobody reads or writes. For one caller.
    pub(crate) fn severed(&mut self) -> impl Future<Output = ()> + use<> {
        let severed = self.severed.take();
        async move {
            match severed {
                Some(severed) => drop(severed.await),
                None => std::future::pending().await,
            }
        }
    }
}

impl TunnelStream {
    /// Has the next piece in hand.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Err(error));
        }
        let piece = match ready!(self.incoming.poll_next(cx)) {
            Some(Ok(piece)) => piece,
            Some(Err(status)) => {
                let text = status.message().to_owned();
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, text)));
            }
            None => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        };
        // One without bytes that ends nothing would be read as an end.
        if piece.data.len() > PIECE_MAX || (piece.data.is_empty() && !piece.is_end) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "no such piece")));
        }
        self.rest = piece.data;
        self.is_ended = piece.is_end;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for TunnelStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelStream")
            .field("rest", &self.rest.len())
            .field("is_ended", &self.is_ended)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for TunnelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        // As many pieces as are there and fit: each reading costs whoever reads, and whoever it tells, a turn.
        loop {
            let length = self.rest.len().min(buffer.remaining());
            buffer.put_slice(self.rest.get(..length).unwrap_or_default());
            self.rest.advance(length);
            if buffer.remaining() == 0 || self.is_ended {
                return Poll::Ready(Ok(()));
            }
            match self.poll_piece(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Pending if buffer.filled().len() == before => return Poll::Pending,
                Poll::Ready(Err(error)) if buffer.filled().len() == before => return Poll::Ready(Err(error)),
                // What came before it is read first.
                Poll::Ready(Err(error)) => {
                    self.broken = Some(error);
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.end();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_is_written_goes_before_the_call_is_taken() {
        let (tell, told) = oneshot::channel();
        let mut stream = TunnelStream::call(|mut outgoing| async move {
            tell.send(outgoing.next().await).unwrap();
            std::future::pending().await
        });
        stream.write_all(b"x").await.unwrap();
        tokio::select! {
            read = stream.read_u8() => panic!("{read:?}"),
            piece = told => assert_eq!(piece.unwrap().unwrap().data, "x"),
        }
    }

    #[tokio::test]
    async fn a_call_that_is_not_taken() {
        let mut stream = TunnelStream::call(|_| async { Err(Status::not_found("nobody waits")) });
        let mut severed = Box::pin(stream.severed());
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(error.to_string().contains("nobody waits"), "{error}");
        severed.as_mut().await;
        assert!(stream.write_all(b"x").await.is_err());
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        stream.finish().await;
    }
}
