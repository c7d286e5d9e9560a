//! `/volumes`: structurally valid, and empty.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::routing::get;

use super::Desk;
use super::answer::{Answer, json};
use crate::docker::query::Query;
use crate::docker::volumes;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/{name}", get(inspect))
}

async fn list(RawQuery(query): RawQuery) -> Answer {
    json(StatusCode::OK, &volumes::list(&Query::parse(query.as_deref()))?)
}

async fn inspect(Path(name): Path<String>) -> Answer {
    Err(volumes::missing(&name))
}
