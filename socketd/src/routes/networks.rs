//! `/networks`: bridge, host and none, and the containers in one of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;

use super::Desk;
use super::answer::{Answer, failed, json};
use crate::docker::error::Act;
use crate::docker::networks::Networks;
use crate::docker::query::Query;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/{id}", get(inspect))
}

async fn list(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref());
    let info = desk.link.info().await;
    let info = info.map_err(|error| failed(&error, Act::Other))?;
    json(StatusCode::OK, &Networks::new(&info).list(&query)?)
}

async fn inspect(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let held = desk
        .containers
        .current()
        .await
        .map_err(|error| failed(&error, Act::Other))?;
    json(
        StatusCode::OK,
        &held.networks.inspect(&reference, &query, held.summaries())?,
    )
}
