//! How fast one connection may ask.

use std::thread;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Counts requests; makes whoever sends too many in a second wait for the next one.
#[derive(Debug)]
pub(crate) struct Pace {
    a_second: u32,
    since: Instant,
    count: u32,
}

impl Pace {
    /// At most so many in a second.
    pub(crate) fn new(a_second: u32) -> Self {
        Self {
            a_second,
            since: Instant::now(),
            count: 0,
        }
    }

    /// To be called with every request. Looks at the clock once in as many requests as there may be.
    pub(crate) fn keep(&mut self) {
        self.count += 1;
        if self.count > self.a_second {
            thread::sleep(SECOND.saturating_sub(self.since.elapsed()));
            self.since = Instant::now();
            self.count = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_faster() {
        let begun = Instant::now();
        let mut pace = Pace::new(5);
        for _ in 0..5 {
            pace.keep();
        }
        // The sixth belongs to another second, and so does everything behind it.
        pace.keep();
        assert!(begun.elapsed() >= SECOND);
        assert_eq!(pace.count, 1);
    }
}
