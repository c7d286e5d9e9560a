//! The nodes that there are.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::publication::Change;
use super::view::{Containers, NodeView};

/// The nodes that there are, by id. Whoever asks gets them as they are at that moment, and holds nobody up.
#[derive(Debug, Default)]
pub(super) struct Nodes(RwLock<BTreeMap<Arc<str>, Arc<NodeView>>>);

impl Nodes {
    /// Each of them.
    pub(super) fn all(&self) -> Vec<Arc<NodeView>> {
        let nodes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        nodes.values().map(Arc::clone).collect()
    }

    /// One of them.
    pub(super) fn get(&self, node_id: &str) -> Option<Arc<NodeView>> {
        let nodes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        nodes.get(node_id).map(Arc::clone)
    }

    /// The containers of one; none where there is no such node.
    pub(super) fn containers(&self, node_id: &str) -> Containers {
        self.get(node_id)
            .map(|node| node.containers.clone())
            .unwrap_or_default()
    }

    /// Puts one in, instead of what was there.
    pub(super) fn put(&self, node: NodeView) {
        let mut nodes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        nodes.insert(Arc::clone(&node.node_id), Arc::new(node));
    }

    /// Takes one out; `false` where there is none.
    pub(super) fn remove(&self, node_id: &str) -> bool {
        let mut nodes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        nodes.remove(node_id).is_some()
    }

    /// Has one changed, and gives what `change` gives; none where there is no such node.
    pub(super) fn change<T>(&self, node_id: &str, change: impl FnOnce(&mut NodeView) -> T) -> Option<T> {
        let mut nodes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let node = nodes.get_mut(node_id)?;
        Some(change(Arc::make_mut(node)))
    }

    /// Changes containers of one.
    pub(super) fn fold(&self, node_id: &str, changes: Vec<Change<'_>>) {
        // Nobody else changes them, so they are put together while others read.
        let containers = self.containers(node_id).with(changes);
        self.change(node_id, |node| node.containers = containers);
    }
}
