//! The edge mode: dials the server, says who it is, does what it asks for, and does so again when the line is cut.

mod agent;
mod backoff;
mod compose;
mod cursor;
mod cut;
mod dial;
mod events;
mod health;
mod requests;
mod session;
mod socket;
mod streams;
mod terminals;

#[cfg(fuzzing)]
pub use socket::fuzzing;

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::agent::Agent;
use self::backoff::Backoff;
use self::cursor::Cursor;
use self::dial::{DialError, Line};
use self::health::Health;
use self::session::Session;
use self::socket::{Outbox, Reader, Received, Room, SocketError};
use super::compose::{CAPABILITIES, Runner};
use super::identity::Identity;
use super::message::{Incoming, Outgoing, PROTOCOL, ServerError};
use super::settings::{Server, Settings, Token};
use super::{HawserError, about};
use crate::access::Role;
use crate::dial::{Proxies, Trust};
use crate::docker::Docker;
use crate::{limits, stop};

/// Why a connection ended, or none began.
#[derive(Debug)]
enum Failure {
    /// There was no WebSocket.
    Dial(DialError),
    /// The WebSocket ended.
    Socket(SocketError),
    /// The server lets nobody like this in.
    Refused(ServerError),
    /// The server says nothing, or something else, where a welcome belongs.
    NoWelcome,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::Socket(error) => error.fmt(f),
            Self::Refused(error) if error.text.is_empty() => f.write_str("the server refuses this agent"),
            Self::Refused(error) => write!(f, "the server refuses this agent: {}", error.text),
            Self::NoWelcome => f.write_str("the server does not welcome"),
        }
    }
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        Self::Socket(error)
    }
}

/// How a connection went.
struct Ended {
    /// Since the welcome, if there was one.
    lived: Option<Duration>,
    failure: Failure,
}

impl<E: Into<Failure>> From<E> for Ended {
    fn from(failure: E) -> Self {
        Self {
            lived: None,
            failure: failure.into(),
        }
    }
}

/// The edge mode.
#[derive(Debug)]
struct Edge {
    server: Server,
    token: Token,
    health: Arc<Health>,
    /// Which events the server has.
    cursor: Arc<Mutex<Cursor>>,
    trust: Trust,
    proxies: Proxies,
    agent: Arc<Agent>,
    /// Where large messages wait.
    room: Room,
    welcome_timeout: Duration,
    heartbeat: Duration,
    message_max: u64,
}

/// Stays connected to `server` until asked to end.
///
/// # Errors
/// What kept it from starting.
pub(super) async fn run(
    settings: &Settings,
    listen: SocketAddr,
    (server, token): (Server, Token),
) -> Result<(), HawserError> {
    let edge = Edge::new(settings, server, token)?;
    let mut checking = JoinSet::new();
    checking.spawn(health::serve(listen, Arc::clone(&edge.health)));
    let mut delays = Backoff::new(settings.reconnect_delay.0, settings.max_reconnect_delay.0);
    let mut stop = pin!(stop::asked());
    loop {
        tracing::info!(server = %edge.server, "connecting");
        let Some(Ended { lived, failure }) = edge.connect(stop.as_mut()).await else {
            return Ok(());
        };
        edge.health.is_connected.store(false, Ordering::Relaxed);
        let delay = delays.after(&failure, lived, getrandom::u32().unwrap_or(u32::MAX / 2));
        tracing::warn!("{failure}; next attempt in {:.1} s", delay.as_secs_f64());
        tokio::select! {
            () = sleep(delay) => {}
            () = stop.as_mut() => return Ok(()),
        }
    }
}

impl Edge {
    fn new(settings: &Settings, server: Server, token: Token) -> Result<Self, HawserError> {
        let wrong = |text: String| HawserError::Settings(text);
        let pin = settings.tls_pin.as_deref();
        let trust = Trust::of(pin, settings.tls_skip_verify, settings.ca_cert.clone())
            .map_err(|error| wrong(error.to_string()))?;
        if !server.is_secure() {
            tracing::warn!(
                "ws:// is not encrypted: whoever is between here and the server can read the token"
            );
        } else if trust == Trust::Anybody {
            tracing::warn!("TLS_SKIP_VERIFY: whoever is between here and the server can read the token");
        }
        let identity = Identity::of(settings)?;
        std::fs::create_dir_all(&settings.state_dir).map_err(HawserError::System)?;
        let docker = Docker::new(settings.docker()?);
        let agent = Agent {
            runner: Runner::new(settings, &docker),
            docker,
            role: settings.access,
            has_disk: !settings.skip_df_collection,
            request_timeout: settings.request_timeout.0,
            room: Room::new(&settings.state_dir),
            at_once: Semaphore::new(limits::REQUESTS_AT_ONCE),
        };
        let agent = Arc::new(agent);
        let health = Health {
            agent: Arc::clone(&agent),
            identity,
            is_connected: AtomicBool::new(false),
        };
        let cursor = Cursor::load(&settings.state_dir, events::now());
        Ok(Self {
            server,
            token,
            health: Arc::new(health),
            cursor: Arc::new(Mutex::new(cursor)),
            trust,
            proxies: Proxies::of_environment().map_err(wrong)?,
            agent,
            room: Room::new(&settings.state_dir),
            welcome_timeout: settings.welcome_timeout.0,
            heartbeat: settings.heartbeat_interval.0,
            message_max: u64::from(settings.max_message_size_mb) << 20,
        })
    }

