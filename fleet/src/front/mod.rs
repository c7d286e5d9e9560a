//! Ways a request arrives: who is let in, how many at once, by TLS or in the clear, and HTTP after it.
//!
//! It knows nothing of what is asked.

pub mod crowd;
pub mod failures;
pub mod tls;

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::limits;
use crowd::{Crowd, Seat};

/// Turns true once everything is to end.
pub type Ending = watch::Receiver<bool>;

/// What connections come from.
pub trait Listener: Send {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next one, and whose it is. Those of this machine's own sockets are this machine's.
    ///
    /// # Errors
    /// What the system says, which may pass.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        // One that is gone already ends by itself when it is read.
        let _ = prepare(&stream);
        Ok((stream, peer))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, _) = Self::accept(self).await?;
        Ok((stream, (Ipv4Addr::LOCALHOST, 0).into()))
    }
}

/// Somebody who is connected.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// From where.
    pub peer: SocketAddr,
    /// Whether a certificate was shown that our authority signed.
    pub is_certified: bool,
    /// Held as long as anything of the connection lives.
    pub seat: Arc<Seat>,
}

/// Accepts until `stop` comes, gives every connection to `serve`, and then lets those go on for a while that are there.
pub async fn accept<L, F, S>(listener: L, crowd: Arc<Crowd>, stop: impl Future<Output = ()>, serve: F)
where
    L: Listener,
    F: Fn(L::Stream, Visitor, Ending) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    let mut stop = pin!(stop);
    let (end, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.as_mut() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No descriptors are left, most often: a moment later there may be some again.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = Crowd::admit(&crowd, peer.ip()) else {
            tracing::debug!(%peer, "too many connections");
            continue;
        };
        let visitor = Visitor {
            peer,
            is_certified: false,
            seat: Arc::new(seat),
        };
        connections.spawn(serve(stream, visitor, ending.clone()));
    }
    drop(listener);
    let _ = end.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(limits::DRAIN, drained).await.is_err() {
        tracing::info!("requests that still go on are cut off");
    }
}

/// Answers are small or stream: waiting to fill a packet only delays. The kernel finds out who is gone, or takes nothing.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, limits::KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, limits::KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, limits::KEEPALIVE_PROBES)?;
    // And who is there, and does not read.
    let unread = u32::try_from(limits::UNREAD.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, unread)?;
    Ok(())
}

/// Speaks HTTP on a connection until it ends; `answer` has an answer for everything.
pub async fn http<S, F, A, B>(stream: S, visitor: Visitor, mut ending: Ending, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Visitor, Request<Incoming>) -> A,
    A: Future<Output = Response<B>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let peer = visitor.peer;
    let service = service_fn(move |request| {
        let answer = answer(visitor.clone(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEAD)
            .max_buf_size(limits::CONNECTION_BUFFER_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let told = async { ending.wait_for(|ending| *ending).await.is_ok() };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = told => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::net::sockopt;

    use super::*;

    #[tokio::test]
    async fn the_kernel_finds_out_who_does_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = Listener::accept(&listener).await.unwrap();
        let milliseconds = sockopt::tcp_user_timeout(&stream).unwrap();
        assert_eq!(Duration::from_millis(milliseconds.into()), limits::UNREAD);
    }
}
