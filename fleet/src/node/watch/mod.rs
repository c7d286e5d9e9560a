//! Tells a coordinator what is there, and every change.
//!
//! First it begins to follow the engine's events, then it tells of every container, then of the events: what happens
//! in between is told twice, as a container and as an event, and never not at all. When the engine goes away it begins
//! anew where it stopped. What is told twice by that, the coordinator knows; its log is where each event is once.

pub(super) mod container;
mod event;

use std::time::{Duration, SystemTime};

use bollard_stubs::models::SystemInfo;
use hyper::Method;
use procfs::Current as _;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::event::Meaning;
use crate::docker::events::{self, Lines};
use crate::docker::{Docker, DockerError, Version};
use crate::limits;
use crate::proto::{self, from_node};

/// An engine tells what happened almost in order of its times: nothing is later than this, in nanoseconds.
const DISORDER: i64 = 10_000_000_000;

/// How far back to ask an engine whose clock is before what it told last, in nanoseconds: a clock that was set right
/// says nothing of when what it told then was. What is told again by that, the coordinator knows.
const SET_BACK: i64 = 24 * 3_600_000_000_000;

/// The connection to the coordinator is gone, or its end does not want to hear more.
#[derive(Debug)]
struct Gone;

/// Why there is no more to tell for now.
#[derive(Debug)]
enum End {
    Gone,
    Docker(DockerError),
}

impl From<DockerError> for End {
    fn from(error: DockerError) -> Self {
        Self::Docker(error)
    }
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Tells until the connection ends: what happened at `since` or later, in nanoseconds since 1970 by the engine's clock,
/// or, where that is 0, since this process began. `recorded` is the number of the last change that the coordinator has
/// for good.
pub async fn run(
    docker: Docker,
    since: i64,
    out: mpsc::Sender<proto::FromNode>,
    recorded: watch::Receiver<u64>,
) {
    let since = if since == 0 { process_began() } else { since };
    let mut watcher = Watcher {
        docker,
        out,
        recorded,
        number: 0,
        last: since.saturating_add(DISORDER),
        is_reachable: None,
    };
    let (first, last) = limits::WATCH_DELAY;
    let mut delay = first;
    loop {
        let begun = Instant::now();
        let outcome = match watcher.follow().await {
            Ok(()) => watcher.lost("the engine's events have ended").await,
            Err(End::Docker(error)) => watcher.lost(&error.to_string()).await,
            Err(End::Gone) => Err(Gone),
        };
        if outcome.is_err() {
            return;
        }
        if begun.elapsed() >= limits::LIVED {
            delay = first;
        }
        tokio::select! {
            () = sleep(delay) => {}
            () = watcher.out.closed() => return,
        }
        delay = delay.saturating_mul(2).min(last);
    }
}

struct Watcher {
    docker: Docker,
    out: mpsc::Sender<proto::FromNode>,
    recorded: watch::Receiver<u64>,
    /// Of the last change.
    number: u64,
    /// When the event happened that was told last.
    last: i64,
    /// What was said of the engine, if anything.
    is_reachable: Option<bool>,
}

impl Watcher {
    /// Tells what the engine tells, until it tells no more.
    async fn follow(&mut self) -> Result<(), End> {
        let version = within(self.docker.version()).await?;
        let prefix = events::prefix(&version);
        let lines = events::follow(&self.docker, since(self.last, now()), None).await?;
        // Engines do not wait for those that read slowly: what comes while the coordinator is slow waits here.
        let (sender, mut waiting) = mpsc::channel(limits::WATCH_EVENTS);
        let mut reading = JoinSet::new();
        reading.spawn(read(lines, sender));
        self.engine(&version, &prefix).await?;
        self.snapshot(&prefix).await?;
        loop {
            self.wait_for_room().await?;
            tokio::select! {
                event = waiting.recv() => match event {
                    Some(event) => self.tell(&prefix, event).await?,
                    None => break,
                },
                () = self.out.closed() => return Err(End::Gone),
            }
        }
        match reading.join_next().await {
            Some(Ok(Err(error))) => Err(End::Docker(error)),
            _ => Ok(()),
        }
    }

    async fn send(&self, kind: from_node::Kind) -> Result<(), Gone> {
        let message = proto::FromNode { kind: Some(kind) };
        self.out.send(message).await.map_err(|_| Gone)
    }

    /// Says that the engine answers, and what it is.
    async fn engine(&mut self, version: &Version, prefix: &str) -> Result<(), End> {
        let path = format!("{prefix}/info");
        let info = match within(self.docker.ask::<SystemInfo>(Method::GET, &path, None)).await {
            Ok(info) => info,
            // One that says less is one nevertheless.
            Err(DockerError::Refused(..) | DockerError::Shape(_)) => SystemInfo::default(),
            Err(error) => return Err(End::Docker(error)),
        };
        let engine = proto::Engine {
            is_reachable: true,
            version: version.engine.clone(),
            api_version: version.api.clone(),
            name: info.name.unwrap_or_default(),
            os: info.operating_system.unwrap_or_default(),
            arch: info.architecture.unwrap_or_default(),
            kernel: info.kernel_version.unwrap_or_default(),
            cpus: u32::try_from(info.ncpu.unwrap_or(0)).unwrap_or(0),
            memory_bytes: u64::try_from(info.mem_total.unwrap_or(0)).unwrap_or(0),
            error: String::new(),
        };
        self.is_reachable = Some(true);
        Ok(self.send(from_node::Kind::Engine(engine)).await?)
    }

