//! Listeners whose bytes go to a node's Docker as they are: what is said there is none of the coordinator's business.

mod quiet;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::api::reach::Reach;
use super::state::now;
use super::store::Port;
use crate::front::crowd::Crowd;
use crate::front::{self, Ending};
use crate::limits::{PORT_VISITORS_MAX, PORTS_MAX, TLS_HANDSHAKE};
use quiet::Quiet;

/// Why a port is not opened.
#[derive(Debug)]
pub enum PortError {
    /// Others than this machine would come in, and nobody would know who they are.
    Plain,
    /// It is for TLS, and there is no authority that clients' certificates are held against.
    NoAuthority,
    /// Nobody can listen there.
    Listen(io::Error),
    /// There are as many as there may be.
    Full,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("without TLS a port is for this machine alone: 127.0.0.1 or [::1]"),
            Self::NoAuthority => f.write_str(
                "a port by TLS takes --tls-cert, --tls-key and --client-ca: whoever comes shows a certificate",
            ),
            Self::Listen(error) => error.fmt(f),
            Self::Full => write!(f, "there are {PORTS_MAX} ports already"),
        }
    }
}

impl std::error::Error for PortError {}

/// The ports that are open.
pub struct Ports {
    reach: Arc<dyn Reach>,
    tls: Option<TlsAcceptor>,
    /// Everybody who is connected to one.
    quiet: Arc<Quiet>,
    /// What closes each, when it is dropped.
    open: Mutex<HashMap<Box<str>, oneshot::Sender<()>>>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

impl Ports {
    /// None yet. `tls` must let nobody in without a certificate.
    pub fn new(reach: Arc<dyn Reach>, tls: Option<TlsAcceptor>) -> Arc<Self> {
        Arc::new(Self {
            reach,
            tls,
            quiet: Arc::default(),
            open: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, oneshot::Sender<()>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one listens there.
    pub fn is_open(&self, address: &str) -> bool {
        self.lock().contains_key(address)
    }

    /// Opens one for a node's Docker, and tells where it is, for port 0 may be any.
    ///
    /// # Errors
    /// As [`PortError`] has it.
    pub async fn open(&self, node_id: &str, address: SocketAddr, is_tls: bool) -> Result<Port, PortError> {
        let tls = match (is_tls, &self.tls) {
            (true, None) => return Err(PortError::NoAuthority),
            (true, Some(tls)) => Some(tls.clone()),
            (false, _) if address.ip().to_canonical().is_loopback() => None,
            (false, _) => return Err(PortError::Plain),
        };
        if self.lock().len() >= PORTS_MAX {
            return Err(PortError::Full);
        }
        let listener = TcpListener::bind(address).await.map_err(PortError::Listen)?;
        let address = listener.local_addr().map_err(PortError::Listen)?.to_string();
        let (close, closed) = oneshot::channel();
        self.lock().insert(address.as_str().into(), close);
        tracing::info!(address, node_id, is_tls, "a port is open");
        let serving = Serving {
            reach: Arc::clone(&self.reach),
            node_id: node_id.into(),
            tls,
            quiet: Arc::clone(&self.quiet),
        };
        tokio::spawn(serving.serve(listener, closed));
        Ok(Port {
            address: address.into(),
            node_id: node_id.into(),
            is_tls,
            created_at: now(),
        })
    }

    /// Opens those again that were open; one that cannot be is told of in the log.
    pub async fn reopen(&self, ports: &[Port]) {
        for port in ports {
            let opened = match port.address.parse() {
                Ok(address) => self.open(&port.node_id, address, port.is_tls).await,
                Err(_) => continue,
            };
            if let Err(error) = opened {
                tracing::warn!(address = %port.address, node_id = %port.node_id, %error, "a port stays closed");
            }
        }
    }

    /// Closes one, and what it let in.
    pub fn close(&self, address: &str) {
        self.lock().remove(address);
    }
}

/// One that is open.
struct Serving {
    reach: Arc<dyn Reach>,
    node_id: Box<str>,
    tls: Option<TlsAcceptor>,
    quiet: Arc<Quiet>,
}

impl Serving {
    async fn serve(self, listener: TcpListener, closed: oneshot::Receiver<()>) {
        let serving = Arc::new(self);
        let crowd = Arc::new(Crowd::new(PORT_VISITORS_MAX, PORT_VISITORS_MAX));
        let stop = async {
            // An error says that it was dropped, which is how it is told.
            let _ = closed.await;
        };
        front::accept(listener, crowd, stop, |stream, visitor, ending| {
            let serving = Arc::clone(&serving);
            async move {
                let peer = visitor.peer;
                let _seat = visitor.seat;
                match &serving.tls {
                    None => serving.connect(stream, ending).await,
                    Some(tls) => match timeout(TLS_HANDSHAKE, tls.accept(stream)).await {
                        Ok(Ok(stream)) => serving.connect(stream, ending).await,
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no handshake"),
                        Err(_late) => tracing::debug!(%peer, "a client does not finish its handshake"),
                    },
                }
            }
        })
        .await;
    }

    async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, mut ending: Ending) {
        // Declared first, dropped last: what the connection held is free by then.
        let Some(mut place) = Quiet::enter(&self.quiet, &self.node_id).await else {
            tracing::debug!(node_id = %self.node_id, "too many connections to ports, and none is silent");
            return;
        };
        let mut far = match self.reach.dial(&self.node_id, Bytes::new()).await {
            Ok(far) => far,
            Err(error) => {
                // Whoever connected sees a connection that ends: there is no word that every client would know.
                tracing::debug!(node_id = %self.node_id, %error, "no stream for a port");
                return;
            }
        };
        let mut stream = place.notice(stream);
        tokio::select! {
            copied = copy_bidirectional(&mut stream, &mut far) => {
                if let Err(error) = copied {
                    tracing::debug!(%error, "a stream of a port broke off");
                }
            }
            () = place.leaving() => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
    }
}
