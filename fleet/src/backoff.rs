//! When to try again: soon, then later and later, and never in step with others.

use std::time::Duration;

use crate::limits;

/// The delays between attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    /// From `first`, doubled each time, to `last`.
    pub(crate) fn new(first: Duration, last: Duration) -> Self {
        let last = last.max(first);
        Self {
            first,
            last,
            next: first,
        }
    }

    /// How long to wait after a connection that `lived` since its welcome, if there was one; and not less than
    /// somebody asks for. `chance` is anything from nothing to [`u32::MAX`].
    pub(crate) fn after(
        &mut self,
        lived: Option<Duration>,
        at_least: Option<Duration>,
        chance: u32,
    ) -> Duration {
        if lived.is_some_and(|lived| lived >= limits::LIVED) {
            self.next = self.first;
        }
        let usual = self.next;
        self.next = usual.saturating_mul(2).min(self.last);
        match at_least {
            // Around the usual delay: a server that comes back is not met by everybody at once.
            None => usual / 2 + share(usual, chance),
            Some(least) => {
                let delay = least.max(usual).min(limits::DELAY_MAX);
                delay + share(delay / 10, chance)
            }
        }
    }
}

/// A part of `whole`.
fn share(whole: Duration, chance: u32) -> Duration {
    whole.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u32 = u32::MAX / 2;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn delays_double() {
        let mut delays = Backoff::new(seconds(1), seconds(60));
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let delay = delays.after(None, None, MIDDLE);
            assert_eq!(delay.as_secs_f64().round(), f64::from(expected));
        }
        // Short lives are no success.
        assert_eq!(delays.after(Some(seconds(29)), None, 0), seconds(30));
        let delay = delays.after(Some(seconds(30)), None, MIDDLE);
        assert_eq!(delay.as_secs_f64().round(), 1.0);
    }

    #[test]
    fn nobody_is_in_step() {
        let delay = |chance| Backoff::new(seconds(10), seconds(60)).after(None, None, chance);
        assert_eq!(delay(0), seconds(5));
        assert_eq!(delay(u32::MAX), seconds(15));
    }

    #[test]
    fn what_is_asked_for() {
        let check = |least: u64, expected: u64| {
            let delay = Backoff::new(seconds(1), seconds(60)).after(None, Some(seconds(least)), 0);
            assert_eq!(delay, seconds(expected), "{least}");
        };
        check(30, 30);
        check(0, 1);
        check(u64::MAX, 3600);
    }
}
