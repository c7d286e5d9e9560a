//! The wall clock, which somebody may set, and the one that nobody can.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use journal::surroundings::{Machine, Surroundings};
use wire::{State, Time};

/// Now. A clock set before 1970, as on a phone without a battery for it, reads as one nanosecond
/// after, for zero means never.
pub(crate) fn now() -> Time {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::since_epoch(elapsed.max(Duration::from_nanos(1)))
}

/// How long a container that runs has done so at `now`, the present by the wall clock. A phone's wall clock jumps by
/// years while it starts, so its word counts only where nothing else is known.
pub(crate) fn ran_for(state: &State, now: Time) -> Duration {
    let by_boot = match state.started_since_boot_ns {
        0 => None,
        started => Machine.since_boot_ns().checked_sub(started),
    };
    Duration::from_nanos(by_boot.unwrap_or_else(|| now.0.saturating_sub(state.started_at.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_does_not_make_a_run_longer() {
        #[track_caller]
        fn check(started_since_boot_ns: u64, expected: impl Fn(Duration) -> bool) {
            let state = State {
                started_at: Time(1_000_000_000),
                started_since_boot_ns,
                ..State::default()
            };
            let ran = ran_for(&state, Time(5_000_000_000));
            assert!(expected(ran), "{ran:?}");
        }
        let up = Machine.since_boot_ns();
        check(up, |ran| ran < Duration::from_secs(3));
        check(0, |ran| ran == Duration::from_secs(4));
        check(u64::MAX, |ran| ran == Duration::from_secs(4));
    }
}