    /// Says that the engine does not answer, once.
    async fn lost(&mut self, why: &str) -> Result<(), Gone> {
        if self.is_reachable == Some(false) {
            return Ok(());
        }
        tracing::warn!(why, "the engine cannot be followed");
        self.is_reachable = Some(false);
        let engine = proto::Engine {
            error: why.to_owned(),
            ..proto::Engine::default()
        };
        self.send(from_node::Kind::Engine(engine)).await
    }

    /// Tells of every container that there is.
    async fn snapshot(&mut self, prefix: &str) -> Result<(), End> {
        let ids = within(container::list(&self.docker, prefix, true)).await?;
        let (mut containers, mut bytes) = (Vec::new(), 0_usize);
        for id in ids {
            // What went meanwhile has an event that says so.
            if let Some(container) = within(container::inspect(&self.docker, prefix, &id)).await? {
                bytes = bytes.saturating_add(container.encoded_len());
                containers.push(container);
            }
            if containers.len() >= limits::SNAPSHOT_CONTAINERS || bytes >= limits::SNAPSHOT_BYTES {
                self.part(&mut containers, false).await?;
                bytes = 0;
            }
        }
        Ok(self.part(&mut containers, true).await?)
    }

    async fn part(&self, containers: &mut Vec<proto::Container>, is_last: bool) -> Result<(), Gone> {
        let containers = std::mem::take(containers);
        self.send(from_node::Kind::Snapshot(proto::Snapshot { containers, is_last }))
            .await
    }

    /// Waits until the coordinator has enough of what it was told.
    async fn wait_for_room(&mut self) -> Result<(), Gone> {
        let number = self.number;
        let has_room = |recorded: &u64| number.saturating_sub(*recorded) < limits::CHANGES_UNCONFIRMED_MAX;
        tokio::select! {
            room = self.recorded.wait_for(has_room) => room.map(drop).map_err(|_| Gone),
            () = self.out.closed() => Err(Gone),
        }
    }

    /// Tells of an event, and of how its container is after it.
    async fn tell(&mut self, prefix: &str, event: proto::Event) -> Result<(), End> {
        let (container, is_gone) = match Meaning::of(&event) {
            Meaning::Nothing => (None, false),
            Meaning::Gone => (None, true),
            Meaning::Otherwise => {
                let id = &event.actor_id;
                let found = within(container::inspect(&self.docker, prefix, id)).await?;
                let is_gone = found.is_none();
                (found, is_gone)
            }
        };
        let last = event.time_nano;
        self.number = self.number.saturating_add(1);
        let change = proto::Change {
            number: self.number,
            event: Some(event),
            container,
            is_gone,
        };
        self.send(from_node::Kind::Change(change)).await?;
        self.last = last;
        Ok(())
    }
}

/// Reads events as fast as there is room for them.
async fn read(mut lines: Lines, events: mpsc::Sender<proto::Event>) -> Result<(), DockerError> {
    while let Some(line) = lines.next().await? {
        if let Some(event) = event::of_line(&line)
            && events.send(event).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

/// What does not stream has a bound.
async fn within<T>(asked: impl Future<Output = Result<T, DockerError>>) -> Result<T, DockerError> {
    let bound: Duration = limits::WATCH_ANSWER;
    timeout(bound, asked)
        .await
        .map_err(|_| DockerError::Late(bound))?
}

/// From when on to ask an engine that told of `last`, in nanoseconds since 1970, where it is `now`.
pub(crate) fn since(last: i64, now: i64) -> i64 {
    let since = last.saturating_sub(DISORDER);
    // Engines refuse what is before 1970.
    if since > now {
        now.saturating_sub(SET_BACK).max(0)
    } else {
        since.max(0)
    }
}

/// In nanoseconds since 1970.
fn now() -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// When this process began, in nanoseconds since 1970 by the clock of now.
fn process_began() -> i64 {
    let age = || {
        let ticks = procfs::process::Process::myself().ok()?.stat().ok()?.starttime;
        let began = Duration::from_millis(
            ticks
                .saturating_mul(1000)
                .checked_div(procfs::ticks_per_second())?,
        );
        let age = procfs::Uptime::current()
            .ok()?
            .uptime_duration()
            .saturating_sub(began);
        i64::try_from(age.as_nanos()).ok()
    };
    now().saturating_sub(age().unwrap_or(0))
}

#[cfg(test)]
mod tests;
