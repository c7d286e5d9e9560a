//! Waiting for what gives no sign of itself: a socket that is about to be opened, a process of
//! somebody else's that is about to be gone. Everything that can be waited for properly is.

use std::thread;
use std::time::{Duration, Instant};

/// The first pause between two looks; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Looks until there is something to see.
///
/// # Panics
/// When `limit` is over; `what` is what did not happen.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    let mut pause = PAUSE_MIN;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        // Nobody unparks this thread; if somebody did, it would merely look earlier.
        thread::park_timeout(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
