//! What makes history of what nodes tell: onto the disk, into what is known, and out to whoever listens, in that order
//! and in one order for all. It is a task of its own, so that whoever goes away while it is at it leaves nothing half
//! done.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::nodes::Nodes;
use super::publication::{Change, Published};
use super::recent::Recent;
use super::told;
use super::view::{Container, Containers};
use crate::coordinator::store::{Appended, Entry, EventLog, Happening, NodeAction, StoreError};
use crate::limits;
use crate::proto::{self, bounds};

/// What is to be recorded of a node.
#[derive(Debug)]
pub(super) enum Told {
    /// What happened there.
    Changes(Vec<proto::Change>),
    /// All containers that are there.
    Snapshot(Vec<proto::Container>),
    /// What happened to the node itself.
    Action(NodeAction, Box<str>),
}

/// Something to record.
#[derive(Debug)]
pub(super) struct Order {
    /// Whose.
    pub(super) node_id: Arc<str>,
    /// What.
    pub(super) told: Told,
    /// Hears of it once it is recorded.
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

/// What became of an order, once that is known.
pub(super) type Recorded = oneshot::Receiver<Result<(), StoreError>>;

impl Order {
    pub(super) fn new(node_id: &str, told: Told) -> (Self, Recorded) {
        let (done, recorded) = oneshot::channel();
        let order = Self {
            node_id: node_id.into(),
            told,
            done,
        };
        (order, recorded)
    }
}

pub(super) struct Recorder {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) recent: Arc<Recent>,
}

/// What goes into the log at once.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    /// Nodes that something was told of, and containers of theirs that are to be new.
    touched: HashMap<Arc<str>, Fresh>,
}

/// What is to be new of a node's containers.
#[derive(Default)]
struct Fresh {
    count: usize,
    bytes: usize,
}

impl Recorder {
    /// Records until nobody has anything to tell any more.
    pub(super) async fn run(self, mut orders: mpsc::Receiver<Order>) {
        let mut waiting = Vec::new();
        while orders.recv_many(&mut waiting, limits::RECORDED_AT_ONCE).await > 0 {
            let mut batch = Batch::default();
            for order in waiting.drain(..) {
                // What a snapshot differs in can only be told once what was before it is known.
                let is_snapshot = matches!(order.told, Told::Snapshot(_));
                if is_snapshot && batch.touched.contains_key(&order.node_id) {
                    self.record(std::mem::take(&mut batch)).await;
                }
                self.add(order, &mut batch);
            }
            self.record(batch).await;
        }
    }

    fn add(&self, order: Order, batch: &mut Batch) {
        let Order {
            node_id,
            told: news,
            done,
        } = order;
        let received_at = super::now();
        let known = self.nodes.containers(&node_id);
        let fresh = batch.touched.entry(Arc::clone(&node_id)).or_default();
        let mut add = |what| {
            batch.entries.push(Entry {
                node_id: (&*node_id).into(),
                received_at,
                what,
            });
        };
        match news {
            Told::Changes(changes) => {
                for what in changes.into_iter().filter_map(told::happening) {
                    add(if has_room(&what, &known, fresh) {
                        what
                    } else {
                        bare(what)
                    });
                }
            }
            Told::Snapshot(containers) => {
                for what in differences(&node_id, &known, containers) {
                    add(what);
                }
            }
            Told::Action(action, detail) => add(Happening::Node { action, detail }),
        }
        batch.waiting.push(done);
    }

    async fn record(&self, batch: Batch) {
        let Batch { entries, waiting, .. } = batch;
        let outcome = self.keep(entries).await;
        for done in waiting {
            // Who no longer waits is not told.
            let _ = done.send(outcome.clone());
        }
    }

    async fn keep(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let appended = self.log.append(entries.clone()).await?;
        let mut published = Vec::with_capacity(entries.len());
        for (entry, appended) in entries.into_iter().zip(appended) {
            if let Appended::New(sequence) = appended {
                let bytes = told::bytes(&entry);
                published.push((Arc::new(Published::new(sequence, entry)), bytes));
            }
        }
        self.fold(&published);
        self.recent.publish(published);
        Ok(())
    }

    /// What is known, after these.
    fn fold(&self, published: &[(Arc<Published>, usize)]) {
        let mut nodes: BTreeMap<&str, Vec<Change<'_>>> = BTreeMap::new();
        for (one, _) in published {
            if let Some(change) = one.change() {
                nodes.entry(&one.node_id).or_default().push(change);
            }
        }
        for (node_id, changes) in nodes {
            self.nodes.fold(node_id, changes);
        }
    }
}

/// Whether what is told of a container leaves its node with no more than it may have.
fn has_room(what: &Happening, known: &Containers, fresh: &mut Fresh) -> bool {
    let Happening::Event {
        container: Some(container),
        is_gone: false,
        ..
    } = what
    else {
        return true;
    };
    let had = known.get(&container.id).map(|known| known.bytes());
    let growth = Container::from(&**container)
        .bytes()
        .saturating_sub(had.unwrap_or(0));
    if growth == 0 {
        return true;
    }
    if had.is_none() {
        fresh.count = fresh.count.saturating_add(1);
    }
    fresh.bytes = fresh.bytes.saturating_add(growth);
    known.len().saturating_add(fresh.count) <= limits::NODE_CONTAINERS_MAX
        && known.bytes().saturating_add(fresh.bytes) <= limits::NODE_CONTAINERS_BYTES
}

/// The same without its container.
fn bare(what: Happening) -> Happening {
    match what {
        Happening::Event { event, is_gone, .. } => {
            tracing::warn!(
                container = event.actor_id,
                "a node has too many containers; this one is not kept"
            );
            Happening::Event {
                event,
                container: None,
                is_gone,
            }
        }
        other => other,
    }
}

/// What makes a node's containers these, from what was known of them.
fn differences(node_id: &str, known: &Containers, mut all: Vec<proto::Container>) -> Vec<Happening> {
    if all.len() > limits::NODE_CONTAINERS_MAX {
        tracing::warn!(
            node_id,
            count = all.len(),
            "a node has too many containers; not all are kept"
        );
        all.truncate(limits::NODE_CONTAINERS_MAX);
    }
    let mut bytes = 0_usize;
    all.retain_mut(|container| {
        let is_one = bounds::container(container);
        bytes = bytes.saturating_add(Container::from(&*container).bytes());
        is_one && bytes <= limits::NODE_CONTAINERS_BYTES
    });
    let mut found: HashMap<&str, Container> = HashMap::with_capacity(all.len());
    for container in &all {
        found.insert(&container.id, Container::from(container));
    }
    let mut differences: Vec<Happening> = known
        .iter()
        .filter(|known| !found.contains_key(&*known.id))
        .map(|gone| Happening::Changed {
            container: Box::new(told::container(gone)),
            is_gone: true,
        })
        .collect();
    let is_known = |container: &proto::Container| {
        let found = found.get(container.id.as_str());
        found.is_none() || known.get(&container.id).map(|known| &**known) == found
    };
    let changed: Vec<bool> = all.iter().map(|container| !is_known(container)).collect();
    for (container, is_changed) in all.into_iter().zip(changed) {
        if is_changed {
            differences.push(Happening::Changed {
                container: Box::new(container),
                is_gone: false,
            });
        }
    }
    differences
}
