//! Who waits for what.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Whoever waits for an answer, by what the answer will carry. There are never more than `max`.
#[derive(Debug)]
pub(crate) struct Pending<K, V> {
    waiting: Mutex<HashMap<K, oneshot::Sender<V>>>,
    max: usize,
}

/// One who waits. However it ends, nobody is left waiting in its name.
#[derive(Debug)]
pub(crate) struct Waiting<K: Eq + Hash, V> {
    pending: Arc<Pending<K, V>>,
    key: K,
    answer: oneshot::Receiver<V>,
}

impl<K: Eq + Hash, V> Pending<K, V> {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            max,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, oneshot::Sender<V>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Hands an answer over; back again where nobody waits for it.
    pub(crate) fn answer(&self, key: &K, answer: V) -> Result<(), V> {
        let waiting = self.lock().remove(key);
        match waiting {
            Some(waiting) => waiting.send(answer),
            None => Err(answer),
        }
    }
}

impl<K: Eq + Hash + Clone, V> Waiting<K, V> {
    /// In line for `key`; none where too many are.
    pub(crate) fn new(pending: &Arc<Pending<K, V>>, key: K) -> Option<Self> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = pending.lock();
        if waiting.len() >= pending.max {
            return None;
        }
        waiting.insert(key.clone(), sender);
        drop(waiting);
        Some(Self {
            pending: Arc::clone(pending),
            key,
            answer,
        })
    }
}

impl<K: Eq + Hash, V> Waiting<K, V> {
    /// The answer; none where nobody will ever give it.
    pub(crate) async fn answer(mut self) -> Option<V> {
        (&mut self.answer).await.ok()
    }
}

impl<K: Eq + Hash, V> Drop for Waiting<K, V> {
    fn drop(&mut self) {
        self.pending.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn nobody_is_left_waiting() {
        let pending = Pending::<u64, &str>::new(2);
        let [one, two] = [1, 2].map(|key| Waiting::new(&pending, key).unwrap());
        assert!(Waiting::new(&pending, 3).is_none());
        assert_eq!(pending.len(), 2);
        assert_eq!(pending.answer(&1, "yes"), Ok(()));
        assert_eq!(one.answer().await, Some("yes"));
        // Too late, or twice, or never asked for.
        assert_eq!(pending.answer(&1, "yes"), Err("yes"));
        let mut asking = Box::pin(two.answer());
        assert!(asking.as_mut().now_or_never().is_none());
        assert_eq!(pending.len(), 1);
        drop(asking);
        assert_eq!(pending.len(), 0);
        assert_eq!(pending.answer(&2, "yes"), Err("yes"));
    }
}
