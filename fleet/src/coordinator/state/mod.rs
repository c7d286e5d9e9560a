//! What is known of nodes and their containers, and what happened to them.
//!
//! All that nodes tell goes one way: onto the disk, into what is known, and out to whoever listens ([`recorder`]); so
//! what a reader saw is never unsaid by a crash. What nobody saw yet is told again by its node, and the log knows it
//! by itself. Whoever asks gets what does not change any more, and holds nobody up.

mod nodes;
mod publication;
mod recent;
mod recorder;
mod subscription;
#[cfg(test)]
pub(super) mod tests;
mod told;
mod view;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

pub use self::publication::{Occurrence, Published};
pub use self::subscription::{Subscription, SubscriptionError};
pub use self::view::{Container, Containers, Engine, NodeView, Port};

use self::nodes::Nodes;
use self::recent::Recent;
use self::recorder::{Order, Recorded, Recorder, Told};
use super::store::{
    self, Entry, EventLog, Happening, NodeAction, NodeRecord, Registry, Sequence, StoreError,
};
use crate::limits;
use crate::proto::{self, bounds};

/// An engine tells what happened almost in order of its times: nothing is later than this, in nanoseconds.
const DISORDER: i64 = 10_000_000_000;

/// Why a node is disconnected whose coordinator was killed.
const PARTED: &str = "the coordinator ended before it could note this; it began again now";

/// Now, in nanoseconds since 1970.
pub fn now() -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// What a node says of itself when it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHello {
    /// Who it is: known to be true.
    pub node_id: Box<str>,
    /// Its machine's own name.
    pub hostname: Box<str>,
    /// Of its program.
    pub version: Box<str>,
    /// What its machine runs.
    pub os: Box<str>,
    /// The kind of processor.
    pub arch: Box<str>,
}

/// A node that is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attendance {
    /// From when on it is to tell what happened, in nanoseconds since 1970 by its engine's clock; 0 is from now on.
    pub since_time_nano: i64,
    /// Tells this connection from others of the node.
    pub connection: u64,
}

/// Why something is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// There is no such node, or it was shut out.
    NoNode,
    /// It cannot be kept.
    Store(StoreError),
    /// The coordinator ends.
    Closed,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode => f.write_str("there is no such node"),
            Self::Store(error) => error.fmt(f),
            Self::Closed => f.write_str("the coordinator ends"),
        }
    }
}

impl std::error::Error for StateError {}

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is known.
#[derive(Debug)]
pub struct State {
    registry: Arc<dyn Registry>,
    log: Arc<dyn EventLog>,
    nodes: Arc<Nodes>,
    recent: Arc<Recent>,
    orders: mpsc::Sender<Order>,
    connections: AtomicU64,
    /// Nodes that are gone, which is not yet on the disk.
    leaving: watch::Sender<usize>,
    runtime: Handle,
}

impl State {
    /// What the store has: every node that was not shut out, away, with its containers as they were known last. Of those
    /// that were connected when a coordinator was killed, it is noted now that they are not.
    ///
    /// # Errors
    /// What the store has against it.
    pub async fn open(registry: Arc<dyn Registry>, log: Arc<dyn EventLog>) -> Result<Arc<Self>, StoreError> {
        part(&*registry, &*log).await?;
        let nodes = Arc::new(Nodes::default());
        for record in registry.nodes().await? {
            if record.revoked_at.is_none() {
                let mut view = view(&record);
                let containers = log.containers(&record.node_id).await?;
                view.containers = containers
                    .iter()
                    .map(|container| Arc::new(Container::from(container)))
                    .collect();
                nodes.put(view);
            }
        }
        let (_, last) = log.bounds().await?;
        let recent = Arc::new(Recent::new(last));
        let (orders, waiting) = mpsc::channel(limits::RECORDED_AT_ONCE);
        let recorder = Recorder {
            log: Arc::clone(&log),
            nodes: Arc::clone(&nodes),
            recent: Arc::clone(&recent),
        };
        tokio::spawn(recorder.run(waiting));
        Ok(Arc::new(Self {
            registry,
            log,
            nodes,
            recent,
            orders,
            connections: AtomicU64::new(1),
            leaving: watch::Sender::new(0),
            runtime: Handle::current(),
        }))
    }

