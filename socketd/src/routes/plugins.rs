//! `/plugins`: none, ever.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::Desk;
use super::answer::{Answer, json};

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/plugins", get(list))
}

async fn list() -> Answer {
    json(StatusCode::OK, &[(); 0])
}
