//! Ways a request arrives. Every listener ends in the same [`Entry`].
//!
//! Nothing here knows what is asked: it accepts, bounds, and hands on.

mod admission;
mod answer;
mod certificates;
mod client;
mod connection;
pub mod inherited;
mod tcp;
mod tls;
mod unix;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use nix::unistd::Gid;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::admission::{Admission, Doorman};
pub(crate) use self::certificates::chain;
pub use self::certificates::{CertificateError, Certificates};
use self::connection::Inside;
use crate::config::Place;
use crate::ending::Ending;
use crate::limits::ACCEPT_PAUSE;
use crate::patience::Head;
use crate::policy::browser::{Allowed, Guard};
use crate::policy::caller::{Keeper, Peer, Recognition};
use crate::policy::crowd::Crowd;
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

/// An open listener. A unix socket that we made is removed from the file system when it is dropped.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket.
    Unix(UnixListener, unix::SocketFile),
    /// A TCP socket.
    Tcp(TcpListener),
    /// A TCP socket behind which TLS is spoken.
    Tls(TcpListener, Arc<Certificates>),
}

/// A listener to be: what must be read for it was read, while there was the power to.
#[derive(Debug)]
pub enum Planned {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP socket.
    Tcp(SocketAddr),
    /// A TCP socket behind which TLS is spoken.
    Tls(SocketAddr, Arc<Certificates>),
}

impl Planned {
    /// Reads what it needs. Of groups, only `key_group` may be able to read a key.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn of(place: &Place, key_group: Gid) -> Result<Self, CertificateError> {
        Ok(match place {
            Place::Unix(path) => Self::Unix(path.clone()),
            Place::Tcp(address) => Self::Tcp(*address),
            Place::Tls(address, files) => {
                Self::Tls(*address, Arc::new(Certificates::read(files, key_group)?))
            }
        })
    }

    /// Its certificates.
    #[must_use]
    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        match self {
            Self::Tls(_, certificates) => Some(certificates),
            Self::Unix(_) | Self::Tcp(_) => None,
        }
    }
}

impl Listener {
    /// Takes a socket that is open already: its address is the planned one.
    ///
    /// # Errors
    /// What the system says.
    pub fn inherit(planned: &Planned, socket: OwnedFd) -> io::Result<Self> {
        Ok(match planned {
            Planned::Unix(path) => {
                let (listener, file) = unix::inherit(path, socket)?;
                Self::Unix(listener, file)
            }
            Planned::Tcp(_) => Self::Tcp(tcp::inherit(socket)?),
            Planned::Tls(_, certificates) => Self::Tls(tcp::inherit(socket)?, Arc::clone(certificates)),
        })
    }

    /// Opens it. `group` may then use a unix socket, beside its owner.
    ///
    /// # Errors
    /// See [`BindError`].
    pub async fn bind(planned: &Planned, group: Option<Gid>) -> Result<Self, BindError> {
        Ok(match planned {
            Planned::Unix(path) => {
                let (listener, file) = unix::bind(path, group).await?;
                Self::Unix(listener, file)
            }
            Planned::Tcp(address) => Self::Tcp(tcp::bind(*address).await?),
            Planned::Tls(address, certificates) => {
                Self::Tls(tcp::bind(*address).await?, Arc::clone(certificates))
            }
        })
    }

