//! `/containers/...`.

mod archive;
mod attach;
mod changes;
mod export;
mod list;
mod logs;
mod operate;
mod pause;
mod resize;
mod stats;
mod top;
mod update;
mod wait;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post};

use super::Desk;
use super::answer::{Answer, failed, json};
use super::body;
use super::view::{discreet, out_of_sight};
use crate::docker::containers::create::{Created, parse_create};
use crate::docker::containers::inspect;
use crate::docker::error::Act;
use crate::docker::networks::Networks;
use crate::docker::query::Query;
use crate::policy::caller::Caller;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/containers/json", get(list::list))
        .route("/containers/create", post(create))
        .route("/containers/prune", post(operate::prune))
        .route("/containers/{id}", delete(operate::remove))
        .route("/containers/{id}/json", get(show))
        .route("/containers/{id}/start", post(operate::start))
        .route("/containers/{id}/stop", post(operate::stop))
        .route("/containers/{id}/restart", post(operate::restart))
        .route("/containers/{id}/kill", post(operate::kill))
        .route("/containers/{id}/rename", post(operate::rename))
        .route("/containers/{id}/wait", post(wait::wait))
        .route("/containers/{id}/logs", get(logs::logs))
        .route("/containers/{id}/resize", post(resize::resize))
        .route("/containers/{id}/attach", post(attach::attach))
        .route("/containers/{id}/attach/ws", get(attach::websocket))
        .route("/containers/{id}/top", get(top::top))
        .route("/containers/{id}/stats", get(stats::stats))
        .route("/containers/{id}/pause", post(pause::pause))
        .route("/containers/{id}/unpause", post(pause::unpause))
        .route("/containers/{id}/update", post(update::update))
        .route("/containers/{id}/changes", get(changes::changes))
        .route("/containers/{id}/export", get(export::export))
        .route(
            "/containers/{id}/archive",
            get(archive::read).head(archive::stat).put(archive::write),
        )
}

async fn create(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let body = body::read(body).await?;
    let asked = tokio::try_join!(desk.images.current(), desk.link.info());
    let (images, info) = asked.map_err(|error| failed(&error, Act::Create))?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (order, mut warnings) = parse_create(&query, &body, content_type, &images.index, &info)?;
    let seen = caller
        .scope()
        .is_none_or(|scope| scope.shows(&order.name, &order.spec.labels));
    if !seen {
        return Err(out_of_sight());
    }
    let created = match desk.link.create(order).await {
        Ok(created) => created,
        Err(error) => return Err(failed(&discreet(&desk, &caller, error).await, Act::Create)),
    };
    warnings.extend(created.warnings);
    let answer = Created {
        id: created.id.to_string(),
        warnings,
    };
    json(StatusCode::CREATED, &answer)
}

async fn show(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let asked = tokio::try_join!(desk.link.inspect(&reference), desk.link.info());
    let (container, info) = asked.map_err(|error| failed(&error, Act::Inspect))?;
    let usage = if query.flag("size") {
        let usage = desk.link.disk_usage().await;
        let usage = usage.map_err(|error| failed(&error, Act::Inspect))?;
        usage
            .containers
            .into_iter()
            .find(|entry| entry.id == container.id)
    } else {
        None
    };
    let networks = Networks::new(&info);
    json(
        StatusCode::OK,
        &inspect::inspect(&container, &info, &networks, usage.as_ref()),
    )
}
