//! Requests over TCP.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::{BindError, Listener};

pub(super) async fn bind(address: SocketAddr) -> Result<Listener, BindError> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Listener::Tcp(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse),
        Err(error) => Err(error.into()),
    }
}

/// The next connection. Answers are small and made at once; waiting to fill a packet only delays.
pub(super) async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
