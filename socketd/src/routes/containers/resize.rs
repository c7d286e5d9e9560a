//! `POST /containers/{id}/resize`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use wire::files::Resize;

use crate::docker::attach::parse_size;
use crate::docker::error::Act;
use crate::docker::query::Query;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed};

pub(super) async fn resize(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let (rows, columns) = parse_size(&Query::parse(query.as_deref()))?;
    let order = Resize {
        reference,
        rows,
        columns,
    };
    let done = desk.link.resize(order).await;
    done.map_err(|error| failed(&error, Act::Other))?;
    Ok(StatusCode::OK.into_response())
}