    /// Who may ask here; none where everybody who can connect may.
    fn guard(&self, allowed: &Arc<Allowed>) -> Option<Guard> {
        match self {
            Self::Unix(..) => None,
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                // Where the system does not say, only what is everybody's own is ours.
                let own = listener.local_addr().map(|address| address.ip());
                let own = own.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
                Some(Guard::new(own, Arc::clone(allowed)))
            }
        }
    }

    /// Where it listens, the port that was chosen included.
    ///
    /// # Errors
    /// What the system says.
    pub fn place(&self) -> io::Result<Place> {
        Ok(match self {
            Self::Unix(_, file) => Place::Unix(file.path().to_owned()),
            Self::Tcp(listener) => Place::Tcp(listener.local_addr()?),
            Self::Tls(listener, certificates) => {
                Place::Tls(listener.local_addr()?, certificates.files().clone())
            }
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

/// What all listeners share.
#[derive(Debug, Clone)]
pub struct House {
    /// Where every request goes.
    pub entry: Arc<Entry>,
    /// Who may do what; its terms are in the order of the listeners.
    pub keeper: Arc<Keeper>,
    /// The place in those terms of the first of these listeners.
    pub first: usize,
    /// What browsers may ask over TCP.
    pub allowed: Arc<Allowed>,
    /// Told when all is to end.
    pub ending: Ending,
}

/// Serves every listener until the end is told; then lets running requests finish, but not for
/// longer than the entry's limits say.
pub async fn serve(listeners: Vec<Listener>, house: House) {
    let limits = *house.entry.limits();
    let connections = Arc::new(Semaphore::new(limits.connections()));
    let crowd = Arc::new(Crowd::default());
    let mut accepting = JoinSet::new();
    for (number, listener) in listeners.into_iter().enumerate() {
        let door = Door {
            guard: listener.guard(&house.allowed),
            doorman: Doorman {
                crowd: Arc::clone(&crowd),
                metrics: house.entry.metrics().door(&listener),
                limits,
            },
            listener,
            number: house.first + number,
            house: house.clone(),
        };
        accepting.spawn(door.accept(Arc::clone(&connections)));
    }
    while accepting.join_next().await.is_some() {}
    let all = u32::try_from(limits.connections()).unwrap_or(u32::MAX);
    let ended = async {
        let _ = connections.acquire_many(all).await;
        house.entry.streams_ended().await;
    };
    if timeout(limits.shutdown(), ended).await.is_err() {
        tracing::warn!("requests still run; ending without them");
    }
}

/// A listener and what stands behind it.
struct Door {
    listener: Listener,
    /// Its place among the listeners.
    number: usize,
    guard: Option<Guard>,
    doorman: Doorman,
    house: House,
}

impl Door {
    /// Accepts connections, each under a permit that it keeps.
    async fn accept(self, connections: Arc<Semaphore>) {
        let mut ending = self.house.ending.clone();
        loop {
            let permit = tokio::select! {
                () = ending.told() => return,
                permit = Arc::clone(&connections).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return };
            let accepted = tokio::select! {
                () = ending.told() => return,
                accepted = self.accept_one(permit) => accepted,
            };
            if let Err(error) = accepted {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn accept_one(&self, permit: OwnedSemaphorePermit) -> io::Result<()> {
        match &self.listener {
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let peer = unix::peer(&stream)?;
                let Some(admission) = self.doorman.admit(peer.source(), permit) else {
                    admission::turn_away_unix(&stream);
                    return Ok(());
                };
                let inside = self.inside(peer, admission);
                tokio::spawn(connection::serve(inside.patience(stream), inside));
            }
            Listener::Tcp(listener) => {
                let (stream, address) = tcp::accept(listener).await?;
                let peer = Peer::Tcp(address);
                let Some(admission) = self.doorman.admit(peer.source(), permit) else {
                    admission::turn_away_tcp(&stream);
                    return Ok(());
                };
                let inside = self.inside(peer, admission);
                tokio::spawn(connection::serve(inside.patience(stream), inside));
            }
            Listener::Tls(listener, certificates) => {
                let (stream, address) = tcp::accept(listener).await?;
                let peer = Peer::Tls(address, None);
                // Nothing can be said before the handshake, which is what must not be paid for.
                if let Some(admission) = self.doorman.admit(peer.source(), permit) {
                    let inside = self.inside(peer, admission);
                    tokio::spawn(tls::serve(stream, certificates.acceptor(), inside));
                }
            }
        }
        Ok(())
    }

    fn inside(&self, peer: Peer, admission: Admission) -> Inside {
        Inside {
            entry: Arc::clone(&self.house.entry),
            guard: self.guard.clone(),
            recognition: Recognition::new(Arc::clone(&self.house.keeper), self.number, peer),
            ending: self.house.ending.clone(),
            head: Arc::new(Head::new(self.doorman.limits.head_time())),
            admission,
        }
    }
}
