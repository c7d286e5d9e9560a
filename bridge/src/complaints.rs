//! Warnings about peers, so many a minute.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::limits::COMPLAINTS_MAX;
use crate::lock::hold;

/// The span that is counted over.
const SPAN: Duration = Duration::from_secs(60);

/// How many there were.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    since: Option<Instant>,
    made: u32,
}

impl Complaints {
    /// Whether one more may be written into the log. Says how many were not, once some may again.
    pub(crate) fn admit(&self) -> bool {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> bool {
        let mut count = hold(&self.0);
        let over = count
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= SPAN);
        if over {
            let left_out = count.made.saturating_sub(COMPLAINTS_MAX);
            if left_out > 0 {
                tracing::warn!(left_out, "warnings about peers");
            }
            *count = Count {
                since: Some(now),
                made: 0,
            };
        }
        count.made = count.made.saturating_add(1);
        count.made <= COMPLAINTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute() {
        let complaints = Complaints::default();
        let begin = Instant::now();
        let made = |at| (0..1000).filter(|_| complaints.admit_at(at)).count();
        assert_eq!(made(begin), usize::try_from(COMPLAINTS_MAX).expect("it fits"));
        assert_eq!(made(begin + SPAN / 2), 0);
        assert_eq!(
            made(begin + SPAN),
            usize::try_from(COMPLAINTS_MAX).expect("it fits")
        );
    }
}
