//! Who is told of an event, once it is durable.
//!
//! A subscriber has a bounded queue and a descriptor that becomes readable when something is in
//! it, so that one `poll` watches queue and peer together and an idle subscriber costs nothing.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, Weak};

use nix::sys::eventfd::{EfdFlags, EventFd};
use wire::record::Value;
use wire::{Event, Refusal, RefusalCode};

use crate::limits::{SUBSCRIBER_BYTES_MAX, SUBSCRIBER_EVENTS_MAX, SUBSCRIBERS_MAX};
use crate::lock::hold;

/// Hands durable events to everybody who asked.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    subscribers: Mutex<Vec<Weak<Subscription>>>,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Arc<Event>>,
    /// How long they are on the wire, together.
    bytes: usize,
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
        let measured = |event: &Event| (Arc::new(event.clone()), event.encode().len());
        let events: Vec<_> = events.iter().map(measured).collect();
        for subscription in subscribers.iter().filter_map(Weak::upgrade) {
            subscription.put(&events);
        }
    }
}

impl Subscription {
    fn put(&self, events: &[(Arc<Event>, usize)]) {
        let mut queue = hold(&self.queue);
        for (event, bytes) in events {
            let many = queue.events.len() >= SUBSCRIBER_EVENTS_MAX;
            let long = !queue.events.is_empty() && queue.bytes + bytes > SUBSCRIBER_BYTES_MAX;
            if queue.lagged || many || long {
                queue.lagged = true;
                break;
            }
            queue.bytes += bytes;
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
        queue.bytes = 0;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a subscriber finds after so many events whose actor is so long.
    fn check(count: usize, length: usize, expected: usize, lagged: bool) {
        let publisher = Publisher::default();
        let subscription = publisher.subscribe().expect("a place");
        let event = Event {
            actor: "a".repeat(length),
            ..Event::default()
        };
        for _ in 0..count {
            publisher.publish(std::slice::from_ref(&event));
        }
        let delivery = subscription.take();
        assert_eq!(
            (delivery.events.len(), delivery.lagged),
            (expected, lagged),
            "{count} of {length}"
        );
    }

    #[test]
    fn a_queue_is_bounded_in_number_and_in_bytes() {
        check(3, 10, 3, false);
        check(SUBSCRIBER_EVENTS_MAX, 1, SUBSCRIBER_EVENTS_MAX, false);
        check(SUBSCRIBER_EVENTS_MAX + 1, 1, SUBSCRIBER_EVENTS_MAX, true);
        check(3, SUBSCRIBER_BYTES_MAX / 2, 1, true);
        // One that is longer than all may be is still told.
        check(1, 2 * SUBSCRIBER_BYTES_MAX, 1, false);
        check(2, 2 * SUBSCRIBER_BYTES_MAX, 1, true);
    }

    #[test]
    fn what_was_taken_makes_room() {
        let publisher = Publisher::default();
        let subscription = publisher.subscribe().expect("a place");
        let event = Event {
            actor: "a".repeat(SUBSCRIBER_BYTES_MAX),
            ..Event::default()
        };
        for _ in 0..3 {
            publisher.publish(std::slice::from_ref(&event));
            let delivery = subscription.take();
            assert_eq!((delivery.events.len(), delivery.lagged), (1, false));
        }
    }
}
