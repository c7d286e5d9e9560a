//! Docker's part of what is asked: requests and answers pass as they are, piece by piece.

use std::io;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::crowd::Seat;
use super::door::TOKEN_HEADER;
use super::{Body, Visit, message, waiting};
use crate::docker::{self, Answer, DockerError};
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

/// Asks Docker, and gives what it answers.
pub(super) async fn answer(visit: &Visit, mut request: Request<Incoming>) -> Response<Body> {
    let agent = &visit.agent;
    let wanted = upgrade(request.headers());
    // Taken before the request is: whoever asks for an upgrade gets it when the answer says so.
    let ours = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
    let bound = {
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        waiting::bound(request.method(), target, agent.request_timeout)
    };
    let sent = agent.docker.send(forwarded(request, wanted));
    let answer = match bound {
        None => sent.await,
        Some(bound) => timeout(bound, sent)
            .await
            .unwrap_or(Err(DockerError::Late(bound))),
    };
    match (answer, ours) {
        (Ok(answer), Some(ours)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            switch(answer, ours, Arc::clone(&visit.seat))
        }
        (Ok(answer), _) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => message(
            StatusCode::BAD_GATEWAY,
            "Docker made a stream of what was a request",
        ),
        (Ok(answer), _) => passed(answer),
        (Err(error), _) => {
            tracing::debug!(%error, "no answer of Docker's");
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_GATEWAY);
            message(status, &error.to_string())
        }
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
fn forwarded(request: Request<Incoming>, wanted: Option<HeaderValue>) -> Request<docker::Body> {
    let (mut parts, body) = request.into_parts();
    // A target with a host in it is how proxies are asked; Docker is none.
    let target = parts.uri.path_and_query().cloned();
    parts.uri = target.map_or_else(hyper::Uri::default, hyper::Uri::from);
    parts.headers = end_to_end(parts.headers);
    parts.headers.remove(TOKEN_HEADER);
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
fn passed(answer: Answer) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    parts.headers = end_to_end(parts.headers);
    parts.extensions.clear();
    Response::from_parts(parts, body.boxed_unsync())
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
fn switch(mut answer: Answer, ours: OnUpgrade, seat: Arc<Seat>) -> Response<Body> {
    let theirs = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let _seat = seat;
        let both = timeout(limits::UPGRADE, async { tokio::try_join!(ours, theirs) }).await;
        let Ok(Ok((ours, theirs))) = both else {
            tracing::debug!("a connection ended before it became a stream");
            return;
        };
        let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
        if let Err(error) = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await {
            tracing::debug!(%error, "a stream broke off");
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
    Response::from_parts(parts, super::whole(""))
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
