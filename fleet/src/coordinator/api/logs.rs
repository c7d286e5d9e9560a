//! What a container wrote.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use bollard_stubs::models::ContainerInspectResponse;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::answer::ApiError;
use super::output::{Lines, Pieces, Stream};
use super::place::{Id, Place};
use super::principal::Principal;
use super::query::Query;
use super::reach::{self, Far, ReachError, plain};
use super::{Desk, describe, since};
use crate::access::Role;
use crate::coordinator::state::now;
use crate::docker::{Answer, DockerError};
use crate::limits::API_LOGS_MAX;

/// What a container wrote.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Logs {
    /// Of this request.
    id: String,
    /// As it was asked for.
    container_id: String,
    /// The lines.
    logs: LogLines,
}

/// The lines, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogLines {
    /// As it was asked for.
    container_id: String,
    /// Each with its end.
    logs: Vec<String>,
    /// Whether older ones were left out, for there are too many.
    is_cut: bool,
}

/// A line of a container's that is followed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogLine {
    /// stdout or stderr.
    stream: &'static str,
    /// With its end.
    line: String,
}

/// What a container wrote. With `follow=true` it goes on as the container writes: one JSON object a line.
#[utoipa::path(
    get, path = "/api/containers/{id}/logs", tag = "containers",
    params(describe::ContainerId, describe::NodeId, describe::LogWindow),
    responses(
        (status = 200, content((Logs = "application/json"), (LogLine = "application/x-ndjson"))),
        describe::OfContainer,
    ),
)]
pub(super) async fn logs(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Id(id): Id,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut place = Place::of(&desk, &principal, &uri, &id)?;
    principal.need(Role::Operate)?;
    let follows = place.query.flag("follow")?;
    let target = target(&place.container, &mut place.query, follows)?;
    place.query.finish()?;
    desk.connected(&place.node_id)?;
    let asked = plain(Method::GET, &target);
    let far = desk.far(&place.node_id);
    let answer = far.order(asked, Some(reach::USUAL)).await?;
    let pieces = match Pieces::of_log(answer.headers()) {
        Some(pieces) => pieces,
        None => of_container(&far, &place.container).await?,
    };
    if follows {
        return Ok(followed(answer, pieces));
    }
    let read = timeout(reach::USUAL, newest(answer, pieces)).await;
    let (logs, is_cut) = read.map_err(|_late| DockerError::Late(reach::USUAL))??;
    Ok(Json(Logs {
        id: super::request_id(),
        container_id: id.clone(),
        logs: LogLines {
            container_id: id,
            logs,
            is_cut,
        },
    })
    .into_response())
}

/// What Docker is asked for.
fn target(id: &str, query: &mut Query, follows: bool) -> Result<String, ApiError> {
    let tail = query.text("tail")?.unwrap_or_else(|| "100".to_owned());
    let is_number = !tail.is_empty() && tail.len() <= 9 && tail.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number && tail != "all" {
        return Err(ApiError::bad("`tail` is a number of lines, or `all`"));
    }
    let mut target = format!("/containers/{id}/logs?stdout=1&stderr=1&tail={tail}");
    if follows {
        target.push_str("&follow=1");
    }
    if query.flag("timestamps")? {
        target.push_str("&timestamps=1");
    }
    for name in ["since", "until"] {
        if let Some(text) = query.text(name)?.filter(|text| !text.is_empty()) {
            let moment = since::moment(name, &text, now())?;
            target.push_str(&format!("&{name}={}", since::for_docker(moment)));
        }
    }
    Ok(target)
}

/// Whether a container has a terminal, for engines that do not say so with its log.
async fn of_container(far: &Far<'_>, id: &str) -> Result<Pieces, ReachError> {
    let asked = plain(Method::GET, &format!("/containers/{id}/json"));
    let told: ContainerInspectResponse = far.ask(asked, reach::USUAL).await?;
    let has_terminal = told.config.and_then(|config| config.tty) == Some(true);
    Ok(if has_terminal {
        Pieces::raw()
    } else {
        Pieces::shared()
    })
}

