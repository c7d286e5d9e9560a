//! An event that many readers get.

use std::sync::OnceLock;

use bytes::Bytes;
use wire::Event;

/// An event, and the line made of it for the first reader, which serves all others.
#[derive(Debug)]
pub struct Heard {
    /// The event.
    pub event: Event,
    line: OnceLock<Bytes>,
}

impl Heard {
    /// Its line: made by the first who asks.
    pub fn line(&self, make: impl FnOnce(&Event) -> Bytes) -> &Bytes {
        self.line.get_or_init(|| make(&self.event))
    }
}

impl From<Event> for Heard {
    fn from(event: Event) -> Self {
        Self {
            event,
            line: OnceLock::new(),
        }
    }
}
