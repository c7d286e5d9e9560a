//! Streams of bytes that the coordinator asks for: each is a connection to Docker's socket and a call of gRPC.

use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional_with_sizes};
use tokio::sync::mpsc;
use tonic::metadata::AsciiMetadataValue;

use super::channel::Channel;
use crate::docker::{Docker, Stream};
use crate::limits::{PIECE_MAX, PIPE_MAX};
use crate::proto::fleet_client::FleetClient;
use crate::proto::{FromNode, Open, TunnelFailed, from_node::Kind};
use crate::tunnel::TunnelStream;

/// The metadata that says which stream a call is.
pub(crate) const TUNNEL_ID: &str = "tunnel-id";

/// Serves one, to its end.
pub(super) async fn serve(
    docker: Docker,
    client: FleetClient<Channel>,
    open: Open,
    out: mpsc::Sender<FromNode>,
) {
    let connected = match docker.dial().await {
        Ok(mut stream) => stream
            .write_all(&open.first)
            .await
            .map(|()| stream)
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match connected {
        Ok(stream) => pass(stream, client, &open.tunnel_id).await,
        Err(message) => fail(&out, open.tunnel_id, message).await,
    }
}

/// Tells that there will be none.
pub(super) async fn fail(out: &mpsc::Sender<FromNode>, tunnel_id: Bytes, message: String) {
    let failed = TunnelFailed { tunnel_id, message };
    let kind = Some(Kind::TunnelFailed(failed));
    // Where the coordinator is gone, nobody waits.
    let _ = out.send(FromNode { kind }).await;
}

/// Passes bytes both ways until both have ended, or either breaks off.
async fn pass(mut docker: Stream, mut client: FleetClient<Channel>, id: &[u8]) {
    let Ok(id) = AsciiMetadataValue::try_from(hex(id)) else {
        return;
    };
    let mut tunnel = TunnelStream::call(|outgoing| async move {
        let mut request = tonic::Request::new(outgoing);
        request.metadata_mut().insert(TUNNEL_ID, id);
        client.tunnel(request).await.map(tonic::Response::into_inner)
    });
    let severed = tunnel.severed();
    let passed = tokio::select! {
        passed = copy_bidirectional_with_sizes(&mut docker, &mut tunnel, PIPE_MAX, PIECE_MAX) => passed,
        () = severed => return,
    };
    match passed {
        Ok(_) => tunnel.finish().await,
        Err(error) => tracing::debug!(%error, "a stream broke off"),
    }
}

/// In lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
