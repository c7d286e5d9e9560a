//! The agent that is dialled: HTTP or HTTPS with a token, a few paths of its own, and Docker behind all others.

mod crowd;
mod door;
mod own;
mod proxy;
mod tls;
mod waiting;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::compose::Runner;
use super::identity::Identity;
use super::{HawserError, Role, Settings, Token, access, audit};
use crate::docker::Docker;
use crate::limits;
use crowd::{Crowd, Seat};
use door::{Door, Entrance};

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
    let tls = tls::acceptor(settings.tls_cert.as_deref(), settings.tls_key.as_deref())?;
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

/// Accepts until `stop` comes, and then lets what was asked be answered, for a while.
async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    agent: Arc<Agent>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let (end, ending) = watch::channel(false);
    let crowd = Arc::new(Crowd::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.as_mut() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No descriptors are left, most often: a moment later there may be some again.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = Crowd::admit(&crowd, peer.ip()) else {
            tracing::debug!(%peer, "too many connections");
            continue;
        };
        let (agent, tls, ending) = (Arc::clone(&agent), tls.clone(), ending.clone());
        connections.spawn(async move { connection(stream, peer, tls, agent, Arc::new(seat), ending).await });
    }
    drop(listener);
    let _ = end.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(limits::DRAIN, drained).await.is_err() {
        tracing::info!("requests that still go on are cut off");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    agent: Arc<Agent>,
    seat: Arc<Seat>,
    ending: watch::Receiver<bool>,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, "a connection is gone already");
        return;
    }
    let visit = Visit { peer, agent, seat };
    match tls {
        None => visit.serve(stream, ending).await,
        Some(tls) => match timeout(limits::TLS_HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => visit.serve(stream, ending).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no handshake"),
            Err(_late) => tracing::debug!(%peer, "a client does not finish its handshake"),
        },
    }
}

/// Answers are small or stream: waiting to fill a packet only delays. The kernel finds out who is gone.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, limits::KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, limits::KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, limits::KEEPALIVE_PROBES)?;
    Ok(())
}

/// Somebody who is connected.
#[derive(Debug, Clone)]
struct Visit {
    peer: SocketAddr,
    agent: Arc<Agent>,
    /// Held as long as anything of the connection lives.
    seat: Arc<Seat>,
}

impl Visit {
    async fn serve<S>(self, stream: S, mut ending: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = self.peer;
        let service = service_fn(move |request| {
            let visit = self.clone();
            async move { Ok::<_, Infallible>(visit.answer(request).await) }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits::HEAD)
                .max_buf_size(limits::CONNECTION_BUFFER_MAX)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
        );
        let told = async { ending.wait_for(|ending| *ending).await.is_ok() };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = told => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let agent = &self.agent;
        match agent.door.judge(self.peer.ip(), &request) {
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
        let response = match access::judge(agent.role, &method, &target) {
            Err(denied) => closing(message(StatusCode::FORBIDDEN, &denied.to_string())),
            Ok(()) => match target
                .split('?')
                .next()
                .and_then(|path| path.strip_prefix("/_hawser/"))
            {
                Some(name) => own::answer(agent, name, request).await,
                None => proxy::answer(&self, request).await,
            },
        };
        audit::request(&method, &target, response.status().as_u16());
        response
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
