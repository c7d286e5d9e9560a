//! Reaching a node's Docker: a request is a stream of its own.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::opening::Opening;
use crate::coordinator::{Lines, Route, Routing, TunnelError};
use crate::docker::{self, Answer, DockerError, Upgraded};
use crate::limits;

/// Both ways of a stream of bytes.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A stream to a node's Docker, or why there is none, once that is known.
pub type Dialled<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Duplex>, TunnelError>> + Send + 'a>>;

/// What streams to nodes come from.
pub trait Reach: std::fmt::Debug + Send + Sync {
    /// A stream to the Docker socket of this node, where `first` is written before anything else.
    fn dial<'a>(&'a self, node_id: &'a str, first: Bytes) -> Dialled<'a>;

    /// Ends the node's connection, if it has one: its owner does not want it any more.
    fn shut_out(&self, node_id: &str);
}

impl Reach for Lines {
    fn dial<'a>(&'a self, node_id: &'a str, first: Bytes) -> Dialled<'a> {
        Box::pin(async move {
            match self.route(node_id) {
                Route::Here(line) => {
                    let stream = line.dial(first).await?;
                    Ok(Box::new(stream) as Box<dyn Duplex>)
                }
                // One coordinator knows of no other.
                Route::Elsewhere(_) | Route::Nowhere => Err(TunnelError::NotConnected),
            }
        })
    }

    fn shut_out(&self, node_id: &str) {
        self.revoke(node_id);
    }
}

/// Why a node's Docker gave no answer.
#[derive(Debug)]
pub enum ReachError {
    /// There is no stream to it.
    Tunnel(TunnelError),
    /// There is, and Docker did not answer, or said no.
    Docker(DockerError),
}

impl From<TunnelError> for ReachError {
    fn from(error: TunnelError) -> Self {
        Self::Tunnel(error)
    }
}

impl From<DockerError> for ReachError {
    fn from(error: DockerError) -> Self {
        Self::Docker(error)
    }
}

impl From<hyper::Error> for ReachError {
    fn from(error: hyper::Error) -> Self {
        Self::Docker(error.into())
    }
}

/// The Docker of one node.
#[derive(Debug, Clone, Copy)]
pub struct Far<'a> {
    reach: &'a dyn Reach,
    node_id: &'a str,
}

impl<'a> Far<'a> {
    /// That of this node.
    pub fn new(reach: &'a dyn Reach, node_id: &'a str) -> Self {
        Self { reach, node_id }
    }

    /// Sends a request, and gives the answer as soon as its head is there, whatever its status.
    ///
    /// # Errors
    /// There is no stream, or it broke off.
    pub async fn send(&self, request: Request<docker::Body>) -> Result<Answer, ReachError> {
        let (opening, opener) = Opening::new();
        let mut exchanged = pin!(docker::exchange(opening, request));
        let dialled = async {
            let Ok(first) = opener.first.await else {
                // It has ended before; its error says so.
                return std::future::pending().await;
            };
            let stream = self.reach.dial(self.node_id, first).await?;
            // Where the request has ended meanwhile, so does the stream.
            let _ = opener.stream.send(stream);
            Ok::<(), ReachError>(())
        };
        tokio::select! {
            answer = exchanged.as_mut() => return Ok(answer?),
            dialled = dialled => dialled?,
        }
        Ok(exchanged.await?)
    }

    /// Sends a request, and gives a good answer; 304 is one, for then it is so already.
    ///
    /// # Errors
    /// As [`Far::send`]; [`DockerError::Refused`], and [`DockerError::Late`] where its head takes longer than `bound`.
    pub async fn order(
        &self,
        request: Request<docker::Body>,
        bound: Option<Duration>,
    ) -> Result<Answer, ReachError> {
        let sent = self.send(request);
        let answer = match bound {
            None => sent.await?,
            Some(bound) => timeout(bound, sent)
                .await
                .map_err(|_late| DockerError::Late(bound))??,
        };
        if answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED {
            Ok(answer)
        } else {
            Err(docker::refused(answer).await.into())
        }
    }

    /// Sends a request, and reads what a good answer says.
    ///
    /// # Errors
    /// As [`Far::order`]; [`DockerError::Shape`], [`DockerError::TooLarge`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        request: Request<docker::Body>,
        bound: Duration,
    ) -> Result<T, ReachError> {
        let asked = async {
            let answer = self.order(request, None).await?;
            let body = docker::collect(answer.into_body(), limits::DOCKER_ANSWER_MAX).await?;
            Ok(serde_json::from_slice(&body).map_err(DockerError::Shape)?)
        };
        timeout(bound, asked)
            .await
            .map_err(|_late| DockerError::Late(bound))?
    }

    /// Sends a request for a stream of bytes, and gives that.
    ///
    /// # Errors
    /// As [`Far::order`].
    pub async fn upgrade(
        &self,
        request: Request<docker::Body>,
        bound: Duration,
    ) -> Result<Upgraded, ReachError> {
        let asked = async {
            let answer = self.send(docker::wanting_upgrade(request)).await?;
            Ok(docker::upgraded(answer).await?)
        };
        timeout(bound, asked)
            .await
            .map_err(|_late| DockerError::Late(bound))?
    }
}

/// A request without a body.
pub fn plain(method: Method, target: &str) -> Request<docker::Body> {
    let mut request = Request::new(docker::empty());
    *request.method_mut() = method;
    *request.uri_mut() = target.parse().unwrap_or_default();
    request
}

/// One with JSON in it.
pub fn with_json(method: Method, target: &str, body: &serde_json::Value) -> Request<docker::Body> {
    let mut request = plain(method, target);
    *request.body_mut() = docker::full(body.to_string());
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    request
}

/// Time for what does not stream.
pub const USUAL: Duration = limits::API_REQUEST;
