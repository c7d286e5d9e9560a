//! What a coordinator keeps: who its nodes are, and what happened to them.
//!
//! Two traits, kept apart, so that a server that several coordinators share is a new module and nothing else:
//! [`Registry`] has nodes, enrolments, keys and ports; [`EventLog`] has what happened, and what it came to. Which
//! coordinator holds a node's line is no business of a store's: that is the tunnels' routing. [`embedded`] is both, in
//! one file.
//!
//! All moments are in nanoseconds since 1970, by the coordinator's clock, unless said otherwise.

pub mod embedded;
mod error;
mod record;

use std::future::Future;
use std::pin::Pin;

pub use embedded::{Embedded, Retention};
pub use error::StoreError;
pub use record::{
    Appended, Digest, Enrolment, Entry, Happening, Key, NodeAction, NodeRecord, Page, Port, Sequence, Told,
};

use crate::proto;

/// What a store will have done.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Who may come in: nodes, whoever is about to become one, and those that ask. What changes is durable when it returns.
pub trait Registry: std::fmt::Debug + Send + Sync {
    /// Every node there is, revoked ones too, by id.
    fn nodes(&self) -> Pending<'_, Vec<NodeRecord>>;

    /// One node.
    fn node(&self, node_id: &str) -> Pending<'_, Option<NodeRecord>>;

    /// Uses up the enrolment with this token's hash and keeps the node, both or neither. A node of that id that was
    /// revoked is replaced; of one that was not, or where the token is none, or too late at `now`, nothing changes.
    ///
    /// # Errors
    /// [`StoreError::NoEnrolment`], [`StoreError::NodeExists`], [`StoreError::Full`].
    fn enrol(&self, token_hash: Digest, node: NodeRecord, now: i64) -> Pending<'_, ()>;

    /// Keeps a node's name and password anew; nothing where there is no such node.
    fn renew(&self, node: NodeRecord) -> Pending<'_, bool>;

    /// Shuts a node out; `false` where there is none, or it is already.
    fn revoke(&self, node_id: &str, now: i64) -> Pending<'_, bool>;

    /// Notes when these nodes were last there.
    fn seen(&self, nodes: Vec<(Box<str>, i64)>) -> Pending<'_, ()>;

    /// Keeps an enrolment; those that are too late at its making go.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    fn add_enrolment(&self, enrolment: Enrolment) -> Pending<'_, ()>;

    /// Those that are not used up; too late ones may be among them.
    fn enrolments(&self) -> Pending<'_, Vec<Enrolment>>;

    /// Keeps a key.
    ///
    /// # Errors
    /// [`StoreError::KeyExists`] where its name is taken, [`StoreError::Full`].
    fn add_key(&self, key: Key) -> Pending<'_, ()>;

    /// Every key, by name.
    fn keys(&self) -> Pending<'_, Vec<Key>>;

    /// The key of this hash.
    fn key_of(&self, hash: Digest) -> Pending<'_, Option<Key>>;

    /// Forgets a key; `false` where there is none of that name.
    fn remove_key(&self, name: &str) -> Pending<'_, bool>;

    /// Keeps a port.
    ///
    /// # Errors
    /// [`StoreError::PortExists`] where its address is taken, [`StoreError::Full`].
    fn add_port(&self, port: Port) -> Pending<'_, ()>;

    /// Every port, by address.
    fn ports(&self) -> Pending<'_, Vec<Port>>;

    /// Forgets a port; `false` where there is none at that address.
    fn remove_port(&self, address: &str) -> Pending<'_, bool>;
}

/// What happened, in one order for all nodes, and the containers that it came to. Sequence numbers begin at 1 and have
/// no holes but for what is too old.
pub trait EventLog: std::fmt::Debug + Send + Sync {
    /// Adds these, in order, all or none, and folds them into what is known of containers; an event that the log has
    /// already is passed over. Durable when it returns.
    fn append(&self, entries: Vec<Entry>) -> Pending<'_, Vec<Appended>>;

    /// At most `max` entries after `after`, in order; of one node where one is named. Fewer do not mean the end:
    /// [`Page::upto`] says how far it came.
    fn read<'a>(&'a self, after: Sequence, max: usize, node_id: Option<&'a str>) -> Pending<'a, Page>;

    /// The oldest entry that is there, and the newest that there was; `(1, 0)` where there never was one.
    fn bounds(&self) -> Pending<'_, (Sequence, Sequence)>;

    /// How far a node has told what happened.
    fn told(&self, node_id: &str) -> Pending<'_, Option<Told>>;

    /// Nodes that are connected as far as the log knows, and since when.
    fn present(&self) -> Pending<'_, Vec<(Box<str>, i64)>>;

    /// The containers of a node, as they are after the newest entry, by id.
    fn containers(&self, node_id: &str) -> Pending<'_, Vec<proto::Container>>;
}
