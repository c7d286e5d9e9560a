//! How many of something one caller has at once.
//!
//! A caller is, as far as a connection shows, an address or a user. What one may have is less than what there
//! is, so that nobody takes everything from the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::failures::Source;

/// Everybody's count. Holds as many entries as there are callers that have anything.
#[derive(Debug, Default)]
pub struct Crowd(Mutex<HashMap<Source, usize>>);

/// One of a caller's; given back when dropped.
#[derive(Debug)]
pub struct Member {
    crowd: Arc<Crowd>,
    source: Source,
}

impl Crowd {
    fn counts(&self) -> MutexGuard<'_, HashMap<Source, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more for this caller, unless it has `max` already.
    #[must_use]
    pub fn admit(self: &Arc<Self>, source: Source, max: usize) -> Option<Member> {
        let mut counts = self.counts();
        let count = counts.entry(source).or_default();
        if *count >= max {
            // An entry that was made just now must not stay.
            if *count == 0 {
                counts.remove(&source);
            }
            return None;
        }
        *count += 1;
        Some(Member {
            crowd: Arc::clone(self),
            source,
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_what_is_anothers_and_nothing_is_left_behind() {
        let crowd = Arc::new(Crowd::default());
        let (one, other) = (Source::User(1), Source::User(2));
        let first = crowd.admit(one, 2).unwrap();
        let second = crowd.admit(one, 2).unwrap();
        assert!(crowd.admit(one, 2).is_none());
        drop(crowd.admit(other, 2).unwrap());
        assert!(crowd.admit(other, 0).is_none());
        assert_eq!(crowd.counts().len(), 1);
        drop(first);
        let third = crowd.admit(one, 2).unwrap();
        assert!(crowd.admit(one, 2).is_none());
        drop((second, third));
        assert!(crowd.counts().is_empty());
    }
}
