//! One question over HTTP: how socketd fares.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::asked::Answer;
use crate::limits::{CONNECT_TIME_MAX, HEALTH_ANSWER_BYTES_MAX, HEALTH_TIME_MAX};

/// Where it is asked.
const PATH: &str = "/_socketd/health";

/// How it fares, as [`observe::health`](crate::observe::health) writes it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Health {
    /// `ok`, or `degraded`.
    pub(crate) status: String,
    /// Its version.
    pub(crate) version: String,
    /// Since when it runs.
    pub(crate) since: String,
    /// What it says of the bridge.
    pub(crate) bridge: Bridge,
}

/// What it says of the bridge.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Bridge {
    /// Whether the bridge answers it.
    pub(crate) reachable: bool,
    /// Why not.
    #[serde(default)]
    pub(crate) error: String,
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// Over a unix socket.
///
/// # Errors
/// Nobody answers there.
pub(super) async fn over_unix(path: &Path) -> io::Result<Answer> {
    let connected = timeout(CONNECT_TIME_MAX, UnixStream::connect(path)).await;
    ask(connected.map_err(|_| late())??, "localhost").await
}

/// Over TCP.
///
/// # Errors
/// Nobody answers there.
pub(super) async fn over_tcp(address: SocketAddr) -> io::Result<Answer> {
    let connected = timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await;
    ask(connected.map_err(|_| late())??, &address.to_string()).await
}

/// Only connects: whoever is there wants a certificate.
///
/// # Errors
/// Nobody is there.
pub(super) async fn knock(address: SocketAddr) -> io::Result<Answer> {
    let connected = timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await;
    connected.map_err(|_| late())??;
    Ok(Answer::Tls)
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str) -> io::Result<Answer> {
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream
            .take(HEALTH_ANSWER_BYTES_MAX)
            .read_to_end(&mut answer)
            .await?;
        Ok::<_, io::Error>(answer)
    };
    // It waits for the bridge as long itself.
    let answer = timeout(HEALTH_TIME_MAX * 2, exchange)
        .await
        .map_err(|_| late())??;
    Ok(read(&answer))
}

/// An answer, whole.
fn read(answer: &[u8]) -> Answer {
    let Ok(text) = std::str::from_utf8(answer) else {
        return Answer::Odd;
    };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let mut words = head.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let status: Option<u16> = words.next().and_then(|word| word.parse().ok());
    match (status, serde_json::from_str(body)) {
        (Some(200 | 503), Ok(health)) if is_http => Answer::Health(health),
        (Some(status @ (401 | 403)), _) if is_http => Answer::Refused(status),
        _ => Answer::Odd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        fn check(answer: &[u8], expected: &str) {
            let found = match read(answer) {
                Answer::Health(health) => format!("{} {}", health.status, health.bridge.error),
                Answer::Refused(status) => status.to_string(),
                Answer::Odd => "odd".to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(answer));
        }
        let body = r#"{"status":"ok","version":"1","since":"x","bridge":{"reachable":true}}"#;
        check(format!("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{body}").as_bytes(), "ok ");
        let body =
            r#"{"status":"degraded","version":"1","since":"x","bridge":{"reachable":false,"error":"gone"}}"#;
        check(
            format!("HTTP/1.1 503 Service Unavailable\r\n\r\n{body}").as_bytes(),
            "degraded gone",
        );
        check(b"HTTP/1.1 403 Forbidden\r\n\r\n{\"message\":\"no\"}", "403");
        check(b"HTTP/1.1 404 Not Found\r\n\r\n", "odd");
        check(b"HTTP/1.1 200 OK\r\n\r\nhello", "odd");
        check(b"SSH-2.0-x\r\n", "odd");
        check(b"\xff\xfe", "odd");
        check(b"", "odd");
    }

    #[test]
    fn what_health_writes_is_read() {
        let written = crate::observe::health::Health::new(Ok(wire::Info::default()), wire::Time(1));
        let text = serde_json::to_string(&written).unwrap();
        let read: Health = serde_json::from_str(&text).unwrap();
        assert_eq!((read.status.as_str(), read.bridge.reachable), ("ok", true));
        assert!(read.since.starts_with("1970-01-01T"), "{}", read.since);
    }
}
