//! When to try again: soon, then later and later, and never in step with others.

use std::time::Duration;

use super::Failure;
use crate::limits;

/// The delays between attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
    refusals: u32,
}

impl Backoff {
    /// From `first`, doubled each time, to `last`.
    pub(super) fn new(first: Duration, last: Duration) -> Self {
        let last = last.max(first);
        Self {
            first,
            last,
            next: first,
            refusals: 0,
        }
    }

    /// How long to wait after `failure` of a connection that `lived` since its welcome, if there was one. `chance` is
    /// anything from nothing to [`u32::MAX`].
    pub(super) fn after(&mut self, failure: &Failure, lived: Option<Duration>, chance: u32) -> Duration {
        if lived.is_some_and(|lived| lived >= limits::LIVED) {
            self.next = self.first;
        }
        if lived.is_some() {
            self.refusals = 0;
        }
        let usual = self.next;
        self.next = usual.saturating_mul(2).min(self.last);
        match self.at_least(failure) {
            // Around the usual delay: a server that comes back is not met by everybody at once.
            None => usual / 2 + share(usual, chance),
            Some(least) => {
                let delay = least.max(usual).min(limits::DELAY_MAX);
                delay + share(delay / 10, chance)
            }
        }
    }

    /// What the server, or politeness to it, asks for.
    fn at_least(&mut self, failure: &Failure) -> Option<Duration> {
        let Failure::Refused(error) = failure else {
            return None;
        };
        let text = error.text.to_ascii_lowercase();
        let own = if text.contains("too many failed attempts") {
            Some(limits::DELAY_LOCKED_OUT)
        } else if text.contains("invalid token") || text.contains("no token") {
            let doubled = limits::DELAY_BAD_TOKEN.saturating_mul(1 << self.refusals.min(6));
            self.refusals = self.refusals.saturating_add(1);
            Some(doubled)
        } else {
            None
        };
        own.max(error.retry_after.map(Duration::from_secs))
    }
}

/// A part of `whole`.
fn share(whole: Duration, chance: u32) -> Duration {
    whole.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}