    /// A node was let in for the first time, or again after it was shut out; the registry has it.
    ///
    /// # Errors
    /// [`StateError::Store`], [`StateError::Closed`].
    pub async fn enrolled(&self, record: &NodeRecord) -> Result<(), StateError> {
        let mut view = view(record);
        view.containers = self.nodes.containers(&record.node_id);
        self.nodes.put(view);
        self.record(
            &record.node_id,
            Told::Action(NodeAction::Enrolled, record.name.clone()),
        )
        .await
    }

    /// A node's line is there.
    ///
    /// # Errors
    /// [`StateError::NoNode`] where the registry has none that may come in; else as [`State::enrolled`].
    pub async fn connected(&self, hello: NodeHello) -> Result<Attendance, StateError> {
        let told = self.log.told(&hello.node_id).await?;
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let node_id = hello.node_id.clone();
        let known = self.nodes.change(&node_id, |node| {
            node.hostname = hello.hostname;
            node.version = hello.version;
            node.os = hello.os;
            node.arch = hello.arch;
            node.is_connected = true;
            node.connected_since = Some(now());
            node.connection = connection;
        });
        known.ok_or(StateError::NoNode)?;
        self.record(&node_id, Told::Action(NodeAction::Connected, Box::default()))
            .await?;
        Ok(Attendance {
            since_time_nano: told.map_or(0, since),
            connection,
        })
    }

    /// A node's line is gone; of one that another connection took over, nothing is noted. Does not wait.
    pub fn disconnected(self: &Arc<Self>, node_id: &str, connection: u64) {
        let now = now();
        let is_its = self.nodes.change(node_id, |node| {
            let is_its = node.is_connected && node.connection == connection;
            if is_its {
                node.is_connected = false;
                node.connected_since = None;
                node.last_seen = Some(now);
            }
            is_its
        });
        if is_its != Some(true) {
            return;
        }
        let (state, node_id) = (Arc::clone(self), Box::<str>::from(node_id));
        let (order, recorded) = Order::new(&node_id, Told::Action(NodeAction::Disconnected, Box::default()));
        // At once, where there is room: what comes next of this node comes after it.
        let full = self.orders.try_send(order).err();
        self.leaving.send_modify(|count| *count += 1);
        // As many as there were connections, at most.
        self.runtime.spawn(async move {
            if let Some(full) = full {
                // Where nobody records any more, that is told below.
                let _ = state.orders.send(full.into_inner()).await;
            }
            let recorded = done(recorded).await;
            let seen = state.registry.seen(vec![(node_id, now)]).await;
            if let Err(error) = recorded.and(seen.map_err(StateError::Store)) {
                tracing::warn!(%error, "that a node is gone is not kept");
            }
            state.leaving.send_modify(|count| *count -= 1);
        });
    }

