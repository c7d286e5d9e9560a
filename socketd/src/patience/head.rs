//! The head of a request, once begun, is to be whole soon.
//!
//! A connection may be silent for long between two requests, but a head that comes a byte at a time is
//! nobody's habit. The stream knows when bytes come, whoever answers knows when a head is whole and when its
//! answer is: this is what they share. While no head is half there, there is no timer.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Nothing of the next head has come, and a request was answered.
const SILENT: u8 = 0;
/// Part of a head has come.
const BEGUN: u8 = 1;
/// A request is being answered: what comes is its body.
const ANSWERING: u8 = 2;
/// A stream has taken the connection over: what comes is not HTTP.
const TAKEN_OVER: u8 = 3;
/// Nothing has come yet.
const NEW: u8 = 4;

/// How far the heads of one connection are.
#[derive(Debug)]
pub(crate) struct Head {
    state: AtomicU8,
    time_max: Duration,
}

impl Head {
    /// Of a connection on which nothing has come yet.
    pub(crate) fn new(time_max: Duration) -> Self {
        Self {
            state: AtomicU8::new(NEW),
            time_max,
        }
    }

    /// How long a head may take.
    pub(super) fn time_max(&self) -> Duration {
        self.time_max
    }

    /// Bytes have come.
    pub(super) fn hear(&self) {
        self.pass(SILENT, BEGUN);
        self.pass(NEW, BEGUN);
    }

    /// Whether part of a head is there, and the rest is not.
    pub(crate) fn is_half(&self) -> bool {
        self.state.load(Ordering::Relaxed) == BEGUN
    }

    /// Whether a head is on its way, as far as one can know: half of it is there, or it would be the first, for which
    /// the connection was opened.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self.state.load(Ordering::Relaxed), NEW | BEGUN)
    }

    /// What came so far was no HTTP, but what comes before it.
    pub(crate) fn forget(&self) {
        self.pass(BEGUN, NEW);
    }

    /// A head is whole.
    pub(crate) fn answer(&self) {
        self.state.store(ANSWERING, Ordering::Relaxed);
    }

    /// Its answer is whole as well.
    pub(crate) fn finish(&self) {
        self.pass(ANSWERING, SILENT);
    }

    /// There are no more heads.
    pub(crate) fn take_over(&self) {
        self.state.store(TAKEN_OVER, Ordering::Relaxed);
    }

    fn pass(&self, from: u8, to: u8) {
        // Where it was something else it stays that.
        let _ = self
            .state
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(steps: &[fn(&Head)], due: bool, half: bool) {
        let head = Head::new(Duration::ZERO);
        for step in steps {
            step(&head);
        }
        assert_eq!((head.is_due(), head.is_half()), (due, half));
    }

    #[test]
    fn a_head_is_due_on_a_new_connection_and_when_it_has_begun() {
        check(&[], true, false);
        check(&[Head::hear], true, true);
        check(&[Head::hear, Head::forget], true, false);
        check(&[Head::hear, Head::answer], false, false);
        check(&[Head::hear, Head::answer, Head::finish], false, false);
        check(&[Head::hear, Head::answer, Head::finish, Head::hear], true, true);
        check(
            &[Head::hear, Head::answer, Head::take_over, Head::hear],
            false,
            false,
        );
    }
}
