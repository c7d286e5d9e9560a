//! What is told to whoever listens.

use std::sync::Arc;

use super::view::Container;
use crate::coordinator::store::{Entry, Happening, NodeAction, Sequence};
use crate::proto;

/// What is done to the containers of a node: the id, and how that one is now; none where it is gone.
pub(super) type Change<'a> = (&'a str, Option<&'a Arc<Container>>);

/// Something that happened, and that is on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Its number; what comes later has a higher one, and there are no holes but for what is too old.
    pub sequence: Sequence,
    /// When the coordinator heard of it, in nanoseconds since 1970.
    pub received_at: i64,
    /// Whose.
    pub node_id: Box<str>,
    /// What.
    pub what: Occurrence,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Occurrence {
    /// The node's engine told of something.
    Event {
        /// As the engine has it.
        event: proto::Event,
        /// How the container was found after it; none where the event is no container's, did not change it, or where
        /// it is gone.
        container: Option<Arc<Container>>,
        /// Whether the container is gone.
        is_gone: bool,
    },
    /// A container was found otherwise than it was known, with no event that says why.
    Changed {
        /// As it is, or was where it is gone.
        container: Arc<Container>,
        /// Whether it is gone.
        is_gone: bool,
    },
    /// Something about the node itself.
    Node {
        /// What.
        action: NodeAction,
        /// In words, for people; may be empty.
        detail: Box<str>,
    },
}

impl Published {
    /// The entry of this number.
    pub(in crate::coordinator) fn new(sequence: Sequence, entry: Entry) -> Self {
        let what = match entry.what {
            Happening::Event {
                event,
                container,
                is_gone,
            } => Occurrence::Event {
                event,
                container: container.map(|container| Arc::new(Container::from(&*container))),
                is_gone,
            },
            Happening::Changed { container, is_gone } => Occurrence::Changed {
                container: Arc::new(Container::from(&*container)),
                is_gone,
            },
            Happening::Node { action, detail } => Occurrence::Node { action, detail },
        };
        Self {
            sequence,
            received_at: entry.received_at,
            node_id: entry.node_id,
            what,
        }
    }

    /// What it does to the containers of its node, if anything.
    pub(super) fn change(&self) -> Option<Change<'_>> {
        match &self.what {
            Occurrence::Event {
                event, is_gone: true, ..
            } => Some((&event.actor_id, None)),
            Occurrence::Event {
                container: Some(container),
                ..
            } => Some((&container.id, Some(container))),
            Occurrence::Changed { container, is_gone } => {
                Some((&container.id, (!is_gone).then_some(container)))
            }
            Occurrence::Event { .. } | Occurrence::Node { .. } => None,
        }
    }
}
