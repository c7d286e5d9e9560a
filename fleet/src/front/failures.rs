//! Who showed something wrong too often.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::crowd;
use crate::limits::{FAILURE_SOURCES_MAX, FAILURES_MAX, FAILURES_PERIOD};

/// Wrong tokens, passwords and keys, counted by where they came from.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Failures {
    /// Whether nothing from there is looked at for now. Else whoever guesses would still learn when it is right.
    pub fn is_barred(&self, peer: IpAddr) -> bool {
        let (source, now) = (crowd::source(peer), Instant::now());
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.get(&source).is_some_and(|(since, count)| {
            *count >= FAILURES_MAX && now.duration_since(*since) < FAILURES_PERIOD
        })
    }

    /// One more. Where too many sources are remembered, the oldest is forgotten.
    pub fn count(&self, peer: IpAddr) {
        let (source, now) = (crowd::source(peer), Instant::now());
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: Instant| now.duration_since(since) >= FAILURES_PERIOD;
        if !sources.contains_key(&source) && sources.len() >= FAILURE_SOURCES_MAX {
            sources.retain(|_, (since, _)| !is_over(*since));
            let oldest = sources.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(source, _)| *source)
                && sources.len() >= FAILURE_SOURCES_MAX
            {
                sources.remove(&oldest);
            }
        }
        let entry = sources.entry(source).or_insert((now, 0));
        if is_over(entry.0) {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let failures = Failures::default();
        for number in 0..u32::try_from(FAILURE_SOURCES_MAX).unwrap() * 2 {
            failures.count(std::net::Ipv4Addr::from(number).into());
        }
        assert_eq!(failures.0.lock().unwrap().len(), FAILURE_SOURCES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn it_passes() {
        let failures = Failures::default();
        let [one, other] = ["2001:db8::1", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        for _ in 0..FAILURES_MAX {
            assert!(!failures.is_barred(one));
            failures.count(one);
        }
        assert!(failures.is_barred(one));
        assert!(!failures.is_barred(other));
        tokio::time::advance(FAILURES_PERIOD).await;
        assert!(!failures.is_barred(one));
    }
}
