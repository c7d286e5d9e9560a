//! Who may ask at all.

use std::net::IpAddr;

use hyper::header::{HOST, ORIGIN};
use hyper::{Method, Request, StatusCode};

use crate::dial;
use crate::front::failures::Failures;
use crate::hawser::Token;

/// The header with the token.
pub(super) const TOKEN_HEADER: &str = "x-hawser-token";

/// Tells who may ask.
#[derive(Debug)]
pub(super) struct Door {
    token: Option<Token>,
    /// Nobody but this machine can reach us.
    is_local: bool,
    failures: Failures,
}

/// Whether a request may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entrance {
    /// It may.
    Open,
    /// It shows no token, or a wrong one, or too many of those came: a status and a line, as Hawser has them.
    Closed(StatusCode, &'static str),
    /// A page in a browser had it made, where no token would tell that its user wants it.
    Foreign(&'static str),
}

impl Door {
    /// Behind which this token is asked for; none where everybody may come in. `listening` is where we listen.
    pub(super) fn new(token: Option<Token>, listening: IpAddr) -> Self {
        Self {
            token,
            is_local: listening.to_canonical().is_loopback(),
            failures: Failures::default(),
        }
    }

    /// Whether a request from `peer` may come in.
    pub(super) fn judge<B>(&self, peer: IpAddr, request: &Request<B>) -> Entrance {
        let is_asked = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_asked && request.uri().path() == "/_hawser/health" {
            return Entrance::Open;
        }
        let Some(token) = &self.token else {
            return self.judge_open(request);
        };
        if self.failures.is_barred(peer) {
            return Entrance::Closed(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        let shown = request.headers().get(TOKEN_HEADER);
        if shown.is_some_and(|shown| token.is(shown.as_bytes())) {
            return Entrance::Open;
        }
        self.failures.count(peer);
        tracing::warn!(%peer, has_token = shown.is_some(), "a request without the right token");
        Entrance::Closed(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    /// Without a token any page in a browser of this machine could ask, and whoever names this machine in a domain of
    /// theirs could read the answers too.
    fn judge_open<B>(&self, request: &Request<B>) -> Entrance {
        if request.headers().contains_key(ORIGIN) {
            return Entrance::Foreign("pages in a browser may not ask here: set a token");
        }
        let host = request
            .headers()
            .get(HOST)
            .map(|host| host.to_str().unwrap_or("?"));
        if self.is_local && !host.is_none_or(is_local) {
            return Entrance::Foreign(
                "this agent is known as localhost or by its address: set a token for other names",
            );
        }
        Entrance::Open
    }
}

/// Whether a `Host` is this machine by a name that nobody else can give it, or an address.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = dial::bare(name);
    // The `docker` command writes one of these names where it has a socket or an address.
    let is_known = ["", "localhost", "docker", "api.moby.localhost"]
        .iter()
        .any(|known| bare.eq_ignore_ascii_case(known));
    is_known || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{FAILURES_MAX, FAILURES_PERIOD};

    const LOOPBACK: &str = "127.0.0.1";

    fn ask(target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn seen(door: &Door, peer: &str, request: &Request<()>) -> u16 {
        match door.judge(peer.parse().unwrap(), request) {
            Entrance::Open => 200,
            Entrance::Closed(status, _) => status.as_u16(),
            Entrance::Foreign(_) => 403,
        }
    }

    #[test]
    fn tokens() {
        let check = |target: &str, headers: &[(&str, &str)], expected: u16| {
            let door = Door::new(Some("right".parse().unwrap()), LOOPBACK.parse().unwrap());
            assert_eq!(
                seen(&door, "192.0.2.1", &ask(target, headers)),
                expected,
                "{target} {headers:?}"
            );
        };
        check("/info", &[("X-Hawser-Token", "right")], 200);
        check("/info", &[("X-Hawser-Token", "wrong")], 401);
        check("/info", &[("X-Hawser-Token", "")], 401);
        check("/info", &[], 401);
        // What stands in a URL stands in logs.
        check("/info?token=right", &[], 401);
        check("/info", &[("Authorization", "Bearer right")], 401);
        check("/_hawser/health", &[], 200);
        check("/_hawser/health?x", &[], 200);
        check("/_hawser/info", &[], 401);
        check("/_hawser/health/../info", &[], 401);
        // Who knows the token may be a page, too.
        check(
            "/info",
            &[("X-Hawser-Token", "right"), ("Origin", "http://x")],
            200,
        );
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_is_barred_for_a_while() {
        let door = Door::new(Some("right".parse().unwrap()), LOOPBACK.parse().unwrap());
        let (right, wrong) = (
            ask("/info", &[("X-Hawser-Token", "right")]),
            ask("/info", &[("X-Hawser-Token", "wrong")]),
        );
        for _ in 0..FAILURES_MAX {
            assert_eq!(seen(&door, "192.0.2.1", &wrong), 401);
        }
        assert_eq!(seen(&door, "192.0.2.1", &wrong), 429);
        // Else whoever guesses would still learn when it is the right one.
        assert_eq!(seen(&door, "192.0.2.1", &right), 429);
        assert_eq!(seen(&door, "192.0.2.2", &right), 200);
        tokio::time::advance(FAILURES_PERIOD).await;
        assert_eq!(seen(&door, "192.0.2.1", &wrong), 401);
        assert_eq!(seen(&door, "192.0.2.1", &right), 200);
    }

    #[test]
    fn without_a_token() {
        let check = |listening: &str, headers: &[(&str, &str)], expected: u16| {
            let door = Door::new(None, listening.parse().unwrap());
            assert_eq!(
                seen(&door, LOOPBACK, &ask("/info", headers)),
                expected,
                "{listening} {headers:?}"
            );
        };
        check(LOOPBACK, &[("Host", "127.0.0.1:2376")], 200);
        check(LOOPBACK, &[("Host", "[::1]:2376")], 200);
        check(LOOPBACK, &[("Host", "::1")], 200);
        check(LOOPBACK, &[("Host", "LocalHost:2376")], 200);
        check(LOOPBACK, &[("Host", "")], 200);
        check(LOOPBACK, &[], 200);
        check(LOOPBACK, &[("Host", "evil.example:2376")], 403);
        check(LOOPBACK, &[("Host", "localhost.evil.example")], 403);
        check(LOOPBACK, &[("Host", "127.0.0.1.evil.example")], 403);
        check(LOOPBACK, &[("Host", "localhost"), ("Origin", "null")], 403);
        check("0.0.0.0", &[("Host", "hawser:2376")], 200);
        check(
            "0.0.0.0",
            &[("Host", "hawser:2376"), ("Origin", "http://evil.example")],
            403,
        );
    }
}
