//! `/plugins`: none, ever.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use axum::routing::get;

use super::answer::{Answer, json};
use super::{Desk, not_served};
use crate::docker::error::ApiError;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/plugins", get(list))
        .route("/plugins/{*rest}", get(inspect))
}

async fn list() -> Answer {
    json(StatusCode::OK, &[(); 0])
}

/// `GET /plugins/{name}/json`: there is none of that name. The docker command asks for a plugin last
/// when it inspects a name that nothing has.
async fn inspect(Path(rest): Path<String>, request: Request<Body>) -> Answer {
    match rest.strip_suffix("/json") {
        Some(name) => Err(ApiError::not_found(format!("plugin \"{name}\" not found"))),
        None => Err(not_served(request).await),
    }
}