    /// Ends once it is on the disk of every node that is gone so far.
    pub async fn settled(&self) {
        // Its sender is here.
        let _ = self.leaving.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Records what a node tells; returns the number of its last change once all are on the disk, and 0 for none. What
    /// it told before is passed over.
    ///
    /// # Errors
    /// As [`State::connected`]; some or all may be recorded nevertheless, so the node is to tell them again.
    pub async fn ingest(&self, node_id: &str, changes: Vec<proto::Change>) -> Result<u64, StateError> {
        let last = changes.iter().map(|change| change.number).max().unwrap_or(0);
        self.told(node_id, Told::Changes(changes)).await?;
        Ok(last)
    }

    /// All containers of a node: what differs from what was known is recorded.
    ///
    /// # Errors
    /// As [`State::ingest`].
    pub async fn snapshot(&self, node_id: &str, containers: Vec<proto::Container>) -> Result<(), StateError> {
        self.told(node_id, Told::Snapshot(containers)).await
    }

    /// What a node says of its engine.
    ///
    /// # Errors
    /// As [`State::ingest`].
    pub async fn engine(&self, node_id: &str, mut engine: proto::Engine) -> Result<(), StateError> {
        bounds::engine(&mut engine);
        let told = Arc::new(Engine::from(&engine));
        let before = self.nodes.change(node_id, |node| {
            let before = node.engine.as_ref().is_none_or(|engine| engine.is_reachable);
            node.engine = Some(Arc::clone(&told));
            before
        });
        let before = before.ok_or(StateError::NoNode)?;
        let action = match (before, told.is_reachable) {
            (true, false) => NodeAction::EngineLost,
            (false, true) => NodeAction::EngineFound,
            (true, true) | (false, false) => return Ok(()),
        };
        self.record(node_id, Told::Action(action, told.error.clone()))
            .await
    }

    /// Somebody came with a node's id and was not let in; `why` is for people.
    ///
    /// # Errors
    /// As [`State::ingest`].
    pub async fn refused(&self, node_id: &str, why: &str) -> Result<(), StateError> {
        let mut why = why.to_owned();
        bounds::text(&mut why, limits::TEXT_BYTES);
        self.told(node_id, Told::Action(NodeAction::Refused, why.into()))
            .await
    }

    /// Shuts a node out, in the registry too; `false` where there is none. Its line is for whoever has it to end.
    ///
    /// # Errors
    /// As [`State::enrolled`].
    pub async fn revoke(&self, node_id: &str) -> Result<bool, StateError> {
        if !self.registry.revoke(node_id, now()).await? {
            return Ok(false);
        }
        let known = self.nodes.containers(node_id);
        self.record(node_id, Told::Action(NodeAction::Revoked, Box::default()))
            .await?;
        if !known.is_empty() {
            // One that comes back begins with nothing.
            self.record(node_id, Told::Snapshot(Vec::new())).await?;
        }
        self.nodes.remove(node_id);
        Ok(true)
    }

    /// Every node that is not shut out, by id.
    pub fn nodes(&self) -> Vec<Arc<NodeView>> {
        self.nodes.all()
    }

    /// One of them.
    pub fn node(&self, node_id: &str) -> Option<Arc<NodeView>> {
        self.nodes.get(node_id)
    }

    /// The number of what was published last; 0 where nothing was. What is known is at least as new.
    pub fn last(&self) -> Sequence {
        *self.recent.last().borrow()
    }

    /// What is published after `after`, or from now on; of one node, where one is named. With 0, it begins with the
    /// oldest that there is.
    pub fn subscribe(&self, after: Option<Sequence>, node_id: Option<&str>) -> Subscription {
        Subscription::new(&self.recent, &self.log, after, node_id)
    }

    /// Records what only a node that is there can tell.
    async fn told(&self, node_id: &str, told: Told) -> Result<(), StateError> {
        if self.nodes.get(node_id).is_none() {
            return Err(StateError::NoNode);
        }
        self.record(node_id, told).await
    }

    async fn record(&self, node_id: &str, told: Told) -> Result<(), StateError> {
        let (order, recorded) = Order::new(node_id, told);
        self.orders.send(order).await.map_err(|_| StateError::Closed)?;
        done(recorded).await
    }
}

async fn done(recorded: Recorded) -> Result<(), StateError> {
    recorded
        .await
        .map_err(|_| StateError::Closed)?
        .map_err(StateError::Store)
}

/// Notes of those whose line went with a coordinator that was killed that it is gone: with this moment, for nobody knows
/// when that was, and the log's moments do not go back. They were there at least when they came.
async fn part(registry: &dyn Registry, log: &dyn EventLog) -> Result<(), StoreError> {
    let present = log.present().await?;
    if present.is_empty() {
        return Ok(());
    }
    tracing::warn!(
        nodes = present.len(),
        "the coordinator ended before it noted that its nodes are gone"
    );
    let received_at = now();
    let parted = present.iter().map(|(node_id, _)| Entry {
        node_id: node_id.clone(),
        received_at,
        what: Happening::Node {
            action: NodeAction::Disconnected,
            detail: PARTED.into(),
        },
    });
    let parted = parted.collect();
    // Done again where this is cut off before the log has it.
    registry.seen(present).await?;
    log.append(parted).await.map(drop)
}

/// A node that is away, as the registry has it.
fn view(record: &NodeRecord) -> NodeView {
    NodeView {
        node_id: (&*record.node_id).into(),
        name: record.name.clone(),
        hostname: Box::default(),
        version: Box::default(),
        os: Box::default(),
        arch: Box::default(),
        enrolled_at: record.enrolled_at,
        is_connected: false,
        connected_since: None,
        last_seen: record.last_seen,
        engine: None,
        containers: Containers::default(),
        connection: 0,
    }
}

/// From when on a node is to tell what happened.
fn since(told: store::Told) -> i64 {
    let since = told.last.saturating_sub(DISORDER);
    // What is forgotten would be taken for new. A clock that was set back leaves what is forgotten in the future.
    let forgotten = told.forgotten.filter(|forgotten| *forgotten <= told.last);
    // 0 is from now on.
    forgotten
        .map_or(since, |forgotten| since.max(forgotten.saturating_add(1)))
        .max(1)
}
