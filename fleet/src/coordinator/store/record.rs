//! What is kept, as the rest of the coordinator knows it.

use std::fmt;

use crate::access::Role;
use crate::proto;

/// Of SHA-256.
pub type Digest = [u8; 32];

/// The number of an entry of the log; the first has 1.
pub type Sequence = u64;

/// A node that was let in once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// What it calls itself; nobody else may.
    pub node_id: Box<str>,
    /// What people call it.
    pub name: Box<str>,
    /// Its Ed25519 key.
    pub public_key: [u8; 32],
    /// What goes before its owner's password.
    pub password_salt: Vec<u8>,
    /// SHA-256 of both; empty where it has no password.
    pub password_hash: Vec<u8>,
    /// When it was let in.
    pub enrolled_at: i64,
    /// When it was shut out, if it was.
    pub revoked_at: Option<i64>,
    /// When it was last there, if it ever was; a line that ends says so, and one that lives on now and then.
    pub last_seen: Option<i64>,
}

/// Leave for one node to come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Of the token, which is kept nowhere.
    pub token_hash: Digest,
    /// What the node will be called, if not what it calls itself.
    pub name: Option<Box<str>>,
    /// When it was made.
    pub created_at: i64,
    /// When it is too late.
    pub expires_at: i64,
}

/// Leave to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What people call it.
    pub name: Box<str>,
    /// Of the key, which is kept nowhere.
    pub hash: Digest,
    /// What it may ask for.
    pub role: Role,
    /// The one node that it may ask, if not every one.
    pub node_id: Option<Box<str>>,
    /// When it was made.
    pub created_at: i64,
}

/// A port of the coordinator's that is a node's Docker socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Where: `127.0.0.1:2375`.
    pub address: Box<str>,
    /// Whose socket.
    pub node_id: Box<str>,
    /// Whether it is for TLS with client certificates.
    pub is_tls: bool,
    /// When it was opened.
    pub created_at: i64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Whose.
    pub node_id: Box<str>,
    /// When the coordinator heard of it.
    pub received_at: i64,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The node's engine told of something.
    Event {
        /// As the engine has it, times by its own clock.
        event: proto::Event,
        /// How the container was found after it; none where the event is no container's, or it was not looked at.
        container: Option<Box<proto::Container>>,
        /// Whether the container is gone.
        is_gone: bool,
    },
    /// A container was found otherwise than it was known, with no event that says why.
    Changed {
        /// As it is, or was where it is gone.
        container: Box<proto::Container>,
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

/// What can happen to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeAction {
    /// It was let in for the first time.
    Enrolled,
    /// Its line is there.
    Connected,
    /// Its line is gone.
    Disconnected,
    /// Somebody came with its id and was not let in.
    Refused,
    /// It was shut out.
    Revoked,
    /// Its engine answers no more.
    EngineLost,
    /// Its engine answers again.
    EngineFound,
}

impl NodeAction {
    /// Each of them, by the number it has on disk.
    pub const ALL: &[(u32, Self)] = &[
        (1, Self::Enrolled),
        (2, Self::Connected),
        (3, Self::Disconnected),
        (4, Self::Refused),
        (5, Self::Revoked),
        (6, Self::EngineLost),
        (7, Self::EngineFound),
    ];

    /// Its name, as users see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
            Self::EngineLost => "engine_lost",
            Self::EngineFound => "engine_found",
        }
    }
}

impl fmt::Display for NodeAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is there, with this number.
    New(Sequence),
    /// It was there already: the node told of it before.
    Known,
}

/// Entries of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// They, in order.
    pub entries: Vec<(Sequence, Entry)>,
    /// The oldest that there is, asked for or not.
    pub first: Sequence,
    /// What was looked at, they or others: whoever goes on does so after it.
    pub upto: Sequence,
}

/// How far a node has told what happened, by its engine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When the event happened that was told last.
    pub last: i64,
    /// When the event happened that was forgotten last, if one was: whether older ones were told, nobody knows.
    pub forgotten: Option<i64>,
}