    /// One connection, to its end. Nothing when it ended because `stop` did.
    async fn connect(&self, mut stop: std::pin::Pin<&mut impl Future<Output = ()>>) -> Option<Ended> {
        let line = tokio::select! {
            line = dial::dial(&self.server, &self.trust, &self.proxies) => line,
            () = stop.as_mut() => return None,
        };
        let line = match line {
            Ok(line) => line,
            Err(error) => return Some(Failure::Dial(error).into()),
        };
        let (outbox, mut writing, reader) = self.open(line);
        let mut tasks = JoinSet::new();
        tokio::select! {
            ended = self.talk(&outbox, reader, &mut tasks) => {
                // A server that closed is answered by now; to any other this is the last word, if it can still be said.
                outbox.close(1000, "");
                let _ = timeout(limits::FAREWELL, writing.join_next()).await;
                Some(ended)
            }
            Some(written) = writing.join_next() => {
                let error = match written {
                    Ok(Err(error)) => error,
                    _ => SocketError::Broken(std::io::ErrorKind::BrokenPipe.into()),
                };
                Some(error.into())
            }
            () = stop => {
                outbox.close(1001, "agent ends");
                let _ = timeout(limits::FAREWELL, writing.join_next()).await;
                None
            }
        }
    }

    /// Both directions of a line.
    fn open(
        &self,
        line: Line,
    ) -> (
        Outbox,
        JoinSet<Result<(), SocketError>>,
        Reader<tokio::io::ReadHalf<Line>>,
    ) {
        let (input, output) = tokio::io::split(line);
        let (outbox, outgo) = Outbox::new();
        let mut writing = JoinSet::new();
        writing.spawn(socket::write(output, outgo));
        let silence = limits::SILENCE.max(self.heartbeat * 2);
        let bounds = (self.message_max, silence);
        let reader = Reader::new(input, outbox.clone(), self.room.clone(), bounds);
        (outbox, writing, reader)
    }

    /// Hello, welcome, and everything behind.
    async fn talk(
        &self,
        outbox: &Outbox,
        mut reader: Reader<tokio::io::ReadHalf<Line>>,
        tasks: &mut JoinSet<()>,
    ) -> Ended {
        self.hello(outbox).await;
        match timeout(self.welcome_timeout, welcome(&mut reader)).await {
            Err(_late) => return Failure::NoWelcome.into(),
            Ok(Err(failure)) => return failure.into(),
            Ok(Ok(())) => {}
        }
        tracing::info!(server = %self.server, "connected");
        let welcomed = Instant::now();
        let session = Session::new(Arc::clone(&self.agent), outbox.clone());
        tasks.spawn(session::beat(outbox.clone(), self.heartbeat));
        tasks.spawn(session::measure(Arc::clone(&self.agent), outbox.clone()));
        let (pongs, cursor) = (session.pongs(), Arc::clone(&self.cursor));
        let telling = events::tell(Arc::clone(&self.agent), outbox.clone(), pongs, cursor);
        tasks.spawn(async {
            let _ = telling.await;
        });
        self.health.is_connected.store(true, Ordering::Relaxed);
        let error = session.run(reader).await;
        Ended {
            lived: Some(welcomed.elapsed()),
            failure: error.into(),
        }
    }

    async fn hello(&self, outbox: &Outbox) {
        let (engine, problem) = about::engine(&self.agent.docker).await;
        if let Some(problem) = problem {
            tracing::warn!(%problem, "Docker is not there");
        }
        let hello = Outgoing::Hello {
            version: env!("CARGO_PKG_VERSION"),
            protocol: PROTOCOL,
            agent_id: &self.health.identity.id,
            agent_name: &self.health.identity.name,
            token: self.token.reveal(),
            token_hash: &self.token.hash(),
            docker_version: &engine,
            hostname: &self.health.identity.hostname,
            capabilities: &self.capabilities().await,
        };
        // Where the connection is gone already, there is no welcome either.
        let _ = outbox.send(&hello).await;
    }

    /// Those that are true.
    async fn capabilities(&self) -> Vec<&'static str> {
        let mut capabilities = vec!["metrics", "events"];
        if self.agent.role == Role::Full {
            capabilities.insert(0, "exec");
            if self.agent.runner.is_there_within(limits::COMPOSE_GREETING).await {
                capabilities.extend(CAPABILITIES);
            }
        }
        capabilities
    }
}

/// Waits for the welcome.
async fn welcome(reader: &mut Reader<tokio::io::ReadHalf<Line>>) -> Result<(), Failure> {
    loop {
        let text = match reader.next().await {
            Ok(Received::Small(text)) => text,
            Ok(Received::Large(_)) => return Err(Failure::NoWelcome),
            // Its reason is what an error would have said.
            Err(SocketError::Closed(1008, text)) => {
                return Err(Failure::Refused(ServerError {
                    text,
                    retry_after: None,
                }));
            }
            Err(error) => return Err(error.into()),
        };
        match Incoming::decode(&text) {
            Ok(Incoming::Welcome) => return Ok(()),
            Ok(Incoming::Error(error)) => return Err(Failure::Refused(error)),
            // Some servers ping whoever is there.
            Ok(Incoming::Ping | Incoming::Unknown(_)) => {}
            Ok(_) => return Err(Failure::NoWelcome),
            Err(error) => tracing::warn!(%error, "the server sent what is no message"),
        }
    }
}
