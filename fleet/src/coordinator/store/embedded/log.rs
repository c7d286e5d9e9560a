//! The log of events, and the containers that it comes to.

use std::ops::ControlFlow;
use std::time::SystemTime;

use prost::Message as _;
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use sha2::{Digest as _, Sha256};

use super::shape::StoredEntry;
use super::{Embedded, Retention, tables};
use crate::coordinator::store::{
    Appended, Entry, EventLog, Happening, NodeAction, Page, Pending, Sequence, Told,
};
use crate::limits;
use crate::proto;

impl EventLog for Embedded {
    fn append(&self, entries: Vec<Entry>) -> Pending<'_, Vec<Appended>> {
        self.writing(move |transaction, _| append(transaction, entries).map(Ok))
    }

    fn read<'a>(&'a self, after: Sequence, max: usize, node_id: Option<&'a str>) -> Pending<'a, Page> {
        let node_id = node_id.map(str::to_owned);
        self.reading(move |transaction| page(transaction, after, max, node_id.as_deref()))
    }

    fn bounds(&self) -> Pending<'_, (Sequence, Sequence)> {
        self.reading(|transaction| {
            let last = transaction.open_table(tables::NUMBERS)?;
            let last = last.get(tables::NUMBER_LAST)?.map_or(0, |last| last.value());
            let log = transaction.open_table(tables::LOG)?;
            let first = log.first()?.map(|(first, _)| first.value());
            Ok((first.unwrap_or(last.saturating_add(1)), last))
        })
    }

    fn told(&self, node_id: &str) -> Pending<'_, Option<Told>> {
        let node_id = node_id.to_owned();
        self.reading(move |transaction| {
            let Some(node) = number(transaction, &node_id)? else {
                return Ok(None);
            };
            let told = transaction.open_table(tables::TOLD)?.get(node)?;
            let told = told.map(|told| told.value());
            Ok(told.map(|(last, forgotten)| Told { last, forgotten }))
        })
    }

    fn present(&self) -> Pending<'_, Vec<(Box<str>, i64)>> {
        self.reading(|transaction| {
            let mut present = Vec::new();
            for item in transaction.open_table(tables::PRESENT)?.iter()? {
                let (node_id, since) = item?;
                present.push((node_id.value().into(), since.value()));
            }
            Ok(present)
        })
    }

    fn containers(&self, node_id: &str) -> Pending<'_, Vec<proto::Container>> {
        let node_id = node_id.to_owned();
        self.reading(move |transaction| {
            let Some(node) = number(transaction, &node_id)? else {
                return Ok(Vec::new());
            };
            let table = transaction.open_table(tables::CONTAINERS)?;
            let mut containers = Vec::new();
            for item in table.range((node, "")..)? {
                let (key, value) = item?;
                if key.value().0 != node {
                    break;
                }
                containers.push(proto::Container::decode(value.value()).map_err(damaged)?);
            }
            Ok(containers)
        })
    }
}

/// What the tables below call a node.
fn number(transaction: &ReadTransaction, node_id: &str) -> Result<Option<u32>, redb::Error> {
    let numbers = transaction.open_table(tables::NODE_NUMBERS)?;
    Ok(numbers.get(node_id)?.map(|number| number.value()))
}

fn damaged(error: prost::DecodeError) -> redb::Error {
    redb::Error::Corrupted(format!("what it has does not decode: {error}"))
}

