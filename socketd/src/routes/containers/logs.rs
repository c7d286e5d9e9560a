//! `GET /containers/{id}/logs`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use tokio::time::Instant;

use crate::docker::attach::content_type;
use crate::docker::error::{Act, ApiError};
use crate::docker::logs::LogsQuery;
use crate::docker::query::Query;
use crate::link::OpenedLog;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, now};
use crate::routes::hijack;
use crate::streams::{Following, From, Kept, LogStream, OpenFile, Output, Shape, Wanted};

pub(super) async fn logs(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let now = now();
    let query = LogsQuery::parse(&Query::parse(query.as_deref()), now)?;
    let container = desk.link.inspect(&reference).await;
    let id = container
        .map_err(|error| failed(&error, Act::Other))?
        .id
        .to_string();
    let opened = desk.link.open_log(&id, query.follow).await;
    let opened = opened.map_err(|error| failed(&error, Act::Other))?;
    let raw = opened.log.tty;
    let until = query.until;
    let wanted = Wanted {
        shape: Shape {
            raw,
            timestamps: query.timestamps,
            output: query.stdout,
            error: query.stderr,
        },
        from: query.tail.map_or(From::Oldest, From::Last),
        since: query.since,
        until,
        follow: false,
    };
    let deadline = until.map(|until| Instant::now() + Duration::from_nanos(until.0.saturating_sub(now.0)));
    // As with Docker, there is nothing to follow where nothing runs.
    let follow = query.follow && opened.log.running;
    let log = stream(&desk, &id, opened, wanted, follow)?.ending_at(deadline);
    let body = hijack::body(Output::Log(Box::new(log)), desk.ending.clone(), None);
    let content_type = content_type(raw, hijack::version(&parts));
    Ok(hijack::typed(StatusCode::OK, content_type, body))
}

/// A log that was opened, as a stream.
pub(super) fn stream(
    desk: &Desk,
    container: &str,
    opened: OpenedLog,
    wanted: Wanted,
    follow: bool,
) -> Result<LogStream, ApiError> {
    let kept = if opened.log.raw { Kept::Raw } else { Kept::Entries };
    let files = opened
        .files
        .into_iter()
        .zip(&opened.log.files)
        .map(|(descriptor, told)| OpenFile::new(descriptor, told))
        .collect();
    let following = match opened.bell.filter(|_| follow) {
        Some(bell) => {
            let link = Arc::clone(&desk.link);
            // One that is attached before the start has the file of the run before.
            let stays = opened.log.raw && opened.log.running;
            let following = Following::new(link, container.to_owned(), bell, stays).map_err(|error| {
                tracing::warn!(%error, "a bell cannot be heard");
                ApiError::internal("the log cannot be followed")
            })?;
            Some(following)
        }
        None => None,
    };
    Ok(LogStream::new(kept, files, wanted, following))
}
