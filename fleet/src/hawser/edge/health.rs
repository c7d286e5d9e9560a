//! What this machine can ask the agent: whether Docker is there, and the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::agent::Agent;
use crate::hawser::about;
use crate::hawser::identity::Identity;
use crate::limits;

/// As this mode is called.
const MODE: &str = "edge";

/// What can be told.
#[derive(Debug)]
pub(super) struct Health {
    /// Where Docker is.
    pub(super) agent: Arc<Agent>,
    /// Who this is.
    pub(super) identity: Identity,
    /// Whether the server has welcomed it.
    pub(super) is_connected: AtomicBool,
}

/// Answers on `address`. An agent whose port somebody else has is still an agent.
pub(super) async fn serve(address: SocketAddr, health: Arc<Health>) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%address, %error, "there is no health check");
            return;
        }
    };
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "the health check listens");
    }
    let room = Arc::new(Semaphore::new(limits::HEALTH_CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a caller of the health check was lost");
                sleep(limits::HEALTH_LASTS).await;
                continue;
            }
        };
        let health = Arc::clone(&health);
        tokio::spawn(async move {
            let answer = service_fn(|request| health.answer(request));
            let connection = hyper::server::conn::http1::Builder::new()
                .max_buf_size(limits::HANDSHAKE_HEAD_MAX)
                .serve_connection(TokioIo::new(stream), answer);
            let _ = timeout(limits::HEALTH_LASTS, connection).await;
            drop(place);
        });
    }
}

impl Health {
    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
        let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
        Ok(match request.uri().path() {
            "/_hawser/health" if is_get => self.health().await,
            "/_hawser/info" if is_get => self.info().await,
            _ => text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
        })
    }

    fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    async fn health(&self) -> Response<Full<Bytes>> {
        match about::health(&self.agent.docker).await {
            Ok(()) => json(&json!({
                "status": "healthy",
                "mode": MODE,
                "connected": self.is_connected(),
            })),
            Err(problem) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("Docker unhealthy: {problem}\n"),
            ),
        }
    }

    async fn info(&self) -> Response<Full<Bytes>> {
        let mut info = about::info(&self.agent.docker, &self.identity, MODE).await;
        info["connected"] = self.is_connected().into();
        json(&info)
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text.into())
}

fn json(value: &Value) -> Response<Full<Bytes>> {
    answer(StatusCode::OK, "application/json", value.to_string().into())
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