fn page(
    transaction: &ReadTransaction,
    after: Sequence,
    max: usize,
    node_id: Option<&str>,
) -> Result<Page, redb::Error> {
    let log = transaction.open_table(tables::LOG)?;
    let mut page = Page {
        entries: Vec::new(),
        first: log.first()?.map_or(0, |(first, _)| first.value()),
        upto: after,
    };
    let wanted = match node_id {
        Some(node_id) => match number(transaction, node_id)? {
            // No entry has a number that nobody was given.
            None => Some(u32::MAX),
            known => known,
        },
        None => None,
    };
    let Some(first) = after.checked_add(1) else {
        return Ok(page);
    };
    let mut bytes = 0_usize;
    for item in log.range(first..)?.take(limits::LOG_LOOKED_AT_MAX) {
        if page.entries.len() >= max || bytes >= limits::LOG_PAGE_BYTES {
            break;
        }
        let (sequence, value) = item?;
        page.upto = sequence.value();
        let (node, value) = value.value();
        if wanted.is_none_or(|wanted| wanted == node) {
            bytes = bytes.saturating_add(value.len());
            let entry = StoredEntry::decode(value).map_err(damaged)?.into_entry();
            page.entries.extend(entry.map(|entry| (sequence.value(), entry)));
        }
    }
    Ok(page)
}

/// What tells an event from others of its node and its time.
fn mark(event: &proto::Event) -> u64 {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    };
    add(&event.r#type);
    add(&event.action);
    add(&event.actor_id);
    let mut attributes: Vec<_> = event.attributes.iter().collect();
    attributes.sort_unstable();
    for (name, value) in attributes {
        add(name);
        add(value);
    }
    let hash = hash.finalize();
    u64::from_le_bytes(hash.first_chunk().copied().unwrap_or_default())
}

struct Tables<'a> {
    numbers: Table<'a, &'static str, u64>,
    node_numbers: Table<'a, &'static str, u32>,
    log: Table<'a, u64, (u32, &'static [u8])>,
    known: Table<'a, (i64, u32, u64), ()>,
    told: Table<'a, u32, (i64, Option<i64>)>,
    present: Table<'a, &'static str, i64>,
    containers: Table<'a, (u32, &'static str), &'static [u8]>,
}

