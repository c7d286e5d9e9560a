//! What happened, by REST.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::time::{Duration, Instant, timeout_at};
use utoipa::ToSchema;

use super::answer::ApiError;
use super::principal::Principal;
use super::query::Query;
use super::shapes::PublishedShape;
use super::{Desk, describe, since};
use crate::coordinator::state::{Published, Subscription, now};
use crate::coordinator::store::Sequence;
use crate::limits::API_EVENTS_MAX;

/// The highest number that anything can have: that of signed numbers, for those who read them as such.
pub(super) const SEQUENCE_MAX: Sequence = i64::MAX.unsigned_abs();

/// What happened, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventList<'a> {
    /// Each of them.
    events: Vec<PublishedShape<'a>>,
    /// Whoever goes on asks for what is after this.
    next_after: Sequence,
    /// Whether there may be more now.
    has_more: bool,
}

/// What happened on the nodes that whoever asks may see, or on one. With `follow=true` it goes on as it happens: one
/// JSON object a line.
#[utoipa::path(
    get, path = "/api/events", tag = "events", params(describe::NodeId, describe::EventWindow),
    responses(
        (status = 200, content((EventList = "application/json"), (PublishedShape = "application/x-ndjson"))),
        (status = 410, body = super::answer::ErrorBody,
            description = "What is asked for is no longer known; the detail says after which number one can ask."),
        describe::OfPath,
    ),
)]
pub(super) async fn events(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    let node = desk.scope(&principal, &mut query)?;
    let node_id = node.map(|node| Arc::clone(&node.node_id));
    let after = query.number("after", 0, SEQUENCE_MAX)?;
    let follows = query.flag("follow")?;
    let max = query
        .number("limit", 1, API_EVENTS_MAX)?
        .unwrap_or(API_EVENTS_MAX);
    let since = moment(&mut query, "since")?;
    let until = moment(&mut query, "until")?;
    query.finish()?;
    let last = desk.state.last();
    let begin = match (after, since) {
        (Some(after), None) => after,
        (after, Some(since)) => before(&desk, since).await?.max(after.unwrap_or(0)),
        // Whoever follows wants what comes; whoever looks, what was.
        (None, None) if follows => last,
        (None, None) => 0,
    };
    let mut window = Window {
        desk,
        node_id,
        since: since.unwrap_or(i64::MIN),
        until: until.unwrap_or(i64::MAX),
        after: begin,
        last,
    };
    // What is lost is told while there is a status to tell it by.
    let first = window.page(max).await?;
    if follows {
        return Ok(followed(window, first));
    }
    let events = first
        .iter()
        .map(|published| PublishedShape::of(published))
        .collect();
    let list = EventList {
        events,
        next_after: window.after,
        has_more: window.after < window.last,
    };
    Ok(Json(list).into_response())
}

fn moment(query: &mut Query, name: &str) -> Result<Option<i64>, ApiError> {
    let text = query.text(name)?.filter(|text| !text.is_empty());
    text.map(|text| since::moment(name, &text, now())).transpose()
}

/// The newest of what was heard of before a moment, found by halves; 0 where there is none.
async fn before(desk: &Desk, moment: i64) -> Result<Sequence, ApiError> {
    let (first, last) = desk.log.bounds().await?;
    let (mut low, mut high) = (first.saturating_sub(1), last);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let page = desk.log.read(middle.saturating_sub(1), 1, None).await?;
        // What is gone by now is older than all that there is.
        let is_before = page
            .entries
            .first()
            .is_some_and(|(_, entry)| entry.received_at < moment);
        if is_before || page.first > middle {
            low = middle;
        } else {
            high = middle.saturating_sub(1);
        }
    }
    Ok(low)
}

/// What of everything is asked for, and how far it was read.
struct Window {
    desk: Arc<Desk>,
    node_id: Option<Arc<str>>,
    since: i64,
    until: i64,
    after: Sequence,
    /// What was published when this was asked.
    last: Sequence,
}

impl Window {
    fn has(&self, published: &Published) -> bool {
        (self.since..=self.until).contains(&published.received_at)
    }

    /// At most `max` of what was there when this was asked. Where there are none, there are none any more.
    async fn page(&mut self, max: u64) -> Result<Vec<Arc<Published>>, ApiError> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        while found.len() < max && self.after < self.last {
            let log = &self.desk.log;
            let room = max - found.len();
            let page = log.read(self.after, room, self.node_id.as_deref()).await?;
            if page.first > self.after.saturating_add(1) && self.after > 0 {
                return Err(lost(page.first));
            }
            let was = self.after;
            self.after = if page.upto == was {
                self.last
            } else {
                page.upto.min(self.last)
            };
            let published = page
                .entries
                .into_iter()
                .filter(|(sequence, _)| *sequence <= self.last);
            let published = published.map(|(sequence, entry)| Arc::new(Published::new(sequence, entry)));
            found.extend(published.filter(|published| self.has(published)));
        }
        Ok(found)
    }
}

fn lost(next: Sequence) -> ApiError {
    ApiError::new(StatusCode::GONE, "what happened then is no longer known")
        .with_detail(format!("ask with after={}", next.saturating_sub(1)))
}

/// As far away as a timer goes.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Lines: what was, and then what comes. Where something is lost, the stream breaks off: whoever reads asks anew, and is
/// told.
fn followed(window: Window, first: Vec<Arc<Published>>) -> Response {
    let subscription = window
        .desk
        .state
        .subscribe(Some(window.last), window.node_id.as_deref());
    let reading = (window, subscription, Some(first));
    let all = stream::try_unfold(reading, |(mut window, mut subscription, history)| async move {
        // An empty piece would end nothing, and a page may be one: so the next is looked at.
        if let Some(page) = history {
            let next = if window.after < window.last {
                Some(
                    window
                        .page(API_EVENTS_MAX)
                        .await
                        .map_err(|error| broken(error.message()))?,
                )
            } else {
                None
            };
            return Ok::<_, std::io::Error>(Some((lines(&page), (window, subscription, next))));
        }
        let Some(published) = live(&window, &mut subscription).await? else {
            return Ok(None);
        };
        Ok(Some((lines(&[published]), (window, subscription, None))))
    });
    let mut response = Response::new(Body::from_stream(all));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The next that comes; none once it is too late.
async fn live(
    window: &Window,
    subscription: &mut Subscription,
) -> Result<Option<Arc<Published>>, std::io::Error> {
    loop {
        let left = u64::try_from(window.until.saturating_sub(now())).unwrap_or(0);
        let end = Instant::now() + Duration::from_nanos(left).min(FAR);
        match timeout_at(end, subscription.next()).await {
            Ok(Ok(published)) if published.received_at > window.until => return Ok(None),
            Ok(Ok(published)) if window.has(&published) => return Ok(Some(published)),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(broken(&error.to_string())),
            // Timers are not as fine as moments are.
            Err(_late) if now() < window.until => {}
            Err(_late) => return Ok(None),
        }
    }
}

fn broken(why: &str) -> std::io::Error {
    std::io::Error::other(why.to_owned())
}

fn lines(all: &[Arc<Published>]) -> Bytes {
    let mut text = Vec::new();
    for published in all {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut text, &PublishedShape::of(published));
        text.push(b'\n');
    }
    text.into()
}
