//! `GET /containers/{id}/changes`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::docker::containers::archive;
use crate::docker::containers::operate::reference;
use crate::docker::error::Act;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, json};

pub(super) async fn changes(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    let changes = desk.link.changes(reference(&id)).await;
    let changes = changes.map_err(|error| failed(&error, Act::Other))?;
    json(StatusCode::OK, &archive::changes(changes))
}
