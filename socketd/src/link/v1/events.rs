//! Events: asked for once a second while somebody wants them, and never otherwise.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use wire::limits::POLL_WAIT_MS_MAX;
use wire::request::{PollEvents, Subscribe};
use wire::response::Subscribed;
use wire::v1::{self, Opcode, Request, Status};
use wire::{Flow, Response};

use super::{Frames, LinkError, Stock, host, strange};
use crate::limits::STOCK_PERIOD;

impl Stock {
    /// What host and bridge are. Which event is the last one by now must be asked, and says at once
    /// whether the bridge is there; that it cannot read its events is no reason to say nothing else.
    pub(super) async fn info(&self) -> Result<Response, LinkError> {
        let failure = match self.hear().await {
            Ok(()) => String::new(),
            Err(LinkError::Refused(refusal)) => refusal.to_string(),
            Err(other) => return Err(other),
        };
        let journal = wire::info::JournalInfo {
            failure,
            ..self.history().journal()
        };
        Ok(Response::Info(Box::new(host::info(journal))))
    }

    /// Hears what is new. All that the bridge has is asked for, which is not much: its clock may have
    /// been set back since the last event.
    pub(super) async fn hear(&self) -> Result<(), LinkError> {
        let mut answer = self.rpc.ask(&Request::PollEvents { since_s: 0 }).await?;
        let newest_s = self.history().newest_s();
        if let (Err(Status::InternalError), Some(since_s)) = (&answer, newest_s) {
            // It has more than it can send.
            answer = self.rpc.ask(&Request::PollEvents { since_s }).await?;
        }
        let events = match answer {
            Ok(v1::Response::Events(events)) => events,
            other => return Err(strange(Opcode::PollEvents, &other)),
        };
        let known = self.known();
        self.history().absorb(events, |id| known.image_of(id));
        Ok(())
    }

    /// One page of what was heard; with a wait, of what will be.
    pub(super) async fn poll(&self, poll: PollEvents) -> Result<Response, LinkError> {
        let wait = Duration::from_millis(poll.wait_ms.min(POLL_WAIT_MS_MAX).into());
        let until = Instant::now() + wait;
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            self.hear().await?;
            let page = self.history().page(&poll);
            if !page.events.is_empty() || Instant::now() + STOCK_PERIOD > until {
                return Ok(Response::Events(page));
            }
        }
    }

    /// Tells events for as long as somebody listens and the bridge answers.
    pub(super) async fn subscribe(
        &self,
        subscribe: Subscribe,
        frames: &Frames,
    ) -> Result<Response, LinkError> {
        let mut ticks = ticks();
        ticks.tick().await;
        self.hear().await?;
        let mut after = {
            let history = self.history();
            let last = history.last_sequence();
            let since = (!subscribe.since.is_never()).then(|| history.place(subscribe.since));
            let asked = subscribe.after.map(|after| after.min(last));
            asked.max(since).unwrap_or(last)
        };
        send(frames, Response::Subscribed(Subscribed { after })).await?;
        loop {
            let poll = PollEvents {
                after,
                ..PollEvents::default()
            };
            let page = self.history().page(&poll);
            after = page.scanned_to;
            if page.events.is_empty() {
                ticks.tick().await;
                self.hear().await?;
            } else {
                send(frames, Response::Events(page)).await?;
            }
        }
    }
}

/// Once a second, the first time at once; after a bridge that was slow, a second later.
pub(super) fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(STOCK_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Sends a frame that others follow.
///
/// # Errors
/// [`LinkError::Lost`] when nobody takes it any more.
pub(super) async fn send(frames: &Frames, response: Response) -> Result<(), LinkError> {
    let sent = frames.send(Ok((Flow::More, response))).await;
    sent.map_err(|_| LinkError::Lost)
}
