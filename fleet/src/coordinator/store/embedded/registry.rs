//! Nodes, enrolments, keys and ports.

use prost::Message;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata as _, WriteTransaction};

use super::shape::{StoredEnrolment, StoredKey, StoredNode, StoredPort};
use super::{Embedded, tables};
use crate::coordinator::store::{Digest, Enrolment, Key, NodeRecord, Pending, Port, Registry, StoreError};
use crate::limits;

/// What the database says, and what the registry does.
type Outcome<T> = Result<Result<T, StoreError>, redb::Error>;

impl Registry for Embedded {
    fn nodes(&self) -> Pending<'_, Vec<NodeRecord>> {
        self.reading(|transaction| {
            let mut nodes = Vec::new();
            let seen = transaction.open_table(tables::SEEN)?;
            for item in transaction.open_table(tables::NODES)?.iter()? {
                let (node_id, node) = item?;
                let last_seen = seen.get(node_id.value())?.map(|at| at.value());
                nodes.push(stored_node(node_id.value(), node.value(), last_seen)?);
            }
            Ok(nodes)
        })
    }

    fn node(&self, node_id: &str) -> Pending<'_, Option<NodeRecord>> {
        let node_id = node_id.to_owned();
        self.reading(move |transaction| node(transaction, &node_id))
    }

    fn enrol(&self, token_hash: Digest, node: NodeRecord, now: i64) -> Pending<'_, ()> {
        self.writing(move |transaction, _| enrol(transaction, &token_hash, &node, now))
    }

    fn renew(&self, node: NodeRecord) -> Pending<'_, bool> {
        self.writing(move |transaction, _| {
            let mut nodes = transaction.open_table(tables::NODES)?;
            // Whoever asks read it some time ago: that it was revoked meanwhile must not be undone.
            let Some(mut known) = found(&nodes, &node.node_id)? else {
                return Ok(Ok(false));
            };
            known.name = node.name;
            known.password_salt = node.password_salt;
            known.password_hash = node.password_hash;
            nodes.insert(&*node.node_id, StoredNode::of(&known).encode_to_vec().as_slice())?;
            Ok(Ok(true))
        })
    }

    fn revoke(&self, node_id: &str, now: i64) -> Pending<'_, bool> {
        let node_id = node_id.to_owned();
        self.writing(move |transaction, _| {
            let mut nodes = transaction.open_table(tables::NODES)?;
            let Some(mut node) = found(&nodes, &node_id)? else {
                return Ok(Ok(false));
            };
            if node.revoked_at.is_some() {
                return Ok(Ok(false));
            }
            node.revoked_at = Some(now);
            nodes.insert(node_id.as_str(), StoredNode::of(&node).encode_to_vec().as_slice())?;
            Ok(Ok(true))
        })
    }

    fn seen(&self, nodes: Vec<(Box<str>, i64)>) -> Pending<'_, ()> {
        self.writing(move |transaction, _| {
            let mut seen = transaction.open_table(tables::SEEN)?;
            for (node_id, at) in nodes {
                seen.insert(&*node_id, at)?;
            }
            Ok(Ok(()))
        })
    }

    fn add_enrolment(&self, enrolment: Enrolment) -> Pending<'_, ()> {
        self.writing(move |transaction, _| add_enrolment(transaction, &enrolment))
    }

    fn enrolments(&self) -> Pending<'_, Vec<Enrolment>> {
        self.reading(|transaction| {
            let mut enrolments = Vec::new();
            for item in transaction.open_table(tables::ENROLMENTS)?.iter()? {
                let (hash, stored) = item?;
                let stored: StoredEnrolment = decoded(stored.value())?;
                enrolments.push(stored.into_enrolment(*hash.value()));
            }
            Ok(enrolments)
        })
    }

    fn add_key(&self, key: Key) -> Pending<'_, ()> {
        self.writing(move |transaction, _| add_key(transaction, &key))
    }

    fn keys(&self) -> Pending<'_, Vec<Key>> {
        self.reading(|transaction| {
            let mut keys = Vec::new();
            for item in transaction.open_table(tables::KEYS)?.iter()? {
                let (name, stored) = item?;
                let stored: StoredKey = decoded(stored.value())?;
                keys.extend(stored.into_key(name.value()));
            }
            Ok(keys)
        })
    }

    fn key_of(&self, hash: Digest) -> Pending<'_, Option<Key>> {
        self.reading(move |transaction| {
            let names = transaction.open_table(tables::KEY_NAMES)?;
            let keys = transaction.open_table(tables::KEYS)?;
            let Some(name) = names.get(&hash)? else {
                return Ok(None);
            };
            let Some(stored) = keys.get(name.value())? else {
                return Ok(None);
            };
            let stored: StoredKey = decoded(stored.value())?;
            Ok(stored.into_key(name.value()))
        })
    }

    fn remove_key(&self, name: &str) -> Pending<'_, bool> {
        let name = name.to_owned();
        self.writing(move |transaction, _| {
            let mut keys = transaction.open_table(tables::KEYS)?;
            let Some(stored) = keys.remove(name.as_str())? else {
                return Ok(Ok(false));
            };
            let stored: StoredKey = decoded(stored.value())?;
            if let Ok(hash) = <&Digest>::try_from(stored.hash.as_slice()) {
                transaction.open_table(tables::KEY_NAMES)?.remove(hash)?;
            }
            Ok(Ok(true))
        })
    }

    fn add_port(&self, port: Port) -> Pending<'_, ()> {
        self.writing(move |transaction, _| {
            let mut ports = transaction.open_table(tables::PORTS)?;
            if ports.get(&*port.address)?.is_some() {
                return Ok(Err(StoreError::PortExists));
            }
            if let Err(full) = room(ports.len()?, "ports", limits::PORTS_MAX) {
                return Ok(Err(full));
            }
            ports.insert(&*port.address, StoredPort::of(&port).encode_to_vec().as_slice())?;
            Ok(Ok(()))
        })
    }

    fn ports(&self) -> Pending<'_, Vec<Port>> {
        self.reading(|transaction| {
            let mut ports = Vec::new();
            for item in transaction.open_table(tables::PORTS)?.iter()? {
                let (address, stored) = item?;
                let stored: StoredPort = decoded(stored.value())?;
                ports.push(stored.into_port(address.value()));
            }
            Ok(ports)
        })
    }

    fn remove_port(&self, address: &str) -> Pending<'_, bool> {
        let address = address.to_owned();
        self.writing(move |transaction, _| {
            let mut ports = transaction.open_table(tables::PORTS)?;
            Ok(Ok(ports.remove(address.as_str())?.is_some()))
        })
    }
}