/// The newest lines of an answer, and whether there were older ones. Whatever is in it passes through; what is kept is
/// bounded.
async fn newest(answer: Answer, mut pieces: Pieces) -> Result<(Vec<String>, bool), DockerError> {
    let mut body = answer.into_body();
    let (mut lines, mut kept) = (Lines::default(), Kept::default());
    while let Some(frame) = body.frame().await {
        let mut bytes = frame?.into_data().unwrap_or_default();
        while let Some((stream, piece)) = pieces.next(&mut bytes) {
            lines.take(stream, &piece, |_, line| kept.push(line));
        }
    }
    lines.end(|_, line| kept.push(line));
    Ok((kept.lines.into(), kept.is_cut))
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    is_cut: bool,
}

impl Kept {
    fn push(&mut self, line: String) {
        // An empty line costs as well.
        let cost = |line: &String| line.len() + size_of::<String>();
        self.bytes += cost(&line);
        self.lines.push_back(line);
        while self.bytes > API_LOGS_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= cost(&oldest);
            self.is_cut = true;
        }
    }
}

/// Lines as they come: nothing is read that nobody takes.
fn followed(answer: Answer, pieces: Pieces) -> Response {
    let reading = (answer.into_body(), pieces, Lines::default());
    let all = stream::try_unfold(reading, |(mut body, mut pieces, mut lines)| async move {
        match next_lines(&mut body, &mut pieces, &mut lines).await {
            Ok(Some(text)) => Ok(Some((text, (body, pieces, lines)))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let mut response = Response::new(Body::from_stream(all));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn next_lines(
    body: &mut Incoming,
    pieces: &mut Pieces,
    lines: &mut Lines,
) -> Result<Option<Bytes>, hyper::Error> {
    let mut text = Vec::new();
    let mut write = |stream: Stream, line: String| {
        let stream = stream.name();
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut text, &LogLine { stream, line });
        text.push(b'\n');
    };
    loop {
        let Some(frame) = body.frame().await else {
            std::mem::take(lines).end(&mut write);
            return Ok((!text.is_empty()).then(|| text.into()));
        };
        let mut bytes = frame?.into_data().unwrap_or_default();
        let mut is_there = false;
        while let Some((stream, piece)) = pieces.next(&mut bytes) {
            lines.take(stream, &piece, |stream, line| {
                write(stream, line);
                is_there = true;
            });
        }
        if is_there {
            return Ok(Some(text.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_is_asked() {
        let check = |query: &str, expected: Option<&str>| {
            let mut query = Query::of(&format!("/x?{query}").parse().unwrap()).unwrap();
            let seen = target("web", &mut query, false).ok();
            let expected = expected.map(|rest| format!("/containers/web/logs?stdout=1&stderr=1&{rest}"));
            assert_eq!(seen, expected, "{query:?}");
        };
        check("", Some("tail=100"));
        check("tail=all", Some("tail=all"));
        check("tail=0&timestamps=1", Some("tail=0&timestamps=1"));
        check("since=", Some("tail=100"));
        check(
            "since=1700000000&until=2023-11-14T22:13:20Z",
            Some("tail=100&since=1700000000.000000000&until=1700000000.000000000"),
        );
        check("since=yesterday", None);
        check("tail=-1", None);
        check("tail=1000000000", None);
        check("tail=", None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut kept = Kept::default();
        for number in 0..200 {
            kept.push(format!("{number}{}", "x".repeat(API_LOGS_MAX / 100)));
        }
        assert!(kept.is_cut);
        let bytes: usize = kept.lines.iter().map(String::len).sum();
        assert!(bytes <= API_LOGS_MAX);
        assert!(kept.lines.back().unwrap().starts_with("199"));
    }
}
