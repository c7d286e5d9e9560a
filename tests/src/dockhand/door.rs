//! How a connection comes in: TLS or not, the request for a WebSocket, and the one path that has any.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::hub::Hub;
use super::link;
use super::seen::Attempt;

/// The only path that agents may dial.
pub const PATH: &str = "/api/hawser/connect";
/// Longest request for a WebSocket, in bytes.
const HEAD_MAX: usize = 16 << 10;

/// Bytes to and from an agent.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Takes connections for ever.
pub(super) async fn take(hub: Arc<Hub>, listener: TcpListener) {
    let tls = hub
        .options
        .tls
        .as_ref()
        .map(|tls| TlsAcceptor::from(tls.server()));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            continue;
        };
        let (hub, tls) = (Arc::clone(&hub), tls.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let transport = match tls {
                None => Transport::Plain(stream),
                // An agent that does not trust us says so and goes.
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Transport::Tls(Box::new(stream)),
                    Err(_) => return,
                },
            };
            // Whoever asks for anything else finds the connection gone.
            if let Ok(Some((socket, address))) = upgrade(&hub, transport, peer.ip().to_string()).await {
                link::serve(hub, socket, address).await;
            }
        });
    }
}

/// Reads the request and answers it; none where it is not for us. Also gives where it came from, as far as the
/// server believes.
async fn upgrade(
    hub: &Hub,
    mut transport: Transport,
    peer: String,
) -> io::Result<Option<(WebSocketStream<Transport>, String)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > HEAD_MAX {
            return Ok(None);
        }
        head.push(transport.read_u8().await?);
    }
    let attempt = parse(&head);
    let header = |name: &str| {
        let found = attempt.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.clone())
    };
    let key = header("sec-websocket-key").unwrap_or_default();
    let first = header("x-forwarded-for").and_then(|all| Some(all.split(',').next()?.trim().to_owned()));
    let is_ours = attempt.path == PATH
        && header("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
        && header("sec-websocket-version").as_deref() == Some("13");
    hub.with(|state| state.seen.attempts.push(attempt));
    if !is_ours {
        return Ok(None);
    }
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    transport.write_all(answer.as_bytes()).await?;
    transport.flush().await?;
    let max = Some(hub.options.message_bytes_max);
    let config = WebSocketConfig::default()
        .max_message_size(max)
        .max_frame_size(max);
    let socket = WebSocketStream::from_raw_socket(transport, Role::Server, Some(config)).await;
    Ok(Some((socket, first.unwrap_or(peer))))
}

fn parse(head: &[u8]) -> Attempt {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1));
    let path = path.unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    Attempt {
        at: Instant::now(),
        path,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
