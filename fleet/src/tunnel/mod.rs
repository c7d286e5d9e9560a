//! A stream of bytes over one call of gRPC. Both ends of it are the same.
//!
//! A way that ends says so in a piece; the call's own end would end both, and stands for a connection that broke off.
//! What waits is bounded by HTTP/2's windows and one pipe, so whoever does not read holds up nobody else.

mod pipe;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{Stream as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tonic::Streaming;

use crate::limits::PIECE_MAX;
use crate::proto::Piece;
use pipe::Writer;

pub use pipe::Outgoing;

/// Both ways of a connection to a node's Docker socket. Shutting it down ends one way; dropping it ends the connection
/// at the other end, too.
pub struct TunnelStream {
    incoming: Streaming<Piece>,
    rest: Bytes,
    is_ended: bool,
    writer: Writer,
    severed: Option<oneshot::Receiver<()>>,
    // Free again when it is dropped.
    places: Vec<OwnedSemaphorePermit>,
}

impl TunnelStream {
    /// Of what comes; and what is to go.
    pub(crate) fn new(incoming: Streaming<Piece>) -> (Self, Outgoing) {
        let (writer, outgoing, severed) = pipe::pipe();
        (Self::of(incoming, writer, severed), outgoing)
    }

    /// Of a call that `call` makes with what is to go.
    ///
    /// # Errors
    /// As `call`.
    pub(crate) async fn call<F, E>(call: impl FnOnce(Outgoing) -> F) -> Result<Self, E>
    where
        F: Future<Output = Result<Streaming<Piece>, E>>,
    {
        let (writer, outgoing, severed) = pipe::pipe();
        Ok(Self::of(call(outgoing).await?, writer, severed))
    }

    fn of(incoming: Streaming<Piece>, writer: Writer, severed: oneshot::Receiver<()>) -> Self {
        Self {
            incoming,
            rest: Bytes::new(),
            is_ended: false,
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
        while let Some(Ok(_)) = self.incoming.next().await {}
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
        if self.rest.is_empty() && !self.is_ended {
            let piece = match ready!(Pin::new(&mut self.incoming).poll_next(cx)) {
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
        }
        let length = self.rest.len().min(buffer.remaining());
        buffer.put_slice(self.rest.get(..length).unwrap_or_default());
        self.rest.advance(length);
        Poll::Ready(Ok(()))
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
