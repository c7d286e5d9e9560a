//! How calls went, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::LinkError;

/// What the bridge was asked since the start, by how it went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// With an answer.
    pub answered: u64,
    /// With a refusal: not found, not running, not permitted.
    pub refused: u64,
    /// Without an answer: not there, gone, late, or unintelligible.
    pub failed: u64,
}

/// Counts of calls by their outcome.
#[derive(Debug, Default)]
pub(super) struct Meter {
    answered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Meter {
    /// Counts a call, and hands its outcome on.
    pub(super) fn note<T>(&self, outcome: Result<T, LinkError>) -> Result<T, LinkError> {
        let counter = match &outcome {
            Ok(_) => &self.answered,
            Err(LinkError::Refused(_)) => &self.refused,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    pub(super) fn calls(&self) -> Calls {
        Calls {
            answered: self.answered.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}
