//! A coordinator as a process: what it listens on, and that all of it ends together.

use std::fs::{self, DirBuilder};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::api::reach::Reach;
use super::api::{self, Parts};
use super::door::{self, Door};
use super::metrics::Metrics;
use super::ports::Ports;
use super::state::State;
use super::store::{Embedded, EventLog, Registry, Retention, StoreError};
use super::tunnels::Lines;
use super::{CoordinatorError, Settings};
use crate::front;
use crate::front::crowd::Crowd;
use crate::front::tls::{self, Files, Strangers};
use crate::limits::{LEAVE, NODES_CONNECTED_MAX, TLS_HANDSHAKE};

/// The admin socket in the state directory.
pub(super) const ADMIN_SOCKET: &str = "admin.sock";

/// A coordinator that listens, and serves once it is told to.
#[derive(Debug)]
pub(super) struct Coordinator {
    state: Arc<State>,
    registry: Arc<dyn Registry>,
    log: Arc<dyn EventLog>,
    lines: Lines,
    listening: Listening,
    takes_query_credentials: bool,
}

/// What it listens on.
struct Listening {
    nodes: (TcpListener, Option<TlsAcceptor>),
    users: (TcpListener, Option<TlsAcceptor>),
    admin: UnixListener,
    ports: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listening")
            .field("nodes", &self.nodes.0)
            .field("users", &self.users.0)
            .finish_non_exhaustive()
    }
}

impl Coordinator {
    /// Opens what is kept, and listens.
    ///
    /// # Errors
    /// What keeps it from that.
    pub(super) async fn open(settings: &Settings) -> Result<Self, CoordinatorError> {
        let files = settings.tls()?;
        let dir = settings.state_dir.clone();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|error| CoordinatorError::Settings(format!("{}: {error}", dir.display())))?;
        // It is looked through from its beginning to its end.
        let opening = tokio::task::spawn_blocking(move || Embedded::open(&dir, Retention::default()));
        let opened = opening
            .await
            .map_err(io::Error::other)
            .map_err(CoordinatorError::System)?;
        let store = Arc::new(opened.map_err(kept)?);
        let (registry, log): (Arc<dyn Registry>, Arc<dyn EventLog>) = (Arc::clone(&store) as _, store);
        let state = State::open(Arc::clone(&registry), Arc::clone(&log))
            .await
            .map_err(kept)?;
        // Whoever has the store is the only one, so what is at the socket's place is nobody's.
        let listening = Listening::new(settings, files.as_ref()).await?;
        Ok(Self {
            state,
            registry,
            log,
            lines: Lines::default(),
            listening,
            takes_query_credentials: settings.allow_query_credentials,
        })
    }

    /// Where nodes dial.
    pub(super) fn nodes_address(&self) -> io::Result<SocketAddr> {
        self.listening.nodes.0.local_addr()
    }

    /// Where users ask.
    pub(super) fn users_address(&self) -> io::Result<SocketAddr> {
        self.listening.users.0.local_addr()
    }

    /// Who may come in.
    pub(super) fn registry(&self) -> &Arc<dyn Registry> {
        &self.registry
    }

    /// Serves until `stop` comes.
    ///
    /// # Errors
    /// The store does not say what it keeps.
    pub(super) async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), CoordinatorError> {
        let state = Arc::clone(&self.state);
        let reach: Arc<dyn Reach> = Arc::new(self.lines.clone());
        let ports = Ports::new(Arc::clone(&reach), self.listening.ports);
        ports.reopen(&self.registry.ports().await.map_err(kept)?).await;
        let metrics = Arc::new(Metrics::new(Arc::clone(&self.state), self.lines.clone()));
        let door = Door::new(Arc::clone(&self.state), Arc::clone(&self.registry), self.lines);
        let router = api::router(Parts {
            state: self.state,
            registry: self.registry,
            log: self.log,
            reach,
            ports,
            metrics,
            settings: api::Settings {
                takes_query_credentials: self.takes_query_credentials,
            },
        });
        let end = watch::Sender::new(false);
        let ended = || {
            let mut ended = end.subscribe();
            async move {
                let _ = ended.wait_for(|is| *is).await;
            }
        };
        let mut serving = JoinSet::new();
        serving.spawn(nodes(self.listening.nodes, Arc::new(door), ended()));
        let (users, tls) = self.listening.users;
        serving.spawn(api::serve_net(users, tls, router.clone(), ended()));
        serving.spawn(api::serve_admin(self.listening.admin, router, ended()));
        tokio::select! {
            () = stop => {}
            // None of them ends by itself.
            _ = serving.join_next() => tracing::error!("a part of the coordinator ended"),
        }
        end.send_replace(true);
        while serving.join_next().await.is_some() {}
        if timeout(LEAVE, state.settled()).await.is_err() {
            tracing::warn!("not of every node it is kept that it is gone");
        }
        Ok(())
    }
}

