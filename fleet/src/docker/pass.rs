//! What is asked of Docker through us: requests and answers pass as they are, piece by piece.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{Answer, DockerError, waiting};
use crate::limits;

/// What concerns one connection alone. `Expect` is answered by whoever reads the body, which is us; a `Host` is ours.
const OF_ONE_HOP: &[HeaderName] = &[
    CONNECTION,
    EXPECT,
    HOST,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What whoever asked gets.
pub type Passed = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// Asks Docker what is asked here, by `send`, and gives what it answers; an upgrade too. `usual` bounds what neither
/// streams nor waits. `held` is kept until the answer, or the stream that comes of it, has ended; such a stream ends with
/// `until` as well.
///
/// # Errors
/// What `send` says; [`DockerError::Late`] and [`DockerError::Stream`].
pub async fn pass<B, S, A, E, H, U>(
    mut request: Request<B>,
    usual: Duration,
    held: H,
    until: U,
    send: S,
) -> Result<Passed, E>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    S: FnOnce(Request<super::Body>) -> A,
    A: Future<Output = Result<Answer, E>>,
    E: From<DockerError>,
    H: Send + Unpin + 'static,
    U: Future<Output = ()> + Send + 'static,
{
    let wanted = upgrade(request.headers());
    // Taken before the request is: whoever asks for an upgrade gets it when the answer says so.
    let ours = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
    let bound = {
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        waiting::bound(request.method(), target, usual)
    };
    let sent = send(forwarded(request, wanted));
    let answer = match bound {
        None => sent.await?,
        Some(bound) => timeout(bound, sent)
            .await
            .unwrap_or_else(|_late| Err(DockerError::Late(bound).into()))?,
    };
    match ours {
        _ if answer.status() != StatusCode::SWITCHING_PROTOCOLS => Ok(passed(answer, held)),
        Some(ours) => Ok(switch(answer, ours, held, until)),
        None => Err(DockerError::Stream.into()),
    }
}

/// What a request wants its connection to become.
fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_meant = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| is_meant).cloned()
}

/// The request as Docker gets it: with the same target and body.
fn forwarded<B>(request: Request<B>, wanted: Option<HeaderValue>) -> Request<super::Body>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut parts, body) = request.into_parts();
    // A target with a host in it is how proxies are asked; Docker is none.
    let target = parts.uri.path_and_query().cloned();
    parts.uri = target.map_or_else(hyper::Uri::default, hyper::Uri::from);
    parts.headers = end_to_end(parts.headers);
    parts.extensions.clear();
    if let Some(wanted) = wanted {
        parts
            .headers
            .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(UPGRADE, wanted);
    }
    Request::from_parts(parts, body.map_err(io::Error::other).boxed_unsync())
}

/// The answer as whoever asked gets it.
fn passed<H: Send + Unpin + 'static>(answer: Answer, held: H) -> Passed {
    let (mut parts, body) = answer.into_parts();
    parts.headers = end_to_end(parts.headers);
    parts.extensions.clear();
    Response::from_parts(parts, Held { body, held }.boxed_unsync())
}

/// A body, and what is kept as long as it.
struct Held<H> {
    body: Incoming,
    #[allow(dead_code, reason = "dropping it is what it is for")]
    held: H,
}

impl<H: Unpin> Body for Held<H> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Headers without those that concern one connection alone.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(OF_ONE_HOP) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    headers
}

/// Says that the connection becomes a stream, and then copies both ways until both have ended. An end of one way is
/// passed on, and the other goes on.
fn switch<H, U>(mut answer: Answer, ours: OnUpgrade, held: H, until: U) -> Passed
where
    H: Send + 'static,
    U: Future<Output = ()> + Send + 'static,
{
    let theirs = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let _held = held;
        let both = timeout(limits::UPGRADE, async { tokio::try_join!(ours, theirs) }).await;
        let Ok(Ok((ours, theirs))) = both else {
            tracing::debug!("a connection ended before it became a stream");
            return;
        };
        let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
        tokio::select! {
            copied = tokio::io::copy_bidirectional(&mut ours, &mut theirs) => {
                if let Err(error) = copied {
                    tracing::debug!(%error, "a stream broke off");
                }
            }
            () = until => {}
        }
    });
    let upgrade = answer.headers().get(UPGRADE).cloned();
    let (mut parts, _) = answer.into_parts();
    parts.headers = end_to_end(parts.headers);
    parts.extensions.clear();
    let upgrade = upgrade.unwrap_or_else(|| HeaderValue::from_static("tcp"));
    parts
        .headers
        .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    parts.headers.insert(UPGRADE, upgrade);
    Response::from_parts(parts, Empty::new().map_err(|never| match never {}).boxed_unsync())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_is_meant_for_one_hop_stays() {
        let given = headers(&[
            ("Host", "agent:2376"),
            ("Connection", "keep-alive, X-Mine"),
            ("Connection", "upgrade"),
            ("Upgrade", "tcp"),
            ("Keep-Alive", "5"),
            ("X-Mine", "1"),
            ("Te", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Expect", "100-continue"),
            ("Content-Length", "5"),
            ("X-Registry-Auth", "e30="),
            ("Via", "a"),
            ("Via", "b"),
        ]);
        let expected = headers(&[
            ("Content-Length", "5"),
            ("X-Registry-Auth", "e30="),
            ("Via", "a"),
            ("Via", "b"),
        ]);
        assert_eq!(end_to_end(given), expected);
    }

    #[test]
    fn upgrades() {
        let check = |lines: &[(&str, &str)], expected: Option<&str>| {
            let seen = upgrade(&headers(lines));
            assert_eq!(
                seen.as_ref().map(|value| value.to_str().unwrap()),
                expected,
                "{lines:?}"
            );
        };
        check(&[("Connection", "Upgrade"), ("Upgrade", "tcp")], Some("tcp"));
        check(
            &[("Connection", "keep-alive, upgrade"), ("Upgrade", "h2c")],
            Some("h2c"),
        );
        check(&[("Upgrade", "tcp")], None);
        check(&[("Connection", "Upgrade")], None);
        check(&[("Connection", "close"), ("Upgrade", "tcp")], None);
    }
}
