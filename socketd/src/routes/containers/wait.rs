//! `POST /containers/{id}/wait`: headers at once, the body when it ends.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use futures_util::stream;

use crate::docker::containers::operate::{parse_wait, waited};
use crate::docker::error::Act;
use crate::docker::query::Query;
use crate::link::LinkError;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, json_body, json_bytes};

/// The bridge says when it waits, so a client that has the headers may start the container and will
/// not miss its end.
pub(super) async fn wait(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let order = parse_wait(&reference, &Query::parse(query.as_deref()))?;
    let call = desk.link.wait(order).await;
    let call = call.map_err(|error| failed(&error, Act::Wait))?;
    let mut ending = desk.ending.clone();
    // The status went out long ago: a bridge that goes away can only be told of by breaking off.
    let body = stream::once(async move {
        tokio::select! {
            exited = call.exited() => json_bytes(&waited(&exited?)).map_err(|_| LinkError::Lost),
            () = ending.told() => Err(LinkError::Lost),
        }
    });
    Ok(json_body(StatusCode::OK, Body::from_stream(body)))
}
