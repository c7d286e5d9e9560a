//! HTTP/2 on one connection, in its bounds.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{Door, Served, Stage, Visit};
use crate::front::Ending;
use crate::limits::{
    CONNECTION_WINDOW, ENTRY, FLEET_MESSAGE_MAX, FLEET_PING, FLEET_PONG, FRAME_MAX, HANDSHAKE_HEAD_MAX,
    LAST_WORD, LEAVE, PIPE_MAX, STREAM_WINDOW, TUNNELS_PER_NODE,
};
use crate::proto::Reason;
use crate::proto::fleet_server::FleetServer;

/// Speaks to whoever is on `stream`, until either has enough.
pub(crate) async fn serve<S>(stream: S, peer: SocketAddr, door: Arc<Door>, ending: Ending)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let visit = Visit::new(door, peer);
    let service = FleetServer::new(Served(Arc::clone(&visit)))
        .max_decoding_message_size(FLEET_MESSAGE_MAX)
        .max_encoding_message_size(FLEET_MESSAGE_MAX);
    let streams = u32::try_from(TUNNELS_PER_NODE)
        .unwrap_or(u32::MAX)
        .saturating_add(2);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_MAX)
        .max_concurrent_streams(streams)
        .max_header_list_size(u32::try_from(HANDSHAKE_HEAD_MAX).unwrap_or(u32::MAX))
        .max_send_buf_size(PIPE_MAX)
        .keep_alive_interval(FLEET_PING)
        .keep_alive_timeout(FLEET_PONG)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = over(&visit, ending) => {
            connection.as_mut().graceful_shutdown();
            // Streams that are left are cut off with it.
            match timeout(LAST_WORD, connection).await {
                Ok(ended) => ended,
                Err(_late) => Ok(()),
            }
        }
    };
    if let Some(line) = visit.line() {
        line.end(None);
        // A coordinator that ends waits for its connections: then it has what the node told, and that it is gone.
        let _ = timeout(LEAVE, line.finished()).await;
    }
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a node's connection ended");
    }
}

/// Ends when the connection is to: its node is no longer in, or was not soon enough, or everything ends.
async fn over(visit: &Visit, mut ending: Ending) {
    let mut stage = visit.stage.subscribe();
    let is_late = timeout(ENTRY, stage.wait_for(|stage| *stage >= Stage::In))
        .await
        .is_err();
    if is_late {
        tracing::info!(peer = %visit.peer, "a connection has no node, and is closed");
        return;
    }
    let ended = async {
        if ending.wait_for(|is| *is).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let is_ended = tokio::select! {
        _ = stage.wait_for(|stage| *stage == Stage::Over) => false,
        () = ended => true,
    };
    if is_ended {
        if let Some(line) = visit.line() {
            line.end(Some((Reason::Closing, "the coordinator ends")));
        }
        let _ = timeout(LAST_WORD, stage.wait_for(|stage| *stage == Stage::Over)).await;
    }
}
