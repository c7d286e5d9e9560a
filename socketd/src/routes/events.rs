//! `GET /events`: the past as asked, then the present, one JSON object an event.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;
use wire::event::attribute;
use wire::{Event, EventKind, Time};

use super::Desk;
use super::answer::{Answer, failed, now};
use crate::docker::error::{Act, ApiError};
use crate::docker::events::framing::Framing;
use crate::docker::events::{EventQuery, is_of_another_network, not_kept, render};
use crate::docker::networks::Networks;
use crate::docker::query::Query;
use crate::ending::Ending;
use crate::feed::{FeedError, Heard, Reader, Start};
use crate::link::Link;
use crate::policy::caller::Caller;
use crate::policy::scope::Scope;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/events", get(events))
}

async fn events(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let now = now();
    let query = EventQuery::parse(&Query::parse(query.as_deref()), now)?;
    let framing = Framing::wanted(
        headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|text| text.to_str().ok()),
    );
    // Answers 503 at once where there is no bridge, and says which event is the last one by now.
    let info = desk.link.info().await;
    let info = info.map_err(|error| failed(&error, Act::Other))?;
    let last = info.journal.last_sequence;
    let start = start(&query, info.journal.first_sequence, last)?;
    let reader = match query.until {
        Some(until) if until <= now => desk.feed.past(start),
        _ => desk.feed.follow(start, last),
    };
    let stream = Stream {
        reader: reader.map_err(|error| failed(&error, Act::Other))?,
        link: Arc::clone(&desk.link),
        networks: Networks::new(&info),
        deadline: query
            .until
            .filter(|until| *until > now)
            .map(|until| Instant::now() + Duration::from_nanos(until.0.saturating_sub(now.0))),
        query,
        caller,
        framing,
        ending: desk.ending.clone(),
    };
    let lines = stream::unfold(stream, |mut stream| async move {
        stream.lines().await.map(|lines| (lines, stream))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(framing.content_type()));
    Ok(response)
}

/// Where to begin. As with Docker, either bound asks for the past. Without an end the reader follows,
/// and must miss nothing behind the place where it begins; with one it asks for a span of time.
fn start(query: &EventQuery, first: u64, last: u64) -> Result<Start, ApiError> {
    if let Some(cursor) = query.cursor {
        let cursor = cursor.unwrap_or(last);
        if cursor > last {
            return Err(ApiError::bad_request(format!(
                "cursor {cursor} is beyond the last event, {last}"
            )));
        }
        if first > cursor.saturating_add(1) {
            return Err(not_kept(cursor, first));
        }
        if query.since.is_none() {
            return Ok(Start::After(cursor));
        }
    }
    Ok(match (query.since, query.until) {
        (Some(since), None) => Start::From(since),
        (Some(since), Some(_)) => Start::Since(since),
        (None, Some(_)) => Start::Since(Time::NEVER),
        (None, None) => Start::After(last),
    })
}

/// One client's stream of events.
struct Stream {
    reader: Reader,
    query: EventQuery,
    caller: Arc<Caller>,
    framing: Framing,
    link: Arc<Link>,
    networks: Networks,
    /// When to end, where the end lies in the future.
    deadline: Option<Instant>,
    ending: Ending,
}

impl Stream {
    /// The next lines that pass; none at the end.
    async fn lines(&mut self) -> Option<Result<Bytes, FeedError>> {
        loop {
            let events = tokio::select! {
                events = self.reader.next() => events,
                () = until(self.deadline) => return None,
                () = self.ending.told() => return None,
            };
            let lines = match events {
                Ok(None) => return None,
                Ok(Some(events)) => {
                    self.learn_networks(&events).await;
                    self.render(&events)
                }
                Err(error) => {
                    tracing::warn!(%error, "a stream of events breaks off");
                    return Some(Err(error));
                }
            };
            if !lines.is_empty() {
                return Some(Ok(lines));
            }
        }
    }

    /// Asks again what networks there are where one came meanwhile.
    async fn learn_networks(&mut self, events: &[Arc<Heard>]) {
        let is_new = |heard: &Arc<Heard>| is_of_another_network(&heard.event, &self.networks);
        if !events.iter().any(is_new) {
            return;
        }
        match self.link.info().await {
            Ok(info) => self.networks = Networks::new(&info),
            Err(error) => tracing::debug!(%error, "networks of events are not known"),
        }
    }

    fn render(&self, events: &[Arc<Heard>]) -> Bytes {
        let passing = events.iter().filter(|heard| {
            let in_time = self.query.until.is_none_or(|until| heard.event.time <= until);
            let seen = self
                .caller
                .scope()
                .is_none_or(|scope| is_seen(scope, &heard.event));
            in_time && seen && self.query.matches(&heard.event, &self.networks)
        });
        let lines = passing.map(|heard| {
            if self.query.cursor.is_some() {
                render(&heard.event, &self.networks, true)
            } else {
                heard.line(|event| render(event, &self.networks, false)).clone()
            }
        });
        self.framing.join(lines.filter(|line| !line.is_empty()))
    }
}

/// Whether an event is told to whoever sees only some containers. What happens to a container tells its name and
/// labels; that one joins or leaves a network tells neither, so it is told to nobody of these.
fn is_seen(scope: &Scope, event: &Event) -> bool {
    match event.kind {
        EventKind::Container => {
            let name = event.attribute(attribute::NAME).unwrap_or_default();
            scope.shows(name, &event.labels)
        }
        _ => event.attribute(attribute::CONTAINER).is_none(),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
