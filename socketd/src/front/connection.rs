//! One client's connection: HTTP/1.1 with keep-alive, under limits.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use crate::docker::error::ApiError;
use crate::ending::Ending;
use crate::limits::{CONNECTION_BUFFER_BYTES_MAX, IDLE_MAX};
use crate::policy::browser::{Foreign, Guard};
use crate::routes::Entry;

/// What a connection meets behind its listener.
pub(super) struct Inside {
    pub(super) entry: Arc<Entry>,
    /// Who may ask; none where everybody who can connect may.
    pub(super) guard: Option<Guard>,
    pub(super) ending: Ending,
    /// Held as long as the connection lives.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Serves one connection to its end. What is no HTTP is answered 400 and closed by the library;
/// a client that breaks off is no event worth a line of log. The stream has patience already, at its
/// lowest layer.
pub(super) async fn serve<S>(stream: S, inside: Inside)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Inside {
        entry,
        guard,
        mut ending,
        permit: _permit,
    } = inside;
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let entry = Arc::clone(&entry);
        let verdict = guard
            .as_ref()
            .map_or(Ok(()), |guard| guard.judge(request.uri(), request.headers()));
        async move {
            Ok::<_, Infallible>(match verdict {
                Ok(()) => entry.answer(request.map(Body::new)).await,
                Err(foreign) => refuse(&entry, foreign),
            })
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_MAX)
            .max_buf_size(CONNECTION_BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
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

fn refuse(entry: &Entry, foreign: Foreign) -> Response {
    // A page can ask without end: not at a level that fills a log.
    tracing::debug!(?foreign, "a request is refused");
    entry.refuse(ApiError::forbidden(foreign.sentence()))
}
