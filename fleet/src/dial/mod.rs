//! From a server's name to a connection with it: TCP, a proxy where there is one, and TLS.

mod proxy;
mod tls;

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub(crate) use proxy::Proxies;
pub(crate) use tls::{Trust, TrustError};

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum DialError {
    /// Nobody accepts there: who, and why.
    Connect(String, io::Error),
    /// The proxy does not let through: its status.
    Proxy(String),
    /// What is dialled has no name that a certificate could be for.
    Name(String),
    /// TLS failed.
    Tls(io::Error),
    /// Whom to trust cannot be read.
    Trust(TrustError),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(who, error) => write!(f, "cannot reach {who}: {error}"),
            Self::Proxy(text) => write!(f, "the proxy does not let through: {text}"),
            Self::Name(text) => write!(f, "no certificate is for such a name: {text}"),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::Trust(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DialError {}

/// A host without the brackets that URLs have around an address of version 6.
pub(crate) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Anything that bytes go over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Whom to dial, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Name or address; that of version 6 without brackets.
    pub(crate) host: &'a str,
    /// Port.
    pub(crate) port: u16,
    /// Whether it is dialled by TLS.
    pub(crate) is_secure: bool,
    /// What is spoken after it, as TLS calls that.
    pub(crate) protocol: &'static [u8],
}

/// Dials. It takes as long as it takes: whoever calls bounds it together with what comes after.
///
/// # Errors
/// There is no connection.
pub(crate) async fn dial(
    target: Target<'_>,
    trust: &Trust,
    proxies: &Proxies,
) -> Result<Box<dyn Stream>, DialError> {
    let stream = reach(target, proxies).await?;
    if target.is_secure {
        Ok(Box::new(tls::wrap(stream, target, trust).await?))
    } else {
        Ok(Box::new(stream))
    }
}

async fn reach(target: Target<'_>, proxies: &Proxies) -> Result<TcpStream, DialError> {
    let Target { host, port, .. } = target;
    match proxies.to(target.is_secure, host, port) {
        None => connect(host, port).await,
        Some(proxy) => {
            let stream = connect(&proxy.host, proxy.port).await?;
            proxy.tunnel(stream, host, port).await
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
