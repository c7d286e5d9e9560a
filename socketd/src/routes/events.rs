//! `GET /events`: the past as asked, then the present, one line of JSON an event.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;
use wire::{Event, Time};

use super::Desk;
use super::answer::{Answer, failed, json_body, now};
use crate::docker::error::Act;
use crate::docker::events::{EventQuery, render_into};
use crate::docker::networks::Networks;
use crate::docker::query::Query;
use crate::ending::Ending;
use crate::feed::{Reader, Start};
use crate::link::LinkError;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/events", get(events))
}

async fn events(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Answer {
    let now = now();
    let query = EventQuery::parse(&Query::parse(query.as_deref()), now)?;
    // Answers 503 at once where there is no bridge, and says which event is the last one by now.
    let info = desk.link.info().await;
    let info = info.map_err(|error| failed(&error, Act::Other))?;
    let last = info.journal.last_sequence;
    // As with Docker, either bound asks for the past.
    let start = match (query.since, query.until) {
        (Some(since), _) => Start::Since(since),
        (None, Some(_)) => Start::Since(Time::NEVER),
        (None, None) => Start::After(last),
    };
    let reader = match query.until {
        Some(until) if until <= now => desk.feed.past(start),
        _ => desk.feed.follow(start, last),
    };
    let stream = Stream {
        reader: reader.map_err(|error| failed(&error, Act::Other))?,
        networks: Networks::new(&info),
        deadline: query
            .until
            .filter(|until| *until > now)
            .map(|until| Instant::now() + Duration::from_nanos(until.0.saturating_sub(now.0))),
        query,
        ending: desk.ending.clone(),
    };
    let lines = stream::unfold(stream, |mut stream| async move {
        stream.lines().await.map(|lines| (lines, stream))
    });
    Ok(json_body(StatusCode::OK, Body::from_stream(lines)))
}

/// One client's stream of events.
struct Stream {
    reader: Reader,
    query: EventQuery,
    networks: Networks,
    /// When to end, where the end lies in the future.
    deadline: Option<Instant>,
    ending: Ending,
}

impl Stream {
    /// The next lines that pass; none at the end.
    async fn lines(&mut self) -> Option<Result<Bytes, LinkError>> {
        loop {
            let events = tokio::select! {
                events = self.reader.next() => events,
                () = until(self.deadline) => return None,
                () = self.ending.told() => return None,
            };
            let lines = match events {
                Ok(None) => return None,
                Ok(Some(events)) => self.render(&events),
                Err(error) => return Some(Err(error)),
            };
            if !lines.is_empty() {
                return Some(Ok(lines.into()));
            }
        }
    }

    fn render(&self, events: &[Arc<Event>]) -> Vec<u8> {
        let mut lines = Vec::new();
        for event in events {
            let in_time = self.query.until.is_none_or(|until| event.time <= until);
            if in_time && self.query.matches(event, &self.networks) {
                render_into(event, &self.networks, &mut lines);
            }
        }
        lines
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
