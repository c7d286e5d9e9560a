//! Dials a coordinator, tells it what is there and every change, and pipes bytes between it and Docker's socket.
//!
//! [`Identity`] is who it is, `session` one connection, [`watch`] what it tells, `tunnel` what it pipes. It knows
//! nothing of what goes through a tunnel.

pub mod channel;
pub mod identity;
mod outbox;
mod server;
pub(crate) mod session;
mod settings;
pub mod stats;
pub(crate) mod tunnel;
pub mod watch;

use std::fmt;
use std::future::Future;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::dial::{self, Proxies, Target, Trust};
use crate::docker::{Address, Docker};
use crate::hawser::{self, Token};
use crate::limits::{self, DELAY_UNWANTED, DIAL};
use crate::proto::fleet_client::FleetClient;
use crate::proto::{Hello, Reason};
use crate::stop;
use channel::{Channel, Moving};
use identity::{Identity, Wishes};
use session::{Ended, Failure, Visitor};

pub use server::{Server, ServerError};
pub use settings::{Arguments, Form, Order, Settings};

/// A node beside its coordinator, in one process.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) coordinator: String,
    /// SHA-256 of the coordinator's certificate, where it has one.
    pub(crate) pin: Option<String>,
    pub(crate) token: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) docker: Option<Address>,
}

/// Delays between attempts to connect: the first, and the last.
const DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Why it could not start, or go on.
#[derive(Debug)]
pub enum NodeError {
    /// What was asked for makes no sense.
    Settings(String),
    /// The system refuses something.
    System(io::Error),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(text) => f.write_str(text),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NodeError {}

/// Does what was asked for: is a node until asked to end, or shows who it is.
///
/// # Errors
/// What kept it from starting.
pub fn run(arguments: &Arguments) -> Result<(), NodeError> {
    if let Some(Order::Identity { state_dir, form }) = &arguments.order {
        return show(state_dir, form);
    }
    // One thread: what passes is bytes, and an idle node is to be small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .build()
        .map_err(NodeError::System)?;
    let outcome = runtime.block_on(async { Node::new(&arguments.settings)?.run(stop::asked()).await });
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    outcome
}

/// Shows an identity on standard output: who asked is its owner.
fn show(state_dir: &Path, form: &Form) -> Result<(), NodeError> {
    let identity = keep(state_dir, &Wishes::default())?;
    let key = tunnel::hex(identity.public_key());
    let (node_id, password) = (identity.node_id(), identity.password());
    let text = if form.json {
        serde_json::json!({ "node_id": node_id, "public_key": key, "password": password }).to_string()
    } else if form.credentials {
        format!("{node_id}:{password}")
    } else {
        format!("node id     {node_id}\npublic key  {key}\npassword    {password}")
    };
    writeln!(io::stdout(), "{text}").map_err(NodeError::System)
}

fn keep(state_dir: &Path, wishes: &Wishes) -> Result<Identity, NodeError> {
    Identity::keep(state_dir, wishes).map_err(|error| {
        NodeError::Settings(format!(
            "cannot keep who this node is in {}: {error}",
            state_dir.display()
        ))
    })
}

/// A node.
#[derive(Debug)]
pub struct Node {
    server: Server,
    trust: Trust,
    proxies: Proxies,
    visitor: Visitor,
}

impl Node {
    /// As the settings have it.
    ///
    /// # Errors
    /// What keeps it from being one.
    pub fn new(settings: &Settings) -> Result<Self, NodeError> {
        let identity = keep(&settings.state_dir, &settings.wishes())?;
        let hello = hello(&identity, settings.name.as_deref()).map_err(NodeError::System)?;
        Ok(Self {
            server: settings.coordinator.clone(),
            trust: settings.trust()?,
            proxies: Proxies::of_environment().map_err(NodeError::Settings)?,
            visitor: Visitor {
                identity: Arc::new(identity),
                docker: Docker::new(settings.docker()?),
                hello,
                token: settings.token()?,
            },
        })
    }

    /// Beside its coordinator.
    ///
    /// # Errors
    /// As [`Node::new`].
    pub(crate) fn local(local: Local) -> Result<Self, NodeError> {
        let wrong = |text: String| NodeError::Settings(text);
        let identity = keep(&local.state_dir, &Wishes::default())?;
        let hello = hello(&identity, None).map_err(NodeError::System)?;
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let docker = hawser::place(
            local.docker.as_ref(),
            host.as_deref(),
            home.as_deref(),
            Path::exists,
        );
        let token: Result<Token, _> = local.token.parse();
        let server: Result<Server, ServerError> = local.coordinator.parse();
        let trust = Trust::of(local.pin.as_deref(), false, None);
        Ok(Self {
            server: server.map_err(|error| wrong(error.to_string()))?,
            trust: trust.map_err(|error| wrong(error.to_string()))?,
            // It is this machine.
            proxies: Proxies::default(),
            visitor: Visitor {
                identity: Arc::new(identity),
                docker: Docker::new(docker.map_err(wrong)?),
                hello,
                token: Some(token.map_err(|error| wrong(error.to_string()))?),
            },
        })
    }

