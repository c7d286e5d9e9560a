//! The wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wire::Time;

/// Now. A clock set before 1970, as on a phone without a battery for it, reads as one nanosecond
/// after, for zero means never.
pub(crate) fn now() -> Time {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::since_epoch(elapsed.max(Duration::from_nanos(1)))
}
