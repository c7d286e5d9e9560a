//! `POST /containers/{id}/pause` and `/unpause`.

use std::sync::Arc;

use axum::extract::{Path, State};

use crate::docker::containers::operate::reference;
use crate::docker::error::Act;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, no_content};

pub(super) async fn pause(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    let done = desk.link.pause(reference(&id)).await;
    done.map_err(|error| failed(&error, Act::Pause))?;
    no_content()
}

pub(super) async fn unpause(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    let done = desk.link.unpause(reference(&id)).await;
    done.map_err(|error| failed(&error, Act::Pause))?;
    no_content()
}