impl<'a> Tables<'a> {
    fn open(transaction: &'a WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            numbers: transaction.open_table(tables::NUMBERS)?,
            node_numbers: transaction.open_table(tables::NODE_NUMBERS)?,
            log: transaction.open_table(tables::LOG)?,
            known: transaction.open_table(tables::KNOWN)?,
            told: transaction.open_table(tables::TOLD)?,
            present: transaction.open_table(tables::PRESENT)?,
            containers: transaction.open_table(tables::CONTAINERS)?,
        })
    }

    fn count(&self, name: &str) -> Result<u64, redb::Error> {
        Ok(self.numbers.get(name)?.map_or(0, |count| count.value()))
    }

    /// The number of a node; a new one where it has none.
    fn node(&mut self, node_id: &str) -> Result<u32, redb::Error> {
        if let Some(number) = self.node_numbers.get(node_id)? {
            return Ok(number.value());
        }
        // None is ever taken away.
        let number = u32::try_from(redb::ReadableTableMetadata::len(&self.node_numbers)?).unwrap_or(u32::MAX);
        self.node_numbers.insert(node_id, number)?;
        Ok(number)
    }

    /// Notes an event as told; `false` where it was.
    fn tell(&mut self, node: u32, event: &proto::Event) -> Result<bool, redb::Error> {
        let key = (event.time_nano, node, mark(event));
        if self.known.insert(key, ())?.is_some() {
            return Ok(false);
        }
        let told = self.told.get(node)?.map(|told| told.value());
        let forgotten = told.and_then(|(_, forgotten)| forgotten);
        self.told.insert(node, (event.time_nano, forgotten))?;
        Ok(true)
    }

    fn fold(&mut self, node: u32, entry: &Entry) -> Result<(), redb::Error> {
        match &entry.what {
            Happening::Event {
                event,
                container: None,
                is_gone: true,
            } => {
                self.containers.remove((node, event.actor_id.as_str()))?;
            }
            Happening::Event {
                container: Some(container),
                is_gone,
                ..
            }
            | Happening::Changed { container, is_gone } => {
                let key = (node, container.id.as_str());
                if *is_gone {
                    self.containers.remove(key)?;
                } else {
                    self.containers
                        .insert(key, container.encode_to_vec().as_slice())?;
                }
            }
            Happening::Node { action, .. } => match action {
                NodeAction::Connected => {
                    self.present.insert(&*entry.node_id, entry.received_at)?;
                }
                NodeAction::Disconnected | NodeAction::Revoked => {
                    self.present.remove(&*entry.node_id)?;
                }
                _ => {}
            },
            Happening::Event { .. } => {}
        }
        Ok(())
    }

    /// The oldest entry: its number, its node's, how long it is, and it.
    fn first(&self) -> Result<Option<(Sequence, u32, u64, StoredEntry)>, redb::Error> {
        let Some((sequence, value)) = self.log.first()? else {
            return Ok(None);
        };
        let (node, bytes) = value.value();
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let entry = StoredEntry::decode(bytes).map_err(damaged)?;
        Ok(Some((sequence.value(), node, length, entry)))
    }

    /// Forgets the oldest entry, if it is one too many.
    fn forget(&mut self, retention: &Retention, now: i64) -> Result<ControlFlow<()>, redb::Error> {
        let last = self.count(tables::NUMBER_LAST)?;
        let bytes = self.count(tables::NUMBER_BYTES)?;
        let Some((sequence, node, length, entry)) = self.first()? else {
            return Ok(ControlFlow::Break(()));
        };
        let age = i64::try_from(retention.age.as_nanos()).unwrap_or(i64::MAX);
        let is_too_much = last.saturating_sub(sequence) >= retention.entries
            || bytes > retention.bytes
            || now.saturating_sub(entry.received_at) > age;
        // One is always there: it says where the others were.
        if !is_too_much || sequence >= last {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(event) = &entry.event {
            self.known.remove((event.time_nano, node, mark(event)))?;
            let told = self.told.get(node)?.map(|told| told.value());
            let last = told.map_or(event.time_nano, |(last, _)| last);
            self.told.insert(node, (last, Some(event.time_nano)))?;
        }
        self.log.remove(sequence)?;
        self.numbers
            .insert(tables::NUMBER_BYTES, bytes.saturating_sub(length))?;
        Ok(ControlFlow::Continue(()))
    }
}

/// Adds these to the log.
fn append(transaction: &WriteTransaction, entries: Vec<Entry>) -> Result<Vec<Appended>, redb::Error> {
    let mut tables = Tables::open(transaction)?;
    let mut last = tables.count(tables::NUMBER_LAST)?;
    let mut bytes = tables.count(tables::NUMBER_BYTES)?;
    let mut appended = Vec::with_capacity(entries.len());
    for entry in entries {
        let node = tables.node(&entry.node_id)?;
        if let Happening::Event { event, .. } = &entry.what
            && !tables.tell(node, event)?
        {
            appended.push(Appended::Known);
            continue;
        }
        tables.fold(node, &entry)?;
        last = last.saturating_add(1);
        let entry = StoredEntry::of(entry).encode_to_vec();
        bytes = bytes.saturating_add(u64::try_from(entry.len()).unwrap_or(u64::MAX));
        tables.log.insert(last, (node, entry.as_slice()))?;
        appended.push(Appended::New(last));
    }
    tables.numbers.insert(tables::NUMBER_LAST, last)?;
    tables.numbers.insert(tables::NUMBER_BYTES, bytes)?;
    Ok(appended)
}

/// Forgets what is too much, a part of it at a time: no transaction is held up by all of it.
pub(super) fn retain(transaction: &WriteTransaction, retention: &Retention) -> Result<(), redb::Error> {
    let mut tables = Tables::open(transaction)?;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    for _ in 0..limits::LOG_FORGOTTEN_AT_ONCE {
        if tables.forget(retention, now)?.is_break() {
            break;
        }
    }
    Ok(())
}
