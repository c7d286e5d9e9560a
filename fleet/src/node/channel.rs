//! HTTP/2 to the coordinator, and gRPC's client on it.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::body::Body;
use tonic::codegen::Service;

use crate::limits::{
    CONNECTION_WINDOW, FLEET_MESSAGE_MAX, FLEET_PING, FLEET_PONG, FRAME_MAX, HANDSHAKE_HEAD_MAX, PIPE_MAX,
    STREAM_WINDOW,
};
use crate::proto::fleet_client::FleetClient;

/// One connection. Clones are the same.
#[derive(Debug, Clone)]
pub struct Channel {
    sender: http2::SendRequest<Body>,
}

/// What moves its bytes; it ends with the connection.
pub type Moving = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// gRPC's client over `stream`, to a coordinator that is called `origin`.
///
/// # Errors
/// The other end speaks something else.
pub async fn client<S>(stream: S, origin: Uri) -> hyper::Result<(FleetClient<Channel>, Moving)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (channel, moving) = Channel::new(stream).await?;
    let client = FleetClient::with_origin(channel, origin)
        .max_decoding_message_size(FLEET_MESSAGE_MAX)
        .max_encoding_message_size(FLEET_MESSAGE_MAX);
    Ok((client, moving))
}

impl Channel {
    /// HTTP/2 over `stream`.
    ///
    /// # Errors
    /// The other end speaks something else.
    async fn new<S>(stream: S) -> hyper::Result<(Self, Moving)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_MAX)
            .max_header_list_size(u32::try_from(HANDSHAKE_HEAD_MAX).unwrap_or(u32::MAX))
            .max_send_buf_size(PIPE_MAX)
            .keep_alive_interval(FLEET_PING)
            .keep_alive_timeout(FLEET_PONG)
            // The first call is there before anything else, but nothing says that it stays.
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok((Self { sender }, Box::pin(connection)))
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}
