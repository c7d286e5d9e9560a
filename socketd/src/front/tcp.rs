//! Requests over TCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{KeepAlive, TcpKeepCount, TcpKeepIdle, TcpKeepInterval};
use tokio::net::{TcpListener, TcpStream};

use super::BindError;
use crate::limits::{TCP_KEEPALIVE_IDLE, TCP_KEEPALIVE_INTERVAL, TCP_KEEPALIVE_PROBES};

pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse),
        Err(error) => Err(error.into()),
    }
}

/// A socket that listens already.
pub(super) fn inherit(socket: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// The next connection, and where it comes from. Answers are small and made at once; waiting to fill a packet only delays.
pub(super) async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, IpAddr)> {
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    keep_alive(&stream)?;
    Ok((stream, address.ip().to_canonical()))
}

/// Lets the kernel find out that a silent client is gone.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    setsockopt(stream, KeepAlive, &true)?;
    setsockopt(stream, TcpKeepIdle, &seconds(TCP_KEEPALIVE_IDLE))?;
    setsockopt(stream, TcpKeepInterval, &seconds(TCP_KEEPALIVE_INTERVAL))?;
    setsockopt(stream, TcpKeepCount, &TCP_KEEPALIVE_PROBES)?;
    Ok(())
}
