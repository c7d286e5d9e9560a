//! One client's connection: HTTP/1.1 with keep-alive, under limits.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::http::header::{CONNECTION, TRANSFER_ENCODING};
use axum::http::{HeaderValue, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::admission::Admission;
use super::answer::Answer;
use crate::docker::error::ApiError;
use crate::ending::Ending;
use crate::limits::{FIRST_HEAD_AT_END_MAX, HEAD_LINES_MAX};
use crate::patience::{Head, Patience};
use crate::policy::browser::{Foreign, Guard};
use crate::policy::caller::Recognition;
use crate::routes::Entry;

/// What a connection meets behind its listener.
pub(super) struct Inside {
    pub(super) entry: Arc<Entry>,
    /// Who may ask; none where everybody who can connect may.
    pub(super) guard: Option<Guard>,
    /// Who asks, once a request tells.
    pub(super) recognition: Recognition,
    pub(super) ending: Ending,
    /// How far the client is with what it asks.
    pub(super) head: Arc<Head>,
    /// Held as long as the connection lives.
    pub(super) admission: Admission,
}

impl Inside {
    /// The stream with patience that has an end.
    pub(super) fn patience<S>(&self, stream: S) -> Patience<S> {
        Patience::new(stream, self.entry.limits().write_stall()).hearing(Arc::clone(&self.head))
    }
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
        recognition,
        mut ending,
        head,
        admission: _admission,
    } = inside;
    let limits = *entry.limits();
    let heads = Arc::clone(&head);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        head.answer();
        request.extensions_mut().insert(recognition.source());
        let head = Arc::clone(&head);
        let entry = Arc::clone(&entry);
        let foreign = guard
            .as_ref()
            .and_then(|guard| guard.judge(request.uri(), request.headers()).err());
        let caller = match foreign {
            Some(foreign) => Err(refusal(foreign)),
            None => recognition.caller(request.headers()),
        };
        let chunked = request.headers().contains_key(TRANSFER_ENCODING);
        async move {
            let mut response = match caller {
                Ok(caller) => entry.answer(&caller, request.map(Body::new)).await,
                Err(error) => entry.refuse(error),
            };
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                head.take_over();
            } else if chunked {
                // Whoever stands before us may have taken the body's end for another place, by a length that
                // the library has dropped: then what follows is no request of theirs.
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| Answer::new(body, head)))
        }
    });
    let mut http = http1::Builder::new();
    if limits.head_lines() != HEAD_LINES_MAX {
        // For so many the library has room ready; for another number it makes some with every request.
        http.max_headers(limits.head_lines());
    }
    let mut connection = pin!(
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.idle())
            .max_buf_size(limits.head_bytes())
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ending.told() => {
            match first_head(connection.as_mut(), &heads).await {
                Ok(None) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
                Ok(Some(ended)) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Lets a client that has just connected ask, for that it was us who accepted is no reason to go without an answer. What
/// came of the connection, if it is over by then.
async fn first_head<C: Future>(
    mut connection: Pin<&mut C>,
    heads: &Head,
) -> Result<Option<C::Output>, Elapsed> {
    if !heads.is_due() {
        return Ok(None);
    }
    let asked = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if heads.is_due() => Poll::Pending,
        Poll::Pending => Poll::Ready(None),
    });
    timeout(FIRST_HEAD_AT_END_MAX, asked).await
}

fn refusal(foreign: Foreign) -> ApiError {
    // A page can ask without end: not at a level that fills a log.
    tracing::debug!(?foreign, "a request is refused");
    ApiError::forbidden(foreign.sentence())
}
