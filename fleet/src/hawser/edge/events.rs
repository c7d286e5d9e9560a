//! What happens to containers, told to the server: each event once, also when the line was cut while it happened.
//!
//! An event counts as told when a ping that was sent after it is answered. What was sent and not answered when the
//! line is cut is sent again, and can come twice; nothing else can, and nothing is lost that the engine still knows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard_stubs::models::EventMessage;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use super::agent::Agent;
use super::cursor::{Cursor, Mark};
use super::socket::{Gone, Outbox};
use crate::docker::{DockerError, events};
use crate::hawser::message::{ContainerEvent, Outgoing};
use crate::limits;

/// What a server is told of; and how a container's health is.
const ACTIONS: &[&str] = &[
    "create", "start", "stop", "die", "kill", "restart", "pause", "unpause", "destroy", "rename", "update",
    "oom",
];

/// A filter: `{"type":["container"]}`.
const CONTAINERS: &str = "%7B%22type%22%3A%5B%22container%22%5D%7D";

/// Images of what a server itself starts to look for holes in others.
const SCANNERS: &[&str] = &["anchore/grype", "aquasec/trivy", "aquasecurity/trivy"];

/// Names of what a server itself starts to look into volumes.
const BROWSERS: &str = "dockhand-browse-";

/// Follows the engine's events for one connection, and tells the server.
///
/// # Errors
/// The connection is gone.
pub(super) async fn tell(
    agent: Arc<Agent>,
    outbox: Outbox,
    pongs: watch::Receiver<u64>,
    cursor: Arc<Mutex<Cursor>>,
) -> Result<(), Gone> {
    let mut teller = Teller {
        outbox,
        pongs,
        cursor: cursor.lock_owned().await,
        sent: VecDeque::new(),
        asked: None,
    };
    let (first, last) = limits::EVENTS_DELAY;
    let mut delay = first;
    loop {
        let begun = Instant::now();
        match teller.follow(&agent).await? {
            Ok(()) => tracing::debug!("the engine's events have ended"),
            Err(error) => tracing::warn!(%error, "the engine's events cannot be followed"),
        }
        if begun.elapsed() >= limits::LIVED {
            delay = first;
        }
        teller.wait(delay).await?;
        delay = delay.saturating_mul(2).min(last);
    }
}

struct Teller {
    outbox: Outbox,
    pongs: watch::Receiver<u64>,
    cursor: tokio::sync::OwnedMutexGuard<Cursor>,
    /// Sent, and not known to be there.
    sent: VecDeque<Mark>,
    /// The ping that is to be answered, and how many of `sent` it was sent after.
    asked: Option<(u64, usize)>,
}

impl Teller {
    /// Tells what the engine tells, until it tells no more.
    async fn follow(&mut self, agent: &Agent) -> Result<Result<(), DockerError>, Gone> {
        let since = self.cursor.since(now());
        let mut lines = match events::follow(&agent.docker, since, Some(CONTAINERS)).await {
            Ok(lines) => lines,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            tokio::select! {
                line = lines.next(), if self.sent.len() < limits::EVENTS_UNCONFIRMED_MAX => match line {
                    Ok(Some(line)) => self.line(&line).await?,
                    Ok(None) => return Ok(Ok(())),
                    Err(error) => return Ok(Err(error)),
                },
                changed = self.pongs.changed() => {
                    changed.map_err(|_| Gone)?;
                    self.confirm().await?;
                }
            }
        }
    }

    /// Waits, and still hears what is confirmed.
    async fn wait(&mut self, delay: std::time::Duration) -> Result<(), Gone> {
        let until = Instant::now() + delay;
        loop {
            tokio::select! {
                () = sleep(until.saturating_duration_since(Instant::now())) => return Ok(()),
                changed = self.pongs.changed() => {
                    changed.map_err(|_| Gone)?;
                    self.confirm().await?;
                }
            }
        }
    }

    async fn line(&mut self, line: &[u8]) -> Result<(), Gone> {
        let event: EventMessage = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => {
                tracing::debug!(%error, "a line of the engine's events is none");
                return Ok(());
            }
        };
        let mark = mark(&event);
        if self.cursor.has(mark) || self.sent.contains(&mark) {
            return Ok(());
        }
        let Some(told) = told(&event) else {
            if self.sent.is_empty() {
                self.cursor.advance(mark.0);
            }
            return Ok(());
        };
        self.outbox.send_encoded(told).await?;
        self.sent.push_back(mark);
        self.ask().await
    }

    /// Asks whether everything has arrived, unless it is asked already.
    async fn ask(&mut self) -> Result<(), Gone> {
        if self.asked.is_none() && !self.sent.is_empty() {
            let after = self.sent.len();
            self.asked = Some((self.outbox.ping().await?, after));
        }
        Ok(())
    }

    async fn confirm(&mut self) -> Result<(), Gone> {
        let pongs = *self.pongs.borrow_and_update();
        if let Some((ping, after)) = self.asked
            && pongs >= ping
        {
            self.asked = None;
            let after = after.min(self.sent.len());
            self.cursor.confirm(self.sent.drain(..after));
        }
        self.ask().await
    }
}

