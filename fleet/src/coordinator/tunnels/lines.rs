//! Which nodes are connected.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Line;
use super::line::{Opened, TunnelId};
use super::pending::Pending;
use crate::limits::TUNNELS_MAX;

/// Where a request for a node goes.
#[derive(Debug, Clone)]
pub enum Route {
    /// The node is connected here.
    Here(Line),
    /// It is connected to another coordinator, of this address.
    Elsewhere(String),
    /// It is connected nowhere.
    Nowhere,
}

/// Tells where nodes are. With one coordinator they are here or nowhere; several would share what they know.
pub trait Routing: Send + Sync + std::fmt::Debug {
    /// Where a request for this node goes.
    fn route(&self, node_id: &str) -> Route;
}

/// What the streams of all nodes share.
#[derive(Debug, Clone)]
pub(crate) struct Tunnels {
    pending: Arc<Pending<(u64, TunnelId), Opened>>,
    places: Arc<Semaphore>,
}

impl Tunnels {
    pub(super) fn pending(&self) -> &Arc<Pending<(u64, TunnelId), Opened>> {
        &self.pending
    }

    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

/// The nodes that are connected here. Clones are the same.
#[derive(Debug, Clone)]
pub struct Lines {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    lines: Mutex<HashMap<Box<str>, Line>>,
    tunnels: Tunnels,
    serials: AtomicU64,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                lines: Mutex::default(),
                tunnels: Tunnels {
                    pending: Pending::new(TUNNELS_MAX),
                    places: Arc::new(Semaphore::new(TUNNELS_MAX)),
                },
                serials: AtomicU64::new(1),
            }),
        }
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Line>> {
        self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This node's, if it is connected.
    pub fn get(&self, node_id: &str) -> Option<Line> {
        self.lock().get(node_id).filter(|line| line.is_open()).cloned()
    }

    /// Everybody's.
    pub fn all(&self) -> Vec<Line> {
        self.lock()
            .values()
            .filter(|line| line.is_open())
            .cloned()
            .collect()
    }

    /// How many streams are asked for and not there yet.
    pub fn pending(&self) -> usize {
        self.inner.tunnels.pending.len()
    }

    /// How many streams there are, with those that are asked for.
    pub fn tunnels(&self) -> usize {
        TUNNELS_MAX.saturating_sub(self.inner.tunnels.places.available_permits())
    }

    /// Ends this node's connection, because its owner does not want it any more; `false` where there is none.
    pub fn revoke(&self, node_id: &str) -> bool {
        let line = self.get(node_id);
        if let Some(line) = &line {
            line.end(Some((crate::proto::Reason::Revoked, "this node was revoked")));
        }
        line.is_some()
    }

    /// What a new connection is to be made with.
    pub(crate) fn new_line(&self) -> (u64, Tunnels) {
        let serial = self.inner.serials.fetch_add(1, Ordering::Relaxed);
        (serial, self.inner.tunnels.clone())
    }

    /// Takes the place of its node; gives whoever has it instead.
    pub(crate) fn join(&self, line: &Line) -> Result<(), Line> {
        let mut lines = self.lock();
        match lines.get(line.node_id()) {
            Some(other) => Err(other.clone()),
            None => {
                lines.insert(line.node_id().into(), line.clone());
                Ok(())
            }
        }
    }

    /// Leaves the place of its node to others.
    pub(crate) fn leave(&self, line: &Line) {
        let mut lines = self.lock();
        if lines
            .get(line.node_id())
            .is_some_and(|own| own.serial() == line.serial())
        {
            lines.remove(line.node_id());
        }
    }
}

impl Routing for Lines {
    fn route(&self, node_id: &str) -> Route {
        self.get(node_id).map_or(Route::Nowhere, Route::Here)
    }
}