fn node(transaction: &ReadTransaction, node_id: &str) -> Result<Option<NodeRecord>, redb::Error> {
    let nodes = transaction.open_table(tables::NODES)?;
    let Some(stored) = nodes.get(node_id)? else {
        return Ok(None);
    };
    let seen = transaction.open_table(tables::SEEN)?.get(node_id)?;
    stored_node(node_id, stored.value(), seen.map(|at| at.value())).map(Some)
}

/// A node without when it was last there.
fn found(
    nodes: &impl ReadableTable<&'static str, &'static [u8]>,
    node_id: &str,
) -> Result<Option<NodeRecord>, redb::Error> {
    let stored = nodes.get(node_id)?;
    stored
        .map(|stored| stored_node(node_id, stored.value(), None))
        .transpose()
}

fn stored_node(node_id: &str, bytes: &[u8], last_seen: Option<i64>) -> Result<NodeRecord, redb::Error> {
    let stored: StoredNode = decoded(bytes)?;
    stored
        .into_node(node_id, last_seen)
        .ok_or_else(|| redb::Error::Corrupted(format!("{node_id} is no node")))
}

fn decoded<T: Message + Default>(bytes: &[u8]) -> Result<T, redb::Error> {
    T::decode(bytes).map_err(|error| redb::Error::Corrupted(format!("what it has does not decode: {error}")))
}

/// Whether there may be one more.
fn room(count: u64, what: &'static str, max: usize) -> Result<(), StoreError> {
    if usize::try_from(count).is_ok_and(|count| count < max) {
        Ok(())
    } else {
        Err(StoreError::Full(what, max))
    }
}

fn enrol(transaction: &WriteTransaction, token_hash: &Digest, node: &NodeRecord, now: i64) -> Outcome<()> {
    let mut enrolments = transaction.open_table(tables::ENROLMENTS)?;
    let mut nodes = transaction.open_table(tables::NODES)?;
    let Some(stored) = enrolments.get(token_hash)?.map(|stored| stored.value().to_vec()) else {
        return Ok(Err(StoreError::NoEnrolment));
    };
    let stored: StoredEnrolment = decoded(&stored)?;
    if stored.expires_at <= now {
        return Ok(Err(StoreError::NoEnrolment));
    }
    match found(&nodes, &node.node_id)? {
        Some(known) if known.revoked_at.is_none() => return Ok(Err(StoreError::NodeExists)),
        Some(_) => {}
        None => {
            if let Err(full) = room(nodes.len()?, "nodes", limits::NODES_MAX) {
                return Ok(Err(full));
            }
        }
    }
    enrolments.remove(token_hash)?;
    nodes.insert(&*node.node_id, StoredNode::of(node).encode_to_vec().as_slice())?;
    Ok(Ok(()))
}

fn add_enrolment(transaction: &WriteTransaction, enrolment: &Enrolment) -> Outcome<()> {
    let mut enrolments = transaction.open_table(tables::ENROLMENTS)?;
    let mut late = Vec::new();
    for item in enrolments.iter()? {
        let (hash, stored) = item?;
        let stored: StoredEnrolment = decoded(stored.value())?;
        if stored.expires_at <= enrolment.created_at {
            late.push(*hash.value());
        }
    }
    for hash in &late {
        enrolments.remove(hash)?;
    }
    if let Err(full) = room(enrolments.len()?, "enrolments", limits::ENROLMENTS_MAX) {
        return Ok(Err(full));
    }
    let stored = StoredEnrolment::of(enrolment).encode_to_vec();
    enrolments.insert(&enrolment.token_hash, stored.as_slice())?;
    Ok(Ok(()))
}

fn add_key(transaction: &WriteTransaction, key: &Key) -> Outcome<()> {
    let mut keys = transaction.open_table(tables::KEYS)?;
    if keys.get(&*key.name)?.is_some() {
        return Ok(Err(StoreError::KeyExists));
    }
    if let Err(full) = room(keys.len()?, "keys", limits::KEYS_MAX) {
        return Ok(Err(full));
    }
    keys.insert(&*key.name, StoredKey::of(key).encode_to_vec().as_slice())?;
    transaction
        .open_table(tables::KEY_NAMES)?
        .insert(&key.hash, &*key.name)?;
    Ok(Ok(()))
}
