//! Serving users: by TCP, by TLS, and whoever owns the coordinator by a socket of its own.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::entrance::Way;
use crate::front;
use crate::front::crowd::Crowd;
use crate::limits::{API_CONNECTIONS_FROM_ONE_MAX, API_CONNECTIONS_MAX, TLS_HANDSHAKE};

/// Serves the network until `stop` comes, and lets what was asked be answered for a while.
pub async fn serve_net(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    front::accept(listener, crowd(), stop, |stream, mut visitor, ending| {
        let (tls, router) = (tls.clone(), router.clone());
        async move {
            let peer = visitor.peer;
            let answer = move |visitor, request| answer(router.clone(), Way::Net(visitor), request);
            match tls {
                None => front::http(stream, visitor, ending, answer).await,
                Some(tls) => match timeout(TLS_HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        // What was shown is signed by the authority, or nobody would be here.
                        visitor.is_certified = stream.get_ref().1.peer_certificates().is_some();
                        front::http(stream, visitor, ending, answer).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no handshake"),
                    Err(_late) => tracing::debug!(%peer, "a client does not finish its handshake"),
                },
            }
        }
    })
    .await;
}

/// Serves whoever may open the socket, with all there is. Its file's mode is who that may be.
pub async fn serve_admin(listener: UnixListener, router: Router, stop: impl Future<Output = ()>) {
    front::accept(listener, crowd(), stop, |stream, visitor, ending| {
        let router = router.clone();
        let answer = move |visitor, request| answer(router.clone(), Way::Admin(visitor), request);
        front::http(stream, visitor, ending, answer)
    })
    .await;
}

fn crowd() -> Arc<Crowd> {
    Arc::new(Crowd::new(API_CONNECTIONS_MAX, API_CONNECTIONS_FROM_ONE_MAX))
}

async fn answer(router: Router, way: Way, request: hyper::Request<Incoming>) -> Response {
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(way);
    let answered = TowerToHyperService::new(router).call(request).await;
    answered.unwrap_or_else(|never| match never {})
}
