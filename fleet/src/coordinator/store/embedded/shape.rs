//! What stands in the tables, as Protocol Buffers have it: fields can be added, and numbers are never used anew.

use prost::Message;

use crate::access::Role;
use crate::coordinator::store::{Enrolment, Entry, Happening, Key, NodeAction, NodeRecord, Port};
use crate::proto;

/// A node.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredNode {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    password_salt: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    password_hash: Vec<u8>,
    #[prost(sint64, tag = "5")]
    enrolled_at: i64,
    #[prost(sint64, optional, tag = "6")]
    revoked_at: Option<i64>,
}

impl StoredNode {
    pub(super) fn of(node: &NodeRecord) -> Self {
        Self {
            name: node.name.to_string(),
            public_key: node.public_key.to_vec(),
            password_salt: node.password_salt.clone(),
            password_hash: node.password_hash.clone(),
            enrolled_at: node.enrolled_at,
            revoked_at: node.revoked_at,
        }
    }

    /// None where it is no node.
    pub(super) fn into_node(self, node_id: &str, last_seen: Option<i64>) -> Option<NodeRecord> {
        Some(NodeRecord {
            node_id: node_id.into(),
            name: self.name.into(),
            public_key: self.public_key.try_into().ok()?,
            password_salt: self.password_salt,
            password_hash: self.password_hash,
            enrolled_at: self.enrolled_at,
            revoked_at: self.revoked_at,
            last_seen,
        })
    }
}

/// An enrolment.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredEnrolment {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(sint64, tag = "2")]
    created_at: i64,
    #[prost(sint64, tag = "3")]
    pub(super) expires_at: i64,
}

impl StoredEnrolment {
    pub(super) fn of(enrolment: &Enrolment) -> Self {
        Self {
            name: enrolment.name.as_deref().map(str::to_owned),
            created_at: enrolment.created_at,
            expires_at: enrolment.expires_at,
        }
    }

    pub(super) fn into_enrolment(self, token_hash: [u8; 32]) -> Enrolment {
        Enrolment {
            token_hash,
            name: self.name.map(Into::into),
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}

/// A key.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredKey {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) hash: Vec<u8>,
    #[prost(uint32, tag = "2")]
    role: u32,
    #[prost(string, optional, tag = "3")]
    node_id: Option<String>,
    #[prost(sint64, tag = "4")]
    created_at: i64,
}

impl StoredKey {
    pub(super) fn of(key: &Key) -> Self {
        Self {
            hash: key.hash.to_vec(),
            role: match key.role {
                Role::Read => 1,
                Role::Operate => 2,
                Role::Full => 3,
            },
            node_id: key.node_id.as_deref().map(str::to_owned),
            created_at: key.created_at,
        }
    }

    /// None where it is no key: one that a later program gave another role opens nothing here.
    pub(super) fn into_key(self, name: &str) -> Option<Key> {
        Some(Key {
            name: name.into(),
            hash: self.hash.try_into().ok()?,
            role: match self.role {
                1 => Role::Read,
                2 => Role::Operate,
                3 => Role::Full,
                _ => return None,
            },
            node_id: self.node_id.map(Into::into),
            created_at: self.created_at,
        })
    }
}

/// A port.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredPort {
    #[prost(string, tag = "1")]
    node_id: String,
    #[prost(bool, tag = "2")]
    is_tls: bool,
    #[prost(sint64, tag = "3")]
    created_at: i64,
}

impl StoredPort {
    pub(super) fn of(port: &Port) -> Self {
        Self {
            node_id: port.node_id.to_string(),
            is_tls: port.is_tls,
            created_at: port.created_at,
        }
    }

    pub(super) fn into_port(self, address: &str) -> Port {
        Port {
            address: address.into(),
            node_id: self.node_id.into(),
            is_tls: self.is_tls,
            created_at: self.created_at,
        }
    }
}

/// An entry of the log: an event with what was found after it, a container found otherwise, or a node's own action.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StoredEntry {
    #[prost(string, tag = "1")]
    node_id: String,
    #[prost(sint64, tag = "2")]
    pub(super) received_at: i64,
    #[prost(message, optional, tag = "3")]
    pub(super) event: Option<proto::Event>,
    #[prost(message, optional, boxed, tag = "4")]
    container: Option<Box<proto::Container>>,
    #[prost(bool, tag = "5")]
    is_gone: bool,
    #[prost(uint32, tag = "6")]
    action: u32,
    #[prost(string, tag = "7")]
    detail: String,
}

impl StoredEntry {
    pub(super) fn of(entry: Entry) -> Self {
        let mut stored = Self {
            node_id: entry.node_id.into(),
            received_at: entry.received_at,
            ..Self::default()
        };
        match entry.what {
            Happening::Event {
                event,
                container,
                is_gone,
            } => {
                stored.event = Some(event);
                stored.container = container;
                stored.is_gone = is_gone;
            }
            Happening::Changed { container, is_gone } => {
                stored.container = Some(container);
                stored.is_gone = is_gone;
            }
            Happening::Node { action, detail } => {
                let number = NodeAction::ALL.iter().find(|(_, known)| *known == action);
                stored.action = number.map_or(0, |(number, _)| *number);
                stored.detail = detail.into();
            }
        }
        stored
    }

    /// None where it is of a kind that this program does not know.
    pub(super) fn into_entry(self) -> Option<Entry> {
        let what = match (self.event, self.container) {
            (Some(event), container) => Happening::Event {
                event,
                container,
                is_gone: self.is_gone,
            },
            (None, Some(container)) => Happening::Changed {
                container,
                is_gone: self.is_gone,
            },
            (None, None) => {
                let known = NodeAction::ALL.iter().find(|(number, _)| *number == self.action);
                Happening::Node {
                    action: known?.1,
                    detail: self.detail.into(),
                }
            }
        };
        Some(Entry {
            node_id: self.node_id.into(),
            received_at: self.received_at,
            what,
        })
    }
}
