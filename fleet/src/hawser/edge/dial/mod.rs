//! From the server's URL to a WebSocket: a connection, and one HTTP request.

mod handshake;

use std::fmt;

use tokio::time::timeout;

use crate::dial::{self, Proxies, Stream, Target, Trust};
use crate::hawser::settings::Server;
use crate::limits;

pub(super) use handshake::Line;

/// Why there is no WebSocket.
#[derive(Debug)]
pub(crate) enum DialError {
    /// There is no connection.
    Dial(dial::DialError),
    /// The server answered without a WebSocket: its status.
    Refused(u16),
    /// The server answered what is no HTTP, or no WebSocket.
    Handshake(String),
    /// It took too long.
    Late,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::Refused(status) => write!(
                f,
                "the server answers {status} instead of a WebSocket: is the path right?"
            ),
            Self::Handshake(text) => write!(f, "the server speaks no WebSocket: {text}"),
            Self::Late => write!(f, "there was no WebSocket within {} s", limits::DIAL.as_secs()),
        }
    }
}

impl std::error::Error for DialError {}

/// Dials `server`.
///
/// # Errors
/// There is no WebSocket.
pub(super) async fn dial(server: &Server, trust: &Trust, proxies: &Proxies) -> Result<Line, DialError> {
    let target = Target {
        host: server.host(),
        port: server.port(),
        is_secure: server.is_secure(),
        protocol: b"http/1.1",
    };
    let dial = async {
        let stream = dial::dial(target, trust, proxies).await;
        handshake::shake(stream.map_err(DialError::Dial)?, server).await
    };
    timeout(limits::DIAL, dial)
        .await
        .map_err(|_late| DialError::Late)?
}
