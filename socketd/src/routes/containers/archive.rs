//! `HEAD`, `GET` and `PUT /containers/{id}/archive`: what `docker cp` does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use wire::files::PathStat;

use crate::docker::containers::archive::{STAT_HEADER, owners_given, parse_path, parse_write, stat_header};
use crate::docker::error::{Act, ApiError};
use crate::docker::query::Query;
use crate::ending::Ending;
use crate::limits::ARCHIVE_SILENCE_MAX;
use crate::link::{Download, LinkError};
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed};
use crate::routes::upload::{pump, upload_failed};

pub(super) async fn stat(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let path = parse_path(&id, &Query::parse(query.as_deref()))?;
    let act = Act::Archive { reference: &id };
    let stat = desk.link.stat_path(path).await;
    let stat = stat.map_err(|error| failed(&error, act))?;
    with_stat(StatusCode::OK.into_response(), &stat)
}

pub(super) async fn read(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let path = parse_path(&id, &Query::parse(query.as_deref()))?;
    let act = Act::Archive { reference: &id };
    let download = desk.link.read_archive(path).await;
    let download = download.map_err(|error| failed(&error, act))?;
    let stat = download.stat.clone();
    let mut response = body_of(download, desk.ending.clone());
    let kind = HeaderValue::from_static("application/x-tar");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    with_stat(response, &stat)
}

pub(super) async fn write(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let mut order = parse_write(&id, &query)?;
    let act = Act::Archive { reference: &id };
    if owners_given(&query) {
        let container = desk.link.inspect(&order.reference).await;
        let container = container.map_err(|error| failed(&error, act))?;
        order.keep_owners = container.spec.process.user.is_empty();
    }
    let write_failed = |error| upload_failed(error, act);
    let upload = desk.link.write_archive(order).await.map_err(write_failed)?;
    let upload = pump(body, upload, desk.limits.upload_bytes(), act).await?;
    upload.unpacked().await.map_err(write_failed)?;
    Ok(StatusCode::OK.into_response())
}

fn with_stat(mut response: Response, stat: &PathStat) -> Answer {
    let value = HeaderValue::try_from(stat_header(stat))
        .map_err(|_| ApiError::internal("what the path is cannot be written in a header"))?;
    let name = HeaderName::from_static(STAT_HEADER);
    response.headers_mut().insert(name, value);
    Ok(response)
}

/// A tar as a body. The status went out long ago: one that is not whole can only be told of by
/// breaking off.
pub(super) fn body_of(download: Download, ending: Ending) -> Response {
    let parts = stream::unfold(Some((download, ending)), |state| async move {
        let (mut download, mut ending) = state?;
        let part = tokio::select! {
            part = download.next(ARCHIVE_SILENCE_MAX) => part,
            () = ending.told() => Err(LinkError::Lost),
        };
        match part {
            Ok(part) => part.map(|part| (Ok(part), Some((download, ending)))),
            Err(error) => {
                tracing::warn!(%error, "an archive broke off");
                Some((Err(error), None))
            }
        }
    });
    Response::new(Body::from_stream(parts))
}
