//! Which segments are no longer kept. Pure.

use std::time::Duration;

use wire::Time;

use crate::index::Index;
use crate::limits::SEGMENTS_MAX;

/// How much of the journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// A segment is closed before its events pass this many bytes. At most half of `retain_bytes`
    /// counts, or there would be no old segment to delete.
    pub segment_bytes: u64,
    /// All segments together take no more bytes than this, unless one append alone does.
    pub retain_bytes: u64,
    /// A segment whose last event is older than this is deleted once a later one exists.
    pub retain_age: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 1024 * 1024,
            retain_bytes: 16 * 1024 * 1024,
            retain_age: Duration::from_secs(90 * 24 * 60 * 60),
        }
    }
}

impl Options {
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes.min(self.retain_bytes / 2)
    }

    /// A segment is closed at this age, so that age alone can delete events on a quiet machine.
    pub(crate) fn segment_age(&self) -> Duration {
        self.retain_age / 8
    }
}

/// 2020-01-01. A wall clock that shows an earlier time is one that nobody has set yet: a phone without a battery for
/// it starts in 1970. What happened then happened nobody knows how long ago.
const CLOCK_SET: Time = Time(1_577_836_800_000_000_000);

/// What age is counted from. It takes the wall clock's word once, as soon as that is set, and goes on by the clock that
/// nobody can set: a wall clock that leaps ahead afterwards makes nothing old.
#[derive(Debug, Default)]
pub(crate) struct Present {
    /// The wall clock then, and the nanoseconds since the machine started.
    known: Option<(Time, u64)>,
}

impl Present {
    /// The present; never before the wall clock is set, and then nothing is old.
    pub(crate) fn now(&mut self, wall: Time, since_boot_ns: u64) -> Time {
        if wall < CLOCK_SET {
            return Time::NEVER;
        }
        let (then, at) = *self.known.get_or_insert((wall, since_boot_ns));
        let passed = since_boot_ns.saturating_sub(at);
        wall.min(Time(then.0.saturating_add(passed)))
    }
}

/// How long ago `then` was, by a clock that may have stepped back since.
pub(crate) fn age(now: Time, then: Time) -> Duration {
    Duration::from_nanos(now.0.saturating_sub(then.0))
}

/// How many of the oldest segments are no longer kept. Never the last one, nor the last one with
/// an event in it: whatever the limits, what was appended last can be read.
pub(crate) fn surplus(index: &Index, options: &Options, now: Time) -> usize {
    let mut count = index.entries.len();
    // The last segment counts as full, so that the limit holds until the next one is begun.
    let last = index.entries.back().map_or(0, |last| {
        last.bytes.max(last.start.saturating_add(options.segment_bytes()))
    });
    let mut bytes = index
        .entries
        .iter()
        .rev()
        .skip(1)
        .fold(last, |sum, entry| sum.saturating_add(entry.bytes));
    let mut surplus = 0;
    let last_used = index
        .entries
        .iter()
        .rposition(|entry| entry.last >= entry.first)
        .unwrap_or(usize::MAX);
    let dates = dates(index, now);
    for (entry, &date) in index.entries.iter().zip(&dates).take(last_used) {
        let too_old = age(now, date) > options.retain_age;
        if count <= 1 || !(bytes > options.retain_bytes || count > SEGMENTS_MAX || too_old) {
            break;
        }
        bytes = bytes.saturating_sub(entry.bytes);
        count -= 1;
        surplus += 1;
    }
    surplus
}

/// When the last of each segment happened; where the clock was not set, no later than what came next.
fn dates(index: &Index, now: Time) -> Vec<Time> {
    let mut next = now;
    let latest_first = index.entries.iter().rev().map(|entry| {
        let own = entry.newest_own.max(entry.created);
        if own >= CLOCK_SET {
            next = own;
        }
        next
    });
    let mut dates: Vec<Time> = latest_first.collect();
    dates.reverse();
    dates
}

#[cfg(test)]
mod tests {
    use super::{CLOCK_SET, Options, Present, surplus};
    use crate::index::{Entry, Index};
    use std::time::Duration;
    use wire::Time;

    const OPTIONS: Options = Options {
        segment_bytes: 100,
        retain_bytes: 1000,
        retain_age: Duration::from_nanos(50),
    };

    /// After the first moment at which a clock counts as set.
    fn day_one(nanos: u64) -> Time {
        Time(CLOCK_SET.0 + nanos)
    }

    /// Segments as bytes and time of their last event, in nanoseconds of the first day; now is 100.
    #[track_caller]
    fn check(segments: &[(u64, u64)], expected: usize) {
        check_at(segments, day_one, expected);
    }

    #[track_caller]
    fn check_at(segments: &[(u64, u64)], time: impl Fn(u64) -> Time, expected: usize) {
        let mut index = Index::default();
        for (first, &(bytes, newest)) in (1..).zip(segments) {
            let mut entry = Entry::new(first, None, time(newest), Time::NEVER);
            entry.last = first;
            entry.start = 10;
            entry.bytes = bytes;
            index.entries.push_back(entry);
        }
        assert_eq!(surplus(&index, &OPTIONS, day_one(100)), expected);
    }

    #[test]
    fn bytes_and_age_take_the_oldest_first_and_never_the_last() {
        check(&[], 0);
        check(&[(5000, 1)], 0);
        // The last one counts as its 10 bytes of head and 100 of events.
        check(&[(890, 100), (10, 100)], 0);
        check(&[(891, 100), (10, 100)], 1);
        check(&[(500, 100), (500, 100), (500, 100)], 1);
        check(&[(500, 100), (600, 100), (500, 100)], 2);
        check(&[(10, 49), (10, 50), (10, 10)], 1);
        // An old one behind a young one stays until the young one goes: no gap in the middle.
        check(&[(10, 60), (10, 1), (10, 100)], 0);
    }

    #[test]
    fn a_clock_that_stepped_back_deletes_nothing() {
        check(&[(10, 1000), (10, 1000)], 0);
    }

    #[test]
    fn what_happened_before_the_clock_was_set_is_as_old_as_what_came_next() {
        // Zero is a moment of 1970.
        let time = |nanos| if nanos == 0 { Time(5) } else { day_one(nanos) };
        check_at(&[(10, 0), (10, 0)], time, 0);
        check_at(&[(10, 0), (10, 60), (10, 100)], time, 0);
        check_at(&[(10, 40), (10, 0), (10, 60), (10, 100)], time, 1);
        check_at(&[(10, 0), (10, 0), (10, 40), (10, 100)], time, 3);
    }

    #[test]
    fn the_present_takes_the_wall_clock_s_word_once() {
        let mut present = Present::default();
        assert_eq!(present.now(Time(7), 10), Time::NEVER);
        assert_eq!(present.now(day_one(1000), 20), day_one(1000));
        assert_eq!(present.now(day_one(1005), 25), day_one(1005));
        assert_eq!(present.now(day_one(9999), 26), day_one(1006), "a leap");
        assert_eq!(present.now(day_one(3), 27), day_one(3), "a step back");
        assert_eq!(present.now(Time(7), 28), Time::NEVER);
        assert_eq!(present.now(day_one(1010), 30), day_one(1010));
    }
}
