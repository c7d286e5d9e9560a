//! What the daemons answer, asked by somebody who has no power any more.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use tokio::runtime::Builder;
use tokio::time::timeout;
use wire::request::{IfNewer, PollEvents, Versions};
use wire::response::Capabilities;
use wire::{Event, Info, Request, Response, Status, Time};

use super::health::{self, Health};
use super::scene::Scene;
use crate::config::Place;
use crate::dialer::Started;
use crate::limits::HEALTH_TIME_MAX;
use crate::link::{Link, LinkError};
use crate::{sandbox, serve};

/// What a bridge answers.
#[derive(Debug)]
pub(crate) struct Told {
    /// What host and bridge are.
    pub(crate) info: Info,
    /// What may be asked; none where it does not say.
    pub(crate) capabilities: Option<Capabilities>,
    /// Containers whose processes are there, paused ones among them.
    pub(crate) running: u64,
    /// Containers without a process.
    pub(crate) stopped: u64,
    /// The last thing that happened.
    pub(crate) last: Option<Event>,
}

/// What came of asking a listener.
#[derive(Debug)]
pub(crate) enum Answer {
    /// How socketd fares.
    Health(Health),
    /// It answers, and does not tell us: a listener for known callers.
    Refused(u16),
    /// It takes connections, and speaks TLS, for which we have no certificate.
    Tls,
    /// Something else answers there.
    Odd,
    /// Nobody answers.
    Nobody(io::Error),
}

/// A listener.
#[derive(Debug)]
pub(crate) struct Front {
    /// Where, as clients are told.
    pub(crate) place: String,
    /// What came of it.
    pub(crate) answer: Answer,
}

/// What all of them answer.
#[derive(Debug)]
pub(crate) struct Asked {
    /// When they were asked.
    pub(crate) at: Time,
    /// The bridge.
    pub(crate) bridge: Result<Box<Told>, LinkError>,
    /// socketd, wherever it is to listen.
    pub(crate) fronts: Vec<Front>,
}

/// Why nobody was asked.
#[derive(Debug)]
pub(crate) enum AskError {
    /// The process that connects to a bridge that admits root alone did not start.
    Dialer(String),
    /// Power could not be given up.
    Power(sandbox::SandboxError),
    /// The runtime could not be set up.
    Runtime(io::Error),
}

impl std::fmt::Display for AskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dialer(error) => write!(f, "cannot start the dialer: {error}"),
            Self::Power(error) => write!(f, "nobody is asked, for power cannot be given up: {error}"),
            Self::Runtime(error) => write!(f, "cannot set up the runtime: {error}"),
        }
    }
}

impl std::error::Error for AskError {}

impl Asked {
    /// Gives up all power as `serve` does, for good, and asks everybody.
    ///
    /// # Errors
    /// See [`AskError`].
    pub(crate) fn of(scene: &Scene) -> Result<Self, AskError> {
        let user = scene.serve.user;
        let dialer =
            serve::start_dialer(&scene.serve.bridge).map_err(|error| AskError::Dialer(error.to_string()))?;
        let mut groups = Vec::new();
        if sandbox::sockets_need_a_group().map_err(AskError::Power)? {
            groups.push(sandbox::INET);
        }
        sandbox::irrevocably_drop_power(user, &groups).map_err(AskError::Power)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(AskError::Runtime)?;
        runtime.block_on(ask(scene, dialer)).map_err(AskError::Runtime)
    }

    /// How socketd says that it fares, on the first listener that does.
    pub(crate) fn health(&self) -> Option<&Health> {
        self.fronts.iter().find_map(|front| match &front.answer {
            Answer::Health(health) => Some(health),
            _ => None,
        })
    }
}

async fn ask(scene: &Scene, dialer: Option<Started>) -> io::Result<Asked> {
    let link = serve::link(&scene.serve.bridge, dialer)?;
    let bridge = timeout(HEALTH_TIME_MAX, told(&link)).await;
    let mut fronts = Vec::new();
    for place in scene.places() {
        fronts.push(Front {
            place: place.to_string(),
            answer: front(place).await,
        });
    }
    Ok(Asked {
        at: Time::since_epoch(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()),
        bridge: bridge.unwrap_or(Err(LinkError::Late)).map(Box::new),
        fronts,
    })
}

async fn told(link: &Link) -> Result<Told, LinkError> {
    let info = *link.info().await?;
    let (running, stopped) = containers(link).await?;
    let last = last_event(link, info.journal.last_sequence).await;
    Ok(Told {
        capabilities: capabilities(link).await,
        running,
        stopped,
        last,
        info,
    })
}

async fn capabilities(link: &Link) -> Option<Capabilities> {
    let spoken = u16::from(wire::frame::VERSION);
    let versions = Versions {
        min: spoken,
        max: spoken,
    };
    match link.call(&Request::Capabilities(versions)).await {
        Ok(Response::Capabilities(capabilities)) => Some(capabilities),
        _ => None,
    }
}

async fn containers(link: &Link) -> Result<(u64, u64), LinkError> {
    let (mut running, mut stopped) = (0, 0);
    link.call_each(&Request::ListContainers(IfNewer { than: 0 }), |frame| {
        let Response::Containers(part) = frame else {
            return Err(LinkError::Unexpected { kind: frame.kind() });
        };
        for summary in part.containers {
            match summary.state.status {
                Status::Running | Status::Paused => running += 1,
                _ => stopped += 1,
            }
        }
        Ok(())
    })
    .await?;
    Ok((running, stopped))
}

async fn last_event(link: &Link, sequence: u64) -> Option<Event> {
    let request = PollEvents {
        after: sequence.checked_sub(1)?,
        count_max: 1,
        ..PollEvents::default()
    };
    link.poll_events(request).await.ok()?.events.pop()
}

async fn front(place: &Place) -> Answer {
    let asked = match place {
        Place::Unix(path) => health::over_unix(path).await,
        Place::Tcp(address) => health::over_tcp(reachable(*address)).await,
        Place::Tls(address, _) => health::knock(reachable(*address)).await,
    };
    asked.unwrap_or_else(Answer::Nobody)
}

/// Where a listener on every address is reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
