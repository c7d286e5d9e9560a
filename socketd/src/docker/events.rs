//! `GET /events`.

use wire::{Event, Time};

use super::error::ApiError;
use super::networks::Networks;
use super::query::Query;

/// What is asked of the events.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Not earlier than this; none means from now on.
    pub since: Option<Time>,
    /// Not later than this, and then the answer ends; none means without end.
    pub until: Option<Time>,
}

impl EventQuery {
    /// Reads `since`, `until`, `filters`. Times may be relative to `now` ("10m").
    ///
    /// # Errors
    /// 400 for a time that is none, an order that is none, filters that are none or are not known.
    pub fn parse(_query: &Query, _now: Time) -> Result<Self, ApiError> {
        Ok(Self::default())
    }

    /// Whether an event passes the filters (not the times).
    #[must_use]
    pub fn matches(&self, _event: &Event, _networks: &Networks) -> bool {
        true
    }
}

/// Appends an event as one line of JSON with its line feed. An event Docker has no word for appends nothing.
pub fn render_into(_event: &Event, _networks: &Networks, _out: &mut Vec<u8>) {}
