//! `GET /containers/{id}/export`: the whole root file system as a tar.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;

use super::archive::body_of;
use crate::docker::containers::operate::container_ref;
use crate::docker::error::Act;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed};

pub(super) async fn export(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    let download = desk.link.export(container_ref(&id)).await;
    let download = download.map_err(|error| failed(&error, Act::Other))?;
    let mut response = body_of(download, desk.ending.clone());
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}
