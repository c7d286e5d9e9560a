//! `/images/...`. Names hold slashes that clients do not escape, so what follows `/images/` is
//! taken whole and the last word of it looked at.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::answer::{Answer, failed, json, now};
use super::{Desk, not_served};
use crate::docker::error::{Act, ApiError};
use crate::docker::images;
use crate::docker::query::Query;
use crate::limits::{UPLOAD_BYTES_MAX, UPLOAD_SILENCE_MAX};
use crate::link::{Appetite, LinkError, Upload, UploadError};

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/images/json", get(list))
        .route("/images/create", post(create))
        .route("/images/{*rest}", get(show).post(order).delete(remove))
}

async fn list(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref());
    let held = desk.containers.current().await;
    let held = held.map_err(|error| failed(&error, Act::Other))?;
    let uses = images::Uses::count(held.summaries());
    let answer = images::list(&held.images.index, &query, &uses, now())?;
    json(StatusCode::OK, &answer)
}

/// `GET /images/{name}/json` and `/history`.
async fn show(
    State(desk): State<Arc<Desk>>,
    Path(rest): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Answer {
    let (name, what) = match rest.rsplit_once('/') {
        Some((name, what @ ("json" | "history"))) => (name, what),
        _ => return Ok(not_served(request).await.into_response()),
    };
    let held = desk.images.current().await;
    let held = held.map_err(|error| failed(&error, Act::ImageInspect { reference: name }))?;
    if what == "history" {
        return json(StatusCode::OK, &images::history(&held.index, name)?);
    }
    let query = Query::parse(query.as_deref());
    json(StatusCode::OK, &images::inspect(&held.index, name, &query)?)
}

/// `POST /images/{name}/tag`.
async fn order(
    State(desk): State<Arc<Desk>>,
    Path(rest): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Answer {
    let Some((name, "tag")) = rest.rsplit_once('/') else {
        return Ok(not_served(request).await.into_response());
    };
    let held = desk.images.current().await;
    let held = held.map_err(|error| failed(&error, Act::ImageTag))?;
    let order = images::parse_tag(&held.index, name, &Query::parse(query.as_deref()))?;
    let done = desk.link.tag_image(order).await;
    done.map_err(|error| failed(&error, Act::ImageTag))?;
    Ok(StatusCode::CREATED.into_response())
}

/// `DELETE /images/{name}`.
async fn remove(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let act = Act::ImageRemove {
        reference: &name,
        force: query.flag("force"),
    };
    let held = desk.images.current().await;
    let held = held.map_err(|error| failed(&error, act))?;
    let order = images::parse_remove(&held.index, &name, &query)?;
    let done = desk.link.remove_image(order.clone()).await;
    let done = done.map_err(|error| failed(&error, act))?;
    json(StatusCode::OK, &images::removed(&order, &done))
}

/// `POST /images/create?fromSrc=-`: the body is a tar that goes on to the bridge as it comes.
async fn create(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery, body: Body) -> Answer {
    let request = images::parse_import(&Query::parse(query.as_deref()))?;
    let upload = desk.link.import(request).await.map_err(import_failed)?;
    let upload = pump(body, upload).await?;
    let image = upload.finish().await.map_err(import_failed)?;
    json(StatusCode::OK, &images::imported(&image))
}

/// Sends the body on. An upload that is not whole is dropped, which the bridge sees as a failure.
async fn pump(body: Body, mut upload: Upload) -> Result<Upload, ApiError> {
    let mut body = body.into_data_stream();
    let mut sent: u64 = 0;
    loop {
        let bytes = match timeout(UPLOAD_SILENCE_MAX, body.next()).await {
            Ok(None) => return Ok(upload),
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(_))) => return Err(ApiError::bad_request("unexpected EOF")),
            Err(_) => return Err(ApiError::new(408, "the upload stalled")),
        };
        sent = sent.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if sent > UPLOAD_BYTES_MAX {
            let message = format!("the upload is longer than {UPLOAD_BYTES_MAX} bytes");
            return Err(ApiError::new(413, message));
        }
        match timeout(UPLOAD_SILENCE_MAX, upload.send(&bytes)).await {
            Ok(Appetite::More) => {}
            Ok(Appetite::Enough) => return Ok(upload),
            Err(_) => return Err(failed(&LinkError::Late, Act::Import)),
        }
    }
}

fn import_failed(error: UploadError) -> ApiError {
    match error {
        UploadError::Link(LinkError::Lost) => {
            ApiError::unavailable("socketd-bridge went away before the image was complete")
        }
        UploadError::Link(error) => failed(&error, Act::Import),
        UploadError::Local(kind) => {
            tracing::error!(%kind, "an upload cannot be passed on");
            ApiError::internal(format!("the upload cannot be passed on: {kind}"))
        }
    }
}
