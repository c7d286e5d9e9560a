//! One client's connection: HTTP/1.1 with keep-alive, under limits.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use crate::ending::Ending;
use crate::limits::{CONNECTION_BUFFER_BYTES_MAX, IDLE_MAX, WRITE_STALL_MAX};
use crate::patience::Patience;
use crate::routes::Entry;

/// Serves one connection to its end. What is no HTTP is answered 400 and closed by the library;
/// a client that breaks off is no event worth a line of log.
pub(super) async fn serve<S>(stream: S, entry: Arc<Entry>, mut ending: Ending, _permit: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let entry = Arc::clone(&entry);
        async move { Ok::<_, Infallible>(entry.answer(request.map(Body::new)).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_MAX)
            .max_buf_size(CONNECTION_BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(Patience::new(stream, WRITE_STALL_MAX)), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ending.told() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
