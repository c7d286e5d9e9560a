//! Which nodes are connected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Line;

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

/// The nodes that are connected here. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    inner: Arc<Mutex<HashMap<Arc<str>, Line>>>,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Line>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This node's, if it is connected.
    pub fn get(&self, node_id: &str) -> Option<Line> {
        self.lock().get(node_id).cloned()
    }

    /// Everybody's.
    pub fn all(&self) -> Vec<Line> {
        self.lock().values().cloned().collect()
    }
}

impl Routing for Lines {
    fn route(&self, node_id: &str) -> Route {
        self.get(node_id).map_or(Route::Nowhere, Route::Here)
    }
}
