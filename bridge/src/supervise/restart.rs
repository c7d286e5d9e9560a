//! When a container that ended is started again, and after how long.

use std::time::Duration;

use wire::Time;
use wire::container::Exit;
use wire::spec::RestartKind;

use crate::clock;
use crate::inventory::Unit;
use crate::limits::{RESTART_BACKOFF_MAX, RESTART_BACKOFF_MIN, RESTART_BACKOFF_RESET};

/// How long the policy waits: each failure doubles it, a long run resets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after so many failures in a row.
    pub(crate) fn wait(self) -> Duration {
        let doubled = RESTART_BACKOFF_MIN.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        doubled.min(RESTART_BACKOFF_MAX)
    }

    fn after_run_of(self, run: Duration) -> Self {
        if run >= RESTART_BACKOFF_RESET {
            Self { failures: 1 }
        } else {
            Self {
                failures: self.failures.saturating_add(1),
            }
        }
    }
}

/// After an end: the back-off to wait before the next start; none where it stays ended.
pub(super) fn decide(unit: &Unit, exit: &Exit, finished_at: Time) -> Option<Backoff> {
    let state = &unit.container.state;
    let policy = &unit.container.spec.restart;
    let again = !unit.stopped_by_hand
        && match policy.kind {
            RestartKind::Always | RestartKind::UnlessStopped => true,
            RestartKind::OnFailure => {
                let failed = exit.unknown || exit.code != 0;
                failed && (policy.retries_max == 0 || state.restart_count < policy.retries_max)
            }
            RestartKind::No | RestartKind::Unknown(_) => false,
        };
    again.then(|| unit.backoff.after_run_of(clock::ran_for(state, finished_at)))
}

/// When the bridge starts: whether a container that does not run is started.
/// One that was never started stays so: nobody has asked for it to run.
pub(super) fn revive_at_begin(unit: &Unit) -> bool {
    let state = &unit.container.state;
    let Some(exit) = &state.exit else { return false };
    match unit.container.spec.restart.kind {
        RestartKind::Always => true,
        RestartKind::UnlessStopped => !unit.stopped_by_hand,
        RestartKind::OnFailure => decide(unit, exit, state.finished_at).is_some(),
        RestartKind::No | RestartKind::Unknown(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            backoff = backoff.after_run_of(Duration::from_secs(1));
            waits.push(backoff.wait().as_millis());
        }
        assert_eq!(
            waits,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000
            ]
        );
        assert_eq!(
            backoff.after_run_of(Duration::from_secs(10)).wait().as_millis(),
            100
        );
    }
}
