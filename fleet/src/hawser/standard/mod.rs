//! The agent that is dialled: HTTP or HTTPS with a token, a few paths of its own, and Docker behind all others.

mod door;
mod own;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::compose::Runner;
use super::identity::Identity;
use super::{HawserError, Settings, Token};
use crate::access::{self, Role, audit};
use crate::docker::{Docker, DockerError, pass};
use crate::front::crowd::Crowd;
use crate::front::tls::{self, Files, Strangers};
use crate::front::{self, Visitor};
use crate::limits;
use door::{Door, Entrance, TOKEN_HEADER};

/// What is answered: Docker's, as it comes, or our own.
type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// What every request meets.
#[derive(Debug)]
struct Agent {
    docker: Docker,
    identity: Identity,
    runner: Runner,
    role: Role,
    door: Door,
    request_timeout: std::time::Duration,
}

/// Listens, and serves until `stop` comes.
///
/// # Errors
/// [`HawserError`] when it cannot listen as it was asked to.
pub async fn run(
    settings: &Settings,
    token: Option<Token>,
    stop: impl Future<Output = ()>,
) -> Result<(), HawserError> {
    let tls = acceptor(settings)?;
    let docker = Docker::new(settings.docker()?);
    let mode = super::Mode::Standard(token.clone());
    let address = settings.listen(&mode);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| HawserError::Settings(format!("cannot listen on {address}: {error}")))?;
    let address = listener.local_addr().map_err(HawserError::System)?;
    let agent = Arc::new(Agent {
        identity: Identity::of(settings)?,
        runner: Runner::new(settings, &docker),
        role: settings.access,
        door: Door::new(token, address.ip()),
        request_timeout: settings.request_timeout.0,
        docker,
    });
    if let Err(error) = agent.docker.version().await {
        tracing::warn!(%error, "Docker is not there yet; whoever asks is told so until it is");
    }
    let is_secure = tls.is_some();
    tracing::info!(%address, is_secure, docker = %agent.docker.address(), "listening");
    serve(listener, tls, agent, stop).await;
    Ok(())
}

/// What shakes hands; none where no certificate is named, for then it is HTTP in the clear.
fn acceptor(settings: &Settings) -> Result<Option<TlsAcceptor>, HawserError> {
    let (Some(cert), Some(key)) = (settings.tls_cert.clone(), settings.tls_key.clone()) else {
        return Ok(None);
    };
    let files = Files {
        cert,
        key,
        client_ca: None,
    };
    let acceptor = tls::acceptor(&files, Strangers::Enter, b"http/1.1");
    acceptor
        .map(Some)
        .map_err(|error| HawserError::Settings(error.to_string()))
}

/// Accepts until `stop` comes, and then lets what was asked be answered, for a while.
async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    agent: Arc<Agent>,
    stop: impl Future<Output = ()>,
) {
    let crowd = Crowd::new(limits::CONNECTIONS_MAX, limits::CONNECTIONS_FROM_ONE_MAX);
    front::accept(listener, Arc::new(crowd), stop, |stream, visitor, ending| {
        let (agent, tls) = (Arc::clone(&agent), tls.clone());
        async move {
            let peer = visitor.peer;
            let answer = move |visitor, request| Arc::clone(&agent).answer(visitor, request);
            match tls {
                None => front::http(stream, visitor, ending, answer).await,
                Some(tls) => match timeout(limits::TLS_HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => front::http(stream, visitor, ending, answer).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no handshake"),
                    Err(_late) => tracing::debug!(%peer, "a client does not finish its handshake"),
                },
            }
        }
    })
    .await;
}

impl Agent {
    async fn answer(self: Arc<Self>, visitor: Visitor, request: Request<Incoming>) -> Response<Body> {
        match self.door.judge(visitor.peer.ip(), &request) {
            Entrance::Open => {}
            Entrance::Closed(status, text) => return closing(plain(status, text)),
            Entrance::Foreign(text) => return closing(message(StatusCode::FORBIDDEN, text)),
        }
        let method = request.method().clone();
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let target = target.to_owned();
        let response = match access::judge(self.role, &method, &target) {
            Err(denied) => closing(message(StatusCode::FORBIDDEN, &denied.to_string())),
            Ok(()) => match target
                .split('?')
                .next()
                .and_then(|path| path.strip_prefix("/_hawser/"))
            {
                Some(name) => own::answer(&self, name, request).await,
                None => self.pass(visitor, request).await,
            },
        };
        audit::request(&method, &target, response.status().as_u16());
        response
    }

    /// What Docker says to a request that may be made.
    async fn pass(&self, visitor: Visitor, mut request: Request<Incoming>) -> Response<Body> {
        request.headers_mut().remove(TOKEN_HEADER);
        // The token is the same as long as the agent runs.
        let until = std::future::pending();
        let passed = pass::pass(request, self.request_timeout, visitor.seat, until, |request| {
            self.docker.send(request)
        });
        passed.await.unwrap_or_else(|error: DockerError| {
            tracing::debug!(%error, "no answer of Docker's");
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_GATEWAY);
            message(status, &error.to_string())
        })
    }
}

/// A body that is there as a whole.
fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn with_type(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A line of text.
fn plain(status: StatusCode, text: &str) -> Response<Body> {
    with_type(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

/// An error as Docker writes them.
fn message(status: StatusCode, text: &str) -> Response<Body> {
    json(status, &serde_json::json!({ "message": text }))
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    with_type(status, "application/json", value.to_string())
}

/// What comes behind this answer on its connection is not read: a body that nobody wants may be.
fn closing(mut response: Response<Body>) -> Response<Body> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}
