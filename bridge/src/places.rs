//! Places for sessions on one socket: who may hold how many at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::limits::SESSIONS_FOR_ROOT;
use crate::lock::hold;
use crate::peer::Peer;

/// The places that are taken, by the process that connected.
#[derive(Debug)]
pub(crate) struct Places {
    /// How many there are.
    all: usize,
    taken: Mutex<HashMap<i32, usize>>,
}

/// One of them, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    pid: i32,
}

impl Places {
    /// So many, all of them free.
    pub(crate) fn new(all: usize) -> Self {
        Self {
            all,
            taken: Mutex::default(),
        }
    }

    /// How many of them one process may hold: two thirds. Stops one that was taken over from locking out
    /// another, and one that was killed with calls under way its successor.
    fn for_one(&self) -> usize {
        self.all * 2 / 3
    }

    /// A place for this peer, where it may have one more.
    pub(crate) fn take(self: &Arc<Self>, peer: Peer) -> Option<Place> {
        let mut taken = hold(&self.taken);
        let all: usize = taken.values().sum();
        let max = match peer.uid {
            0 => self.all,
            _ => self.all.saturating_sub(SESSIONS_FOR_ROOT),
        };
        let own = taken.get(&peer.pid).copied().unwrap_or_default();
        if all >= max || own >= self.for_one() {
            return None;
        }
        taken.insert(peer.pid, own + 1);
        Some(Place {
            places: Arc::clone(self),
            pid: peer.pid,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = hold(&self.places.taken);
        match taken.get_mut(&self.pid) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                taken.remove(&self.pid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSIONS_MAX: usize = 192;
    const FRONT_MAX: usize = 128;
    const FRONT: u32 = 60750;

    fn take(places: &Arc<Places>, uid: u32, pid: i32, count: usize) -> Vec<Place> {
        let peer = Peer { uid, gid: uid, pid };
        (0..count).map_while(|_| places.take(peer)).collect()
    }

    #[test]
    fn one_process_does_not_get_them_all() {
        let places = Arc::new(Places::new(SESSIONS_MAX));
        let first = take(&places, FRONT, 1, usize::MAX);
        assert_eq!(first.len(), FRONT_MAX);
        let second = take(&places, FRONT, 2, usize::MAX);
        assert_eq!(second.len(), SESSIONS_MAX - SESSIONS_FOR_ROOT - FRONT_MAX);
        assert!(take(&places, FRONT, 3, 1).is_empty(), "these are kept for root");
        assert_eq!(take(&places, 0, 4, usize::MAX).len(), SESSIONS_FOR_ROOT);
    }

    #[test]
    fn root_is_bounded_too() {
        let places = Arc::new(Places::new(SESSIONS_MAX));
        let first = take(&places, 0, 1, usize::MAX);
        assert_eq!(first.len(), FRONT_MAX);
        let second = take(&places, 0, 2, usize::MAX);
        assert_eq!(first.len() + second.len(), SESSIONS_MAX);
    }

    #[test]
    fn places_are_given_back() {
        let places = Arc::new(Places::new(SESSIONS_MAX));
        let mut held = take(&places, FRONT, 1, usize::MAX);
        assert!(take(&places, FRONT, 1, 1).is_empty());
        assert!(take(&places, FRONT, 1, 1).is_empty(), "asking in vain takes none");
        held.pop();
        assert_eq!(take(&places, FRONT, 1, 2).len(), 1);
        drop(held);
        assert!(hold(&places.taken).is_empty(), "nobody is remembered for nothing");
    }
}