fn kept(error: StoreError) -> CoordinatorError {
    CoordinatorError::Settings(error.to_string())
}

impl Listening {
    async fn new(settings: &Settings, files: Option<&Files>) -> Result<Self, CoordinatorError> {
        let acceptor = |strangers, protocol: &'static [u8], with_clients: bool| {
            let Some(files) = files else { return Ok(None) };
            let client_ca = files.client_ca.clone().filter(|_| with_clients);
            let files = Files {
                client_ca,
                ..files.clone()
            };
            let acceptor = tls::acceptor(&files, strangers, protocol);
            acceptor
                .map(Some)
                .map_err(|error| CoordinatorError::Settings(error.to_string()))
        };
        let bind = async |port: u16| {
            let address = SocketAddr::new(settings.bind_address, port);
            let bound = TcpListener::bind(address).await;
            bound.map_err(|error| CoordinatorError::Settings(format!("cannot listen on {address}: {error}")))
        };
        let has_clients = files.is_some_and(|files| files.client_ca.is_some());
        // What goes over a port is whatever a client of Docker's speaks: HTTP/1.1.
        let ports = acceptor(Strangers::StayOut, b"http/1.1", true)?.filter(|_| has_clients);
        let path = settings.state_dir.join(ADMIN_SOCKET);
        Ok(Self {
            nodes: (
                bind(settings.grpc_port).await?,
                acceptor(Strangers::Enter, b"h2", false)?,
            ),
            users: (
                bind(settings.api_port).await?,
                acceptor(Strangers::Enter, b"http/1.1", true)?,
            ),
            admin: admin(&settings.state_dir, &path)
                .map_err(|error| CoordinatorError::Settings(format!("{}: {error}", path.display())))?,
            ports,
        })
    }
}

/// The admin socket: nobody else may open it at any moment, so it is made where nobody else can look.
fn admin(dir: &Path, path: &Path) -> io::Result<UnixListener> {
    let hidden = tempfile::Builder::new().prefix(".admin").tempdir_in(dir)?;
    let made = hidden.path().join("socket");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

/// Lets nodes dial until `stop` comes.
async fn nodes(
    (listener, tls): (TcpListener, Option<TlsAcceptor>),
    door: Arc<Door>,
    stop: impl Future<Output = ()>,
) {
    // Behind one NAT there may be all of them.
    let crowd = Arc::new(Crowd::new(NODES_CONNECTED_MAX, NODES_CONNECTED_MAX));
    front::accept(listener, crowd, stop, |stream, visitor, ending| {
        let (tls, door) = (tls.clone(), Arc::clone(&door));
        async move {
            // Held as long as the connection.
            let _seat = Arc::clone(&visitor.seat);
            let peer = visitor.peer;
            let Some(tls) = tls else {
                return door::serve(stream, peer, door, ending).await;
            };
            match timeout(TLS_HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => door::serve(stream, peer, door, ending).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no handshake"),
                Err(_late) => tracing::debug!(%peer, "a node does not finish its handshake"),
            }
        }
    })
    .await;
}
