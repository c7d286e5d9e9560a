//! What was published last, for those that keep up. Nobody waits for a reader, and a reader that does not keep up holds
//! nothing: it reads the log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::publication::Published;
use crate::coordinator::store::Sequence;
use crate::limits;

/// What was published last.
#[derive(Debug)]
pub(super) struct Recent {
    /// Without holes, and each with its bytes on the disk.
    kept: Mutex<Kept>,
    last: watch::Sender<Sequence>,
}

#[derive(Debug, Default)]
struct Kept {
    queue: VecDeque<(Arc<Published>, usize)>,
    bytes: usize,
}

impl Recent {
    /// Nothing yet; what comes has higher numbers than `last`.
    pub(super) fn new(last: Sequence) -> Self {
        Self {
            kept: Mutex::default(),
            last: watch::Sender::new(last),
        }
    }

    /// The newest number, and word of each newer one.
    pub(super) fn last(&self) -> watch::Receiver<Sequence> {
        self.last.subscribe()
    }

    /// Publishes these, which follow on what was published before, each with about how many bytes it has.
    pub(super) fn publish(&self, published: Vec<(Arc<Published>, usize)>) {
        let Some(last) = published.last().map(|(last, _)| last.sequence) else {
            return;
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (one, bytes) in published {
            kept.bytes = kept.bytes.saturating_add(bytes);
            kept.queue.push_back((one, bytes));
            while kept.queue.len() > limits::RECENT_MAX || kept.bytes > limits::RECENT_BYTES {
                let Some((_, bytes)) = kept.queue.pop_front() else {
                    break;
                };
                kept.bytes = kept.bytes.saturating_sub(bytes);
            }
        }
        drop(kept);
        self.last.send_replace(last);
    }

    /// At most `max` after `after`, which is not the newest; none where the log has to be asked.
    pub(super) fn after(&self, after: Sequence, max: usize) -> Option<Vec<Arc<Published>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.queue.front()?.0.sequence;
        let skipped = usize::try_from(after.checked_add(1)?.checked_sub(first)?).ok()?;
        let wanted = kept.queue.iter().skip(skipped).take(max);
        Some(wanted.map(|(one, _)| Arc::clone(one)).collect())
    }
}
