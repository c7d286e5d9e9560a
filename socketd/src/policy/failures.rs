//! Wrong tokens, counted by where they came from. Guessing is hopeless in any case; this keeps whoever tries
//! from costing anything.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use tokio::time::Instant;

use crate::limits::{FAILURE_SOURCES_MAX, FAILURES_MAX, FAILURES_PERIOD};

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// An address; of version 6 the half that tells networks apart, for a client has all of the other.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
}

impl Source {
    /// That of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        })
    }
}

/// How many there were from where, since when.
#[derive(Debug, Default)]
pub struct Failures(HashMap<Source, (Instant, u32)>);

impl Failures {
    /// Whether there were so many that no more is looked at for now.
    #[must_use]
    pub fn is_barred(&self, source: Source, now: Instant) -> bool {
        self.0.get(&source).is_some_and(|(since, count)| {
            *count >= FAILURES_MAX && now.duration_since(*since) < FAILURES_PERIOD
        })
    }

    /// Counts one more. Where too many sources are remembered, the oldest is forgotten.
    pub fn count(&mut self, source: Source, now: Instant) {
        let is_over = |since: &Instant| now.duration_since(*since) >= FAILURES_PERIOD;
        if !self.0.contains_key(&source) && self.0.len() >= FAILURE_SOURCES_MAX {
            self.0.retain(|_, (since, _)| !is_over(since));
            if self.0.len() >= FAILURE_SOURCES_MAX {
                let oldest = self.0.iter().min_by_key(|(_, (since, _))| *since);
                if let Some(oldest) = oldest.map(|(source, _)| *source) {
                    self.0.remove(&oldest);
                }
            }
        }
        let entry = self.0.entry(source).or_insert((now, 0));
        if is_over(&entry.0) {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_barred_for_a_while() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let (one, other) = (Source::User(1), Source::User(2));
        for _ in 1..FAILURES_MAX {
            failures.count(one, start);
        }
        assert!(!failures.is_barred(one, start));
        failures.count(one, start);
        assert!(failures.is_barred(one, start) && !failures.is_barred(other, start));
        let later = start + FAILURES_PERIOD;
        assert!(!failures.is_barred(one, later));
        failures.count(one, later);
        assert!(!failures.is_barred(one, later));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        for uid in 0..10_000 {
            failures.count(Source::User(uid), start);
        }
        assert_eq!(failures.0.len(), FAILURE_SOURCES_MAX);
    }

    #[test]
    fn a_network_of_version_6_is_one_source() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.2"), source("192.0.2.1"));
    }
}
