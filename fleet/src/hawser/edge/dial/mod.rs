//! From the server's URL to a WebSocket: TCP, a proxy where there is one, TLS, and one HTTP request.

mod handshake;
mod proxy;
mod tls;

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hawser::settings::Server;
use crate::limits;

pub(super) use handshake::Line;
pub(super) use proxy::Proxies;
pub(super) use tls::{Trust, TrustError};

/// Why there is no WebSocket.
#[derive(Debug)]
pub(crate) enum DialError {
    /// Nobody accepts there: who, and why.
    Connect(String, io::Error),
    /// The proxy does not let through: its status.
    Proxy(String),
    /// TLS failed.
    Tls(io::Error),
    /// Whom to trust cannot be read.
    Trust(TrustError),
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
            Self::Connect(who, error) => write!(f, "cannot reach {who}: {error}"),
            Self::Proxy(text) => write!(f, "the proxy does not let through: {text}"),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::Trust(error) => error.fmt(f),
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
    let dial = async {
        let stream = reach(server, proxies).await?;
        if server.is_secure() {
            handshake::shake(tls::wrap(stream, server.host(), trust).await?, server).await
        } else {
            handshake::shake(stream, server).await
        }
    };
    timeout(limits::DIAL, dial)
        .await
        .map_err(|_late| DialError::Late)?
}

/// Anything that bytes go over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

async fn reach(server: &Server, proxies: &Proxies) -> Result<TcpStream, DialError> {
    match proxies.to(server.is_secure(), server.host(), server.port()) {
        None => connect(server.host(), server.port()).await,
        Some(proxy) => {
            let stream = connect(&proxy.host, proxy.port).await?;
            proxy.tunnel(stream, server.host(), server.port()).await
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| DialError::Connect(format!("{host}:{port}"), error))?;
    // Keystrokes are small, and wait for nobody.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
