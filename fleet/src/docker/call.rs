//! One request, one connection.

use std::io;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Address, DockerError};
use crate::limits;

/// What a request carries.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
/// What Docker answers. Dropping it ends the connection, and what Docker does for it.
pub type Answer = Response<Incoming>;
/// Both ends of a connection that became a stream of bytes.
pub type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is there as a whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// What `/version` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Of the engine; empty where it does not say.
    pub engine: String,
    /// Of the API, such as `1.51`; empty where it does not say.
    pub api: String,
}

/// A Docker-shaped socket. Each call is a connection of its own: on a unix socket one costs less than what would keep
/// a pool in order, and its end cancels the call.
#[derive(Debug, Clone)]
pub struct Docker {
    address: Address,
}

impl Docker {
    /// What is at `address`. Nothing is dialled yet.
    pub fn new(address: Address) -> Self {
        Self { address }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends `request`, whose target is a path with a query, and gives Docker's answer as soon as its head is there,
    /// whatever its status. There is no bound but the one for connecting: what streams has none.
    ///
    /// # Errors
    /// [`DockerError::Connect`] and [`DockerError::Broken`].
    pub async fn send(&self, request: Request<Body>) -> Result<Answer, DockerError> {
        exchange(self.dial().await?, request).await
    }

    /// Sends `request` with what asks for a stream of bytes, and gives that stream.
    ///
    /// # Errors
    /// As [`Docker::send`]; [`DockerError::Refused`] where Docker answers anything but 101.
    pub async fn upgrade(&self, request: Request<Body>) -> Result<Upgraded, DockerError> {
        upgraded(self.send(wanting_upgrade(request)).await?).await
    }

    /// Asks for `path` with `method` and a JSON body, and gives what a good answer says.
    ///
    /// # Errors
    /// As [`Docker::send`]; [`DockerError::Refused`] for a status that is no success, [`DockerError::Shape`],
    /// [`DockerError::TooLarge`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, DockerError> {
        let body = self.stream(request(method, path, body)).await?;
        serde_json::from_slice(&collect(body, limits::DOCKER_ANSWER_MAX).await?).map_err(DockerError::Shape)
    }

    /// Sends `request`, and gives the body of a good answer as it comes.
    ///
    /// # Errors
    /// As [`Docker::send`]; [`DockerError::Refused`] for a status that is no success.
    pub async fn stream(&self, request: Request<Body>) -> Result<Incoming, DockerError> {
        let answer = self.send(request).await?;
        if answer.status().is_success() {
            Ok(answer.into_body())
        } else {
            Err(refused(answer).await)
        }
    }

    /// Orders what is at `path` with `method`; a good answer has nothing more to say.
    ///
    /// # Errors
    /// As [`Docker::ask`].
    pub async fn order(&self, method: Method, path: &str) -> Result<(), DockerError> {
        self.stream(request(method, path, None)).await.map(drop)
    }

    /// Asks for `/version`.
    ///
    /// # Errors
    /// As [`Docker::ask`].
    pub async fn version(&self) -> Result<Version, DockerError> {
        let version: bollard_stubs::models::SystemVersion = self.ask(Method::GET, "/version", None).await?;
        Ok(Version {
            engine: version.version.unwrap_or_default(),
            api: version.api_version.unwrap_or_default(),
        })
    }
}

/// A request with a JSON body, or none.
fn request(method: Method, path: &str, body: Option<&serde_json::Value>) -> Request<Body> {
    let mut request = Request::new(body.map_or_else(empty, |body| full(body.to_string())));
    *request.method_mut() = method;
    // A path that is none asks for nothing that exists, and Docker says so.
    *request.uri_mut() = path.parse().unwrap_or_default();
    if body.is_some() {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
    }
    request
}

/// Sends `request` over a connection that is there, and gives the answer as soon as its head is there, whatever its
/// status. The connection is this request's alone, and ends with the answer.
///
/// # Errors
/// [`DockerError::Broken`].
pub async fn exchange<S>(stream: S, mut request: Request<Body>) -> Result<Answer, DockerError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Engines before 20.10 refuse a Host that is a path; an empty one is refused by proxies.
    let host = HeaderValue::from_static("docker");
    request.headers_mut().entry(HOST).or_insert(host);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer's body, whether read to its end or dropped.
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(request).await?)
}

/// A request, with what asks for a stream of bytes.
pub fn wanting_upgrade(mut request: Request<Body>) -> Request<Body> {
    let headers = request.headers_mut();
    headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(hyper::header::UPGRADE, HeaderValue::from_static("tcp"));
    request
}

/// The stream that such a request's answer stands for.
///
/// # Errors
/// [`DockerError::Refused`] where Docker answers anything but 101, [`DockerError::Broken`].
pub async fn upgraded(answer: Answer) -> Result<Upgraded, DockerError> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(answer).await);
    }
    Ok(TokioIo::new(hyper::upgrade::on(answer).await?))
}

/// The error that an answer stands for which is no success.
pub async fn refused(answer: Answer) -> DockerError {
    let status = answer.status().as_u16();
    match collect(answer.into_body(), limits::DOCKER_ANSWER_MAX).await {
        Ok(text) => DockerError::Refused(status, message(&text)),
        Err(error) => error,
    }
}

/// What an error's body says: its `message`, or all of it where it is no JSON.
fn message(body: &[u8]) -> String {
    serde_json::from_slice::<bollard_stubs::models::ErrorResponse>(body).map_or_else(
        |_| String::from_utf8_lossy(body).trim().to_owned(),
        |error| error.message,
    )
}

/// All of a body, of at most `max` bytes.
///
/// # Errors
/// [`DockerError::TooLarge`], [`DockerError::Broken`].
pub async fn collect(body: Incoming, max: usize) -> Result<Bytes, DockerError> {
    let whole = Limited::new(body, max).collect().await;
    whole
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => DockerError::Broken(*error),
            Err(error) => {
                debug_assert!(error.is::<LengthLimitError>(), "{error}");
                DockerError::TooLarge
            }
        })
}
