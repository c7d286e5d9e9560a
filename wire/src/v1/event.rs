//! Something that happened to a container.

use super::Invalid;
use super::layout::{EventRecord, Recorded};

/// Nanoseconds in a second.
const NS_PER_S: i64 = 1_000_000_000;

/// Something that happened to a container. It has no number: two of the same time, action and
/// container cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Event {
    /// When, in nanoseconds since 1970. The record says the whole seconds besides.
    pub time_ns: i64,
    /// What happened: `start`, `die` or `restart`; at most 31 bytes are carried.
    pub action: String,
    /// The container's UUID, or empty.
    pub uuid: String,
    /// The container's name; at most 255 bytes are carried.
    pub name: String,
}

impl Event {
    /// What every event is about. The kind is not part of the value: there is no other.
    pub const KIND: &'static str = "container";

    /// The time in whole seconds, as a POLL_EVENTS compares it.
    #[must_use]
    pub fn time_s(&self) -> i64 {
        self.time_ns.div_euclid(NS_PER_S)
    }

    /// Reads a record that can be trusted to be one: with the kind that there is, a time that agrees
    /// with itself, and texts that are UTF-8 and padded. Bytes that were shifted by a torn write are
    /// not.
    pub(super) fn read_sound(record: &EventRecord) -> Option<Self> {
        let (kind, action) = (record.kind.sound()?, record.action.sound()?);
        let time_ns = record.time_ns.get();
        let apart = time_ns.div_euclid(NS_PER_S).abs_diff(record.time_s.get());
        if kind != Self::KIND || action.is_empty() || time_ns < 0 || apart > 1 {
            return None;
        }
        Some(Self {
            time_ns,
            action: action.to_owned(),
            uuid: record.uuid.sound()?.to_owned(),
            name: record.name.sound()?.to_owned(),
        })
    }
}

impl Recorded for Event {
    type Record = EventRecord;

    fn fill(&self, record: &mut EventRecord) {
        record.time_s.set(self.time_s());
        record.time_ns.set(self.time_ns);
        record.kind.set(Self::KIND);
        record.action.set(&self.action);
        record.uuid.set(&self.uuid);
        record.name.set(&self.name);
    }

    fn read(record: &EventRecord) -> Result<Self, Invalid> {
        Self::read_sound(record).ok_or(Invalid::Torn)
    }
}
