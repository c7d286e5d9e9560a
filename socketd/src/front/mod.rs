//! Ways a request arrives. Every listener ends in the same [`Entry`].
//!
//! Nothing here knows what is asked: it accepts, bounds, and hands on.

mod connection;
mod tcp;
mod unix;

use std::fmt;
use std::io;
use std::sync::Arc;

use nix::unistd::Gid;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::Listen;
use crate::ending::Ending;
use crate::limits::{ACCEPT_PAUSE, CONNECTIONS_MAX, SHUTDOWN_MAX};
use crate::routes::Entry;

/// Why a listener cannot be opened.
#[derive(Debug)]
pub enum BindError {
    /// Somebody answers there already.
    InUse,
    /// Something that is no socket is in the way.
    NotASocket,
    /// The system refuses.
    Io(io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("another process serves it already"),
            Self::NotASocket => f.write_str("a file that is not a socket is in the way"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BindError {}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An open listener. A unix socket is removed from the file system when it is dropped.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket.
    Unix(UnixListener, unix::SocketFile),
    /// A TCP socket.
    Tcp(TcpListener),
}

impl Listener {
    /// Opens it. `group` may then use a unix socket, beside its owner.
    ///
    /// # Errors
    /// See [`BindError`].
    pub async fn bind(listen: &Listen, group: Option<Gid>) -> Result<Self, BindError> {
        match listen {
            Listen::Unix(path) => unix::bind(path, group).await,
            Listen::Tcp(address) => tcp::bind(*address).await,
        }
    }

    /// Where it listens, the port that was chosen included.
    ///
    /// # Errors
    /// What the system says.
    pub fn place(&self) -> io::Result<Listen> {
        Ok(match self {
            Self::Unix(_, file) => Listen::Unix(file.path().to_owned()),
            Self::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
        })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Ok(place) => place.fmt(f),
            Err(error) => error.fmt(f),
        }
    }
}

/// Serves every listener until `ending` is told; then lets running requests finish, but not for
/// longer than [`SHUTDOWN_MAX`].
pub async fn serve(listeners: Vec<Listener>, entry: Arc<Entry>, ending: Ending) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(
            listener,
            Arc::clone(&entry),
            Arc::clone(&connections),
            ending.clone(),
        ));
    }
    while accepting.join_next().await.is_some() {}
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    if timeout(SHUTDOWN_MAX, connections.acquire_many(all))
        .await
        .is_err()
    {
        tracing::warn!("requests still run; ending without them");
    }
}

/// Accepts connections, each under a permit that it keeps.
async fn accept(listener: Listener, entry: Arc<Entry>, connections: Arc<Semaphore>, mut ending: Ending) {
    loop {
        let permit = tokio::select! {
            () = ending.told() => return,
            permit = Arc::clone(&connections).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { return };
        let of_connection = ending.clone();
        let accepted = tokio::select! {
            () = ending.told() => return,
            accepted = accept_one(&listener, &entry, permit, of_connection) => accepted,
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn accept_one(
    listener: &Listener,
    entry: &Arc<Entry>,
    permit: OwnedSemaphorePermit,
    ending: Ending,
) -> io::Result<()> {
    let entry = Arc::clone(entry);
    match listener {
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(connection::serve(stream, entry, ending, permit));
        }
        Listener::Tcp(listener) => {
            let stream = tcp::accept(listener).await?;
            tokio::spawn(connection::serve(stream, entry, ending, permit));
        }
    }
    Ok(())
}
