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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hawser::edge::socket::SocketError;
    use crate::hawser::message::ServerError;

    const MIDDLE: u32 = u32::MAX / 2;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn cut() -> Failure {
        Failure::Socket(SocketError::Silent)
    }

    fn refused(text: &str, retry_after: Option<u64>) -> Failure {
        Failure::Refused(ServerError {
            text: text.to_owned(),
            retry_after,
        })
    }

    #[test]
    fn delays_double() {
        let mut delays = Backoff::new(seconds(1), seconds(60));
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let delay = delays.after(&cut(), None, MIDDLE);
            assert_eq!(delay.as_secs_f64().round(), f64::from(expected));
        }
        // Short lives are no success.
        assert_eq!(delays.after(&cut(), Some(seconds(29)), 0), seconds(30));
        assert_eq!(
            delays
                .after(&cut(), Some(seconds(30)), MIDDLE)
                .as_secs_f64()
                .round(),
            1.0
        );
    }

    #[test]
    fn nobody_is_in_step() {
        let delay = |chance| Backoff::new(seconds(10), seconds(60)).after(&cut(), None, chance);
        assert_eq!(delay(0), seconds(5));
        assert_eq!(delay(u32::MAX), seconds(15));
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
