//! Requests over TLS: the handshake, under a deadline, and then a connection like any other.

use std::io;
use std::pin::pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::client;
use super::connection::{self, Inside};
use crate::limits::{CONNECTION_BUFFER_BYTES_MAX, FIRST_HEAD_AT_END_MAX, HANDSHAKE_MAX};
use crate::patience::Patience;

/// What a client that speaks HTTP in the clear is told, in words that Docker's clients know.
const IN_THE_CLEAR: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// Serves one connection to its end. A client that does not finish the handshake in time holds its
/// permit no longer.
pub(super) async fn serve(stream: TcpStream, acceptor: TlsAcceptor, mut inside: Inside) {
    let mut ending = inside.ending.clone();
    let shaken = {
        let mut shaking = pin!(timeout(HANDSHAKE_MAX, shake(stream, &acceptor, &inside)));
        tokio::select! {
            shaken = shaking.as_mut() => shaken,
            // As with a first request: who has just connected is let finish.
            () = ending.told() => match timeout(FIRST_HEAD_AT_END_MAX, shaking.as_mut()).await {
                Ok(shaken) => shaken,
                Err(_) => return,
            },
        }
    };
    match shaken {
        Ok(Ok(stream)) => {
            inside.head.forget();
            let (_, session) = stream.get_ref();
            if let Some(shown) = session.peer_certificates().and_then(<[_]>::first) {
                inside.recognition.shown(client::read(shown));
            }
            connection::serve(stream, inside).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "no handshake"),
        Err(_) => tracing::debug!("a client does not finish its handshake"),
    }
}

/// Patience lies beneath TLS, where a client that does not read shows; above, its records are
/// taken as long as there is room for them.
async fn shake(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    inside: &Inside,
) -> io::Result<TlsStream<Patience<TcpStream>>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first.iter().all(u8::is_ascii_uppercase) {
        tell_of_tls(stream).await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "HTTP without TLS"));
    }
    acceptor.accept(inside.patience(stream)).await
}

/// Answers a request in the clear. What else the client sends is read, for the kernel takes an answer back
/// when it closes on bytes that nobody read.
async fn tell_of_tls(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(IN_THE_CLEAR).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(u64::try_from(CONNECTION_BUFFER_BYTES_MAX).unwrap_or(u64::MAX));
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
