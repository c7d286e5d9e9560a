//! Who is told of an event, once it is durable.
//!
//! A subscriber has a bounded queue and a descriptor that becomes readable when something is in
//! it, so that one `poll` watches queue and peer together and an idle subscriber costs nothing.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, Weak};

use nix::sys::eventfd::{EfdFlags, EventFd};
use wire::{Event, Refusal, RefusalCode};

use crate::limits::{SUBSCRIBER_EVENTS_MAX, SUBSCRIBERS_MAX};
use crate::lock::hold;

/// Hands durable events to everybody who asked.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    subscribers: Mutex<Vec<Weak<Subscription>>>,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Arc<Event>>,
    /// The queue was full once: what came since is in the journal only.
    lagged: bool,
}

/// One subscriber's queue.
#[derive(Debug)]
pub(crate) struct Subscription {
    queue: Mutex<Queue>,
    bell: EventFd,
}

/// What a subscriber finds in its queue.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) events: VecDeque<Arc<Event>>,
    /// Events after these were left out.
    pub(crate) lagged: bool,
}

impl Publisher {
    /// Begins a subscription: every event published from here on will be in it.
    pub(crate) fn subscribe(&self) -> Result<Arc<Subscription>, Refusal> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|error| Refusal::because(RefusalCode::Internal, io::Error::from(error).to_string()))?;
        let subscription = Arc::new(Subscription {
            queue: Mutex::default(),
            bell,
        });
        let mut subscribers = hold(&self.subscribers);
        subscribers.retain(|subscriber| subscriber.strong_count() > 0);
        if subscribers.len() >= SUBSCRIBERS_MAX {
            return Err(Refusal::about(RefusalCode::TooMany, "subscriptions"));
        }
        subscribers.push(Arc::downgrade(&subscription));
        Ok(subscription)
    }

    /// Tells everybody. Never waits for anybody.
    pub(crate) fn publish(&self, events: &[Event]) {
        let subscribers = hold(&self.subscribers);
        if subscribers.is_empty() {
            return;
        }
        let events: Vec<_> = events.iter().cloned().map(Arc::new).collect();
        for subscription in subscribers.iter().filter_map(Weak::upgrade) {
            subscription.put(&events);
        }
    }
}

impl Subscription {
    fn put(&self, events: &[Arc<Event>]) {
        let mut queue = hold(&self.queue);
        for event in events {
            if queue.lagged || queue.events.len() >= SUBSCRIBER_EVENTS_MAX {
                queue.lagged = true;
                break;
            }
            queue.events.push_back(Arc::clone(event));
        }
        // The counter cannot overflow: it is emptied with the queue, which is bounded.
        let _ = self.bell.write(1);
    }

    /// Takes everything that is there.
    pub(crate) fn take(&self) -> Delivery {
        let mut queue = hold(&self.queue);
        // Empty already is as good as emptied now.
        let _ = self.bell.read();
        Delivery {
            events: std::mem::take(&mut queue.events),
            lagged: queue.lagged,
        }
    }
}

impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
