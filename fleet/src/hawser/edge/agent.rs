//! What every connection works with.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Uri};
use tokio::sync::Semaphore;

use super::socket::{Room, Spool};
use crate::access::{self, Role, audit};
use crate::docker::{Body, Docker, DockerError, empty, full};
use crate::hawser::compose::Runner;
use crate::hawser::message::{self, RequestBody};
use crate::limits;

/// What every connection works with.
#[derive(Debug)]
pub(super) struct Agent {
    /// Where containers are.
    pub(super) docker: Docker,
    /// Runs compose.
    pub(super) runner: Runner,
    /// What the server may ask for.
    pub(super) role: Role,
    /// Whether the server is told of disks.
    pub(super) has_disk: bool,
    /// What a request may take that does not stream.
    pub(super) request_timeout: Duration,
    /// Where large answers wait.
    pub(super) room: Room,
    /// Requests that do not stream and that Docker has.
    pub(super) at_once: Semaphore,
}

/// Something asked of Docker, and its body where that is too large for memory.
#[derive(Debug)]
pub(super) struct Asked {
    /// It.
    pub(super) request: message::Request,
    /// Its body, to be read from where it is.
    pub(super) spool: Option<Spool>,
}

/// Why there is no answer of Docker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// For the server.
    pub(super) status: u16,
    /// For people.
    pub(super) message: String,
}

impl Failure {
    /// With this status and text.
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// As Docker would say it.
    pub(super) fn body(&self) -> String {
        serde_json::json!({ "message": self.message }).to_string()
    }
}

impl From<DockerError> for Failure {
    fn from(error: DockerError) -> Self {
        match &error {
            // Docker's own no is Docker's own status.
            DockerError::Refused(status @ 400..=599, text) => Self::new(*status, text.clone()),
            DockerError::Broken(broken) if broken.is_user() => {
                Self::new(400, "the body of the request is not what it says it is")
            }
            _ => Self::new(error.status(), error.to_string()),
        }
    }
}

/// What the log is told of a request that changes something.
#[derive(Debug)]
pub(super) struct Change {
    method: String,
    path: String,
}

impl Change {
    /// Of a request that is about to be asked.
    pub(super) fn of(request: &message::Request) -> Self {
        Self {
            method: request.method.clone(),
            path: request.path.clone(),
        }
    }

    /// Tells of it, and of the status that came of it.
    pub(super) fn tell(&self, status: u16) {
        if let Ok(method) = Method::from_bytes(self.method.as_bytes()) {
            audit::request(&method, &self.path, status);
        }
    }
}

/// Headers that are one connection's alone, or that the connection to Docker makes itself.
const NOT_PASSED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-hawser-token",
    // Bodies pass as they are; what is packed could not be told from what is no text.
    "accept-encoding",
];

impl Asked {
    /// As it goes to Docker, if `role` has it.
    ///
    /// # Errors
    /// It is no request, or not this role's.
    pub(super) fn into_http(self, role: Role) -> Result<Request<Body>, Failure> {
        let Self { request, spool } = self;
        let bad = |what: &str| Failure::new(400, format!("this is no request: {what}"));
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| bad("its method"))?;
        let uri = target(&request.path).ok_or_else(|| bad("its path"))?;
        access::judge(role, &method, &uri.to_string())
            .map_err(|denied| Failure::new(403, denied.to_string()))?;
        let is_json = matches!(request.body, RequestBody::Json(_));
        let body = match (request.body, spool) {
            (RequestBody::Base64(_), Some(spool)) => spooled(spool, true),
            (_, Some(spool)) => spooled(spool, false),
            (RequestBody::None, None) => empty(),
            (RequestBody::Json(text) | RequestBody::Text(text), None) => full(text),
            (RequestBody::Base64(text), None) => {
                let bytes = STANDARD.decode(text);
                full(bytes.map_err(|error| bad(&format!("its body is no base64: {error}")))?)
            }
        };
        let mut http = Request::new(body);
        *http.method_mut() = method;
        *http.uri_mut() = uri;
        *http.headers_mut() = headers(&request.headers);
        if is_json {
            let json = HeaderValue::from_static("application/json");
            http.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
        }
        Ok(http)
    }
}

fn headers(given: &BTreeMap<String, String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value))
            && !NOT_PASSED.contains(&name.as_str())
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// A path and a query; what may not stand in one as it is, is written as `%41`.
fn target(path: &str) -> Option<Uri> {
    if !path.starts_with('/') {
        return None;
    }
    let mut plain = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            0x21..0x7F if !b"\"<>\\^`{|}".contains(&byte) => plain.push(char::from(byte)),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    PathAndQuery::try_from(plain).ok().map(Uri::from)
}

/// What is in a file, as a body.
fn spooled(spool: Spool, is_base64: bool) -> Body {
    let pieces = stream::try_unfold(spool, move |mut spool| async move {
        // A multiple of four: pieces of base64 can then be read for themselves.
        let mut piece = vec![0; limits::FRAGMENT];
        let count = spool.read(&mut piece).await?;
        piece.truncate(count);
        if piece.is_empty() {
            return Ok(None);
        }
        if is_base64 {
            let bytes = STANDARD.decode(&piece);
            piece = bytes.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        Ok(Some((Frame::data(Bytes::from(piece)), spool)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(
                target(path).map(|uri| uri.to_string()).as_deref(),
                expected,
                "{path}"
            );
        };
        check("/info", Some("/info"));
        check("/containers/json?all=true", Some("/containers/json?all=true"));
        check("/x?filters=%7B%22a%22%7D", Some("/x?filters=%7B%22a%22%7D"));
        check(
            "/x?filters={\"a\":[\"b c\"]}",
            Some("/x?filters=%7B%22a%22:[%22b%20c%22]%7D"),
        );
        check("/ä", Some("/%C3%A4"));
        check("/a\r\nHost: b", Some("/a%0D%0AHost:%20b"));
        check("//evil/x", Some("//evil/x"));
        check("http://evil/x", None);
        check("info", None);
        check("", None);
    }

    #[test]
    fn passed_headers() {
        let check = |name: &str, expected: bool| {
            let given = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
            assert_eq!(headers(&given).len(), usize::from(expected), "{name}");
        };
        check("Content-Type", true);
        check("X-Registry-Auth", true);
        check("Upgrade", false);
        check("connection", false);
        check("HOST", false);
        check("Transfer-Encoding", false);
        check("Content-Length", false);
        check("X-Hawser-Token", false);
        check("a b", false);
        check("", false);
    }
}
