//! When to try again, and what servers ask for.

use std::time::Duration;

use super::Failure;
use crate::{backoff, limits};

/// The delays between attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    delays: backoff::Backoff,
    refusals: u32,
}

impl Backoff {
    /// From `first`, doubled each time, to `last`.
    pub(super) fn new(first: Duration, last: Duration) -> Self {
        Self {
            delays: backoff::Backoff::new(first, last),
            refusals: 0,
        }
    }

    /// How long to wait after `failure` of a connection that `lived` since its welcome, if there was one. `chance` is
    /// anything from nothing to [`u32::MAX`].
    pub(super) fn after(&mut self, failure: &Failure, lived: Option<Duration>, chance: u32) -> Duration {
        if lived.is_some() {
            self.refusals = 0;
        }
        let at_least = self.at_least(failure);
        self.delays.after(lived, at_least, chance)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hawser::message::ServerError;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn refused(text: &str, retry_after: Option<u64>) -> Failure {
        Failure::Refused(ServerError {
            text: text.to_owned(),
            retry_after,
        })
    }

    #[test]
    fn what_servers_ask_for() {
        let check = |text: &str, retry_after: Option<u64>, expected: u64| {
            let delay = Backoff::new(seconds(1), seconds(60)).after(&refused(text, retry_after), None, 0);
            assert_eq!(delay, seconds(expected), "{text} {retry_after:?}");
        };
        check("Invalid token", None, 60);
        check("No token provided", None, 60);
        check("Too many failed attempts", None, 300);
        check("Reconnection throttled. Retry after 30s.", Some(30), 30);
        check("Reconnection throttled", Some(300), 300);
        check("Invalid token", Some(10), 60);
        check("wait", Some(u64::MAX), 3600);
        check("wait", Some(0), 1);
    }

    #[test]
    fn a_bad_token_is_tried_less_and_less() {
        let mut delays = Backoff::new(seconds(1), seconds(60));
        for expected in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            assert_eq!(
                delays.after(&refused("Invalid token", None), None, 0),
                seconds(expected)
            );
        }
    }
}
