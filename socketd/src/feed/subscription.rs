//! The one subscription: keeps it, resumes it, hands on what it hears.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::broadcast;
use wire::request::PollEvents;
use wire::{Event, Response};

use super::{Feed, Heard};
use crate::limits::{FEED_PAGE_EVENTS, FEED_PAUSE_MAX, FEED_PAUSE_MIN};
use crate::link::LinkError;

type Sender = broadcast::Sender<Arc<Heard>>;

/// Why following the bridge came to an end.
enum Broken {
    /// The bridge went away, or answered nonsense.
    Link(LinkError),
    /// The bridge's journal ends before what was already heard: it is another journal.
    OtherJournal,
}

impl From<LinkError> for Broken {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

/// Runs while anybody reads. `position`: the last event that need not be heard.
pub(super) async fn keep(feed: Arc<Feed>, sender: Sender, mut position: u64) {
    let mut pause = FEED_PAUSE_MIN;
    loop {
        let broken = tokio::select! {
            biased;
            () = sender.closed() => None,
            broken = follow(&feed, &sender, &mut position, &mut pause) => Some(broken),
        };
        match broken {
            None => {}
            Some(Broken::OtherJournal) => {
                tracing::warn!(position, "the bridge has another journal now; event streams end");
                return feed.break_off();
            }
            Some(Broken::Link(error)) => {
                tracing::warn!(%error, position, "events wait for the bridge");
                tokio::select! {
                    () = sender.closed() => {}
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(FEED_PAUSE_MAX);
            }
        }
        if feed.retire(&sender) {
            return;
        }
    }
}

/// Subscribes after `position` and hands on everything until the connection breaks.
async fn follow(feed: &Feed, sender: &Sender, position: &mut u64, pause: &mut Duration) -> Broken {
    loop {
        if let Err(broken) = subscribe(feed, sender, position, pause).await {
            return broken;
        }
        // The bridge could not wait for us. Its journal can.
        if let Err(error) = catch_up(feed, sender, position).await {
            return error.into();
        }
    }
}

/// One subscription; ends well only when the bridge says that we lag.
async fn subscribe(
    feed: &Feed,
    sender: &Sender,
    position: &mut u64,
    pause: &mut Duration,
) -> Result<(), Broken> {
    let (subscribed, mut call) = feed.link.subscribe(Some(*position)).await?;
    if subscribed.after < *position {
        return Err(Broken::OtherJournal);
    }
    *pause = FEED_PAUSE_MIN;
    loop {
        match call.receive().await? {
            Response::Events(page) => publish(feed, sender, position, page.events),
            Response::Lagged(_) => return Ok(()),
            other => {
                return Err(Broken::Link(LinkError::Unexpected { kind: other.kind() }));
            }
        }
    }
}

async fn catch_up(feed: &Feed, sender: &Sender, position: &mut u64) -> Result<(), LinkError> {
    loop {
        let before = *position;
        let page = feed
            .link
            .poll_events(PollEvents {
                after: before,
                count_max: FEED_PAGE_EVENTS,
                ..PollEvents::default()
            })
            .await?;
        let (scanned_to, last) = (page.scanned_to, page.last_sequence);
        publish(feed, sender, position, page.events);
        *position = (*position).max(scanned_to);
        if *position >= last || *position == before {
            return Ok(());
        }
    }
}

fn publish(feed: &Feed, sender: &Sender, position: &mut u64, events: Vec<Event>) {
    for event in events {
        if event.sequence > *position {
            *position = event.sequence;
            feed.fed.fetch_add(1, Ordering::Relaxed);
            // Nobody there any more is noticed elsewhere.
            let _ = sender.send(Arc::new(Heard::from(event)));
        }
    }
}
