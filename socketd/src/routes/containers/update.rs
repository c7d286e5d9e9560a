//! `POST /containers/{id}/update`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};

use crate::docker::containers::create::update::{parse_update, updated};
use crate::docker::containers::operate::reference;
use crate::docker::error::Act;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, json};
use crate::routes::body;

pub(super) async fn update(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let body = body::read(body).await?;
    // What stays must agree with what is asked.
    let container = desk.link.inspect(reference(&id)).await;
    let container = container.map_err(|error| failed(&error, Act::Other))?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (order, mut warnings) = parse_update(&body, content_type, &container)?;
    let more = desk.link.update(order).await;
    warnings.extend(more.map_err(|error| failed(&error, Act::Other))?);
    json(StatusCode::OK, &updated(warnings))
}
