//! Taking a mutex.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock. Poison cannot be met in production, where a panic ends the process; in a test
/// the panic itself is the news, not the lock.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
