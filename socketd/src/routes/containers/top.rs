//! `GET /containers/{id}/top`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;

use crate::docker::containers::operate::reference;
use crate::docker::containers::top::{self, Around, parse_format};
use crate::docker::error::Act;
use crate::docker::query::Query;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, json, now};

pub(super) async fn top(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let format = parse_format(&Query::parse(query.as_deref()))?;
    let asked = tokio::try_join!(desk.link.processes(reference(&id)), desk.link.info());
    let (processes, info) = asked.map_err(|error| failed(&error, Act::Other))?;
    let around = Around {
        now: now(),
        memory_bytes: info.memory_bytes,
    };
    json(StatusCode::OK, &top::top(&format, &processes, around))
}