/// The time of an event, in nanoseconds since 1970.
fn time(event: &EventMessage) -> i64 {
    let seconds = event.time.unwrap_or(0).saturating_mul(1_000_000_000);
    event.time_nano.unwrap_or(seconds)
}

/// What tells an event from others.
fn mark(event: &EventMessage) -> Mark {
    let id = event.actor.as_ref().and_then(|actor| actor.id.as_deref());
    let mut hash = Sha256::new();
    hash.update(event.action.as_deref().unwrap_or_default());
    hash.update([0]);
    hash.update(id.unwrap_or_default());
    let hash = hash.finalize();
    let short = hash.first_chunk().copied().unwrap_or_default();
    (time(event), u64::from_le_bytes(short))
}

/// The message that tells of it; none for what nobody is told of.
fn told(event: &EventMessage) -> Option<Vec<u8>> {
    let action = event.action.as_deref()?;
    let is_health = action == "health_status" || action.starts_with("health_status:");
    if !is_health && !ACTIONS.contains(&action) {
        return None;
    }
    let actor = event.actor.as_ref()?;
    let attributes = actor.attributes.as_ref();
    let attribute = |name: &str| {
        attributes
            .and_then(|all| all.get(name))
            .map_or("", String::as_str)
    };
    let (name, image) = (attribute("name"), attribute("image"));
    let lower = image.to_ascii_lowercase();
    if name.starts_with(BROWSERS) || SCANNERS.iter().any(|scanner| lower.contains(scanner)) {
        return None;
    }
    let timestamp = jiff::Timestamp::from_nanosecond(time(event).into())
        .ok()?
        .to_string();
    let event = ContainerEvent {
        container_id: actor.id.as_deref()?,
        container_name: name,
        image,
        action,
        actor_attributes: attributes
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        timestamp: &timestamp,
    };
    Some(Outgoing::ContainerEvent { event }.encode())
}

/// In nanoseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, name: &str, image: &str) -> EventMessage {
        let text = serde_json::json!({
            "Type": "container",
            "Action": action,
            "Actor": { "ID": "c1", "Attributes": { "name": name, "image": image } },
            "time": 1_795_000_000,
            "timeNano": 1_795_000_000_325_755_576_i64,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn what_is_told() {
        let check = |action: &str, name: &str, image: &str, expected: bool| {
            let told = told(&event(action, name, image));
            assert_eq!(told.is_some(), expected, "{action} {name} {image}");
        };
        for action in ACTIONS {
            check(action, "db", "pg:1", true);
        }
        check("health_status: healthy", "db", "pg:1", true);
        check("health_status", "db", "pg:1", true);
        check("health_statuses", "db", "pg:1", false);
        check("exec_create: sh", "db", "pg:1", false);
        check("exec_die", "db", "pg:1", false);
        check("attach", "db", "pg:1", false);
        check("start", "dockhand-browse-x", "pg:1", false);
        check("start", "my-dockhand-browse-x", "pg:1", true);
        check("start", "x", "anchore/grype:1", false);
        check("start", "x", "ghcr.io/AquaSecurity/Trivy", false);
        check("start", "x", "docker.io/aquasec/trivy", false);
    }

    #[test]
    fn how_it_is_told() {
        let message = String::from_utf8(told(&event("health_status: unhealthy", "db", "")).unwrap()).unwrap();
        let expected = concat!(
            r#"{"type":"container_event","event":{"containerId":"c1","containerName":"db","#,
            r#""action":"health_status: unhealthy","actorAttributes":{"image":"","name":"db"},"#,
            r#""timestamp":"2026-11-18T11:06:40.325755576Z"}}"#
        );
        assert_eq!(message, expected);
    }

    #[test]
    fn marks() {
        let one = mark(&event("start", "db", "x"));
        assert_eq!(one, mark(&event("start", "other", "y")));
        assert_ne!(one, mark(&event("stop", "db", "x")));
        assert_eq!(one.0, 1_795_000_000_325_755_576);
    }
}
