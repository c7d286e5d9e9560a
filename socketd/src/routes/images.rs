//! `/images/...` and `/commit`. Names hold slashes that clients do not escape, so what follows `/images/` is
//! taken whole and the last word of it looked at.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use super::answer::{Answer, failed, json, now};
use super::upload::{pump, upload_failed};
use super::{Desk, body, not_served};
use crate::docker::error::Act;
use crate::docker::images;
use crate::docker::query::Query;
use crate::policy::caller::Caller;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/images/json", get(list))
        .route("/images/create", post(create))
        .route("/commit", post(commit))
        .route("/images/{*rest}", get(show).post(order).delete(remove))
}

async fn list(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let held = desk.containers_for(&caller).await;
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
    let import_failed = |error| upload_failed(error, Act::Import);
    let upload = desk.link.import(request).await.map_err(import_failed)?;
    let upload = pump(body, upload, desk.limits.upload_bytes(), Act::Import).await?;
    let image = upload.finish().await.map_err(import_failed)?;
    json(StatusCode::OK, &images::imported(&image))
}

/// `POST /commit`: an image of a container.
async fn commit(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let reference = images::commit_container(&query)?;
    let reference = desk.reference_for(&caller, reference).await?;
    let body = body::read(body).await?;
    let asked = tokio::try_join!(desk.link.inspect(&reference), desk.images.current());
    let (container, held) = asked.map_err(|error| failed(&error, Act::Other))?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let order = images::parse_commit(&query, &body, content_type, &container, &held.index)?;
    let image = desk.link.commit(order).await;
    let image = image.map_err(|error| failed(&error, Act::Other))?;
    json(StatusCode::CREATED, &images::committed(&image))
}