    /// Stays connected until `stop` comes.
    ///
    /// # Errors
    /// None yet.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<(), NodeError> {
        let mut stop = pin!(stop);
        let mut delays = Backoff::new(DELAYS.0, DELAYS.1);
        loop {
            tracing::info!(coordinator = %self.server, "connecting");
            let ended = tokio::select! {
                ended = self.connect() => ended,
                () = stop.as_mut() => return Ok(()),
            };
            let at_least = at_least(&ended.failure);
            let chance = getrandom::u32().unwrap_or(u32::MAX / 2);
            let delay = delays.after(ended.lived, at_least, chance);
            complain(&ended.failure, delay);
            tokio::select! {
                () = sleep(delay) => {}
                () = stop.as_mut() => return Ok(()),
            }
        }
    }

    /// One connection, to its end.
    async fn connect(&self) -> Ended {
        let (client, moving) = match timeout(DIAL, self.dial()).await {
            Ok(Ok(dialled)) => dialled,
            Ok(Err(text)) => return Failure::Broken(text).into(),
            Err(_late) => {
                let text = format!("there was no connection within {} s", DIAL.as_secs());
                return Failure::Broken(text).into();
            }
        };
        let mut connection = JoinSet::new();
        connection.spawn(moving);
        // When the connection ends, so does the session, with what it was that ended.
        self.visitor.attend(client).await
    }

    async fn dial(&self) -> Result<(FleetClient<Channel>, Moving), String> {
        let target = Target {
            host: self.server.host(),
            port: self.server.port(),
            is_secure: self.server.is_secure(),
            protocol: b"h2",
        };
        let stream = dial::dial(target, &self.trust, &self.proxies).await;
        let stream = stream.map_err(|error| error.to_string())?;
        channel::client(stream, self.server.origin())
            .await
            .map_err(|error| format!("the coordinator speaks no HTTP/2: {error}"))
    }
}

/// What a node says of itself.
pub(crate) fn hello(identity: &Identity, name: Option<&str>) -> io::Result<Hello> {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let hostname = text(system.nodename());
    let mut instance = [0; 16];
    getrandom::fill(&mut instance).map_err(io::Error::other)?;
    let (salt, hash) = identity.password_hash();
    Ok(Hello {
        node_id: identity.node_id().to_owned(),
        instance: instance.to_vec().into(),
        public_key: identity.public_key().to_vec().into(),
        name: name.map_or_else(|| hostname.clone(), str::to_owned),
        hostname,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        os: text(system.sysname()).to_ascii_lowercase(),
        arch: text(system.machine()),
        password_hash: hash.into(),
        password_salt: salt.into(),
    })
}

/// What the coordinator asks for, or politeness to it.
fn at_least(failure: &Failure) -> Option<Duration> {
    let Failure::Refused(refusal) = failure else {
        return None;
    };
    let asked = Duration::from_secs(refusal.retry_after_seconds.into());
    let own = match refusal.reason() {
        Reason::Closing | Reason::Replaced | Reason::Unavailable | Reason::Unspecified => Duration::ZERO,
        _ => DELAY_UNWANTED,
    };
    Some(asked.max(own)).filter(|least| !least.is_zero())
}

fn complain(failure: &Failure, delay: Duration) {
    let delay = format!("next attempt in {:.1} s", delay.as_secs_f64());
    match failure {
        Failure::Broken(text) => tracing::warn!("{text}; {delay}"),
        Failure::NoWelcome => tracing::warn!("the coordinator does not welcome this node; {delay}"),
        Failure::Refused(refusal) => {
            let reason = refusal.reason().as_str_name();
            let message = crate::coordinator::tunnels::cut(&refusal.message, limits::REASON_TEXT_MAX);
            match refusal.reason() {
                Reason::Closing | Reason::Replaced => {
                    tracing::warn!(
                        reason,
                        "the coordinator ends the connection: {message:?}; {delay}"
                    );
                }
                _ => tracing::error!(reason, "the coordinator refuses this node: {message:?}; {delay}"),
            }
        }
    }
}
