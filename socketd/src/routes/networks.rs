//! `/networks`: what networks there are, and the containers in one of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;

use super::Desk;
use super::answer::{Answer, failed, json};
use super::held::ContainerList;
use crate::docker::error::{Act, ApiError};
use crate::docker::networks::Networks;
use crate::docker::query::Query;
use crate::policy::caller::Caller;

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/{id}", get(inspect))
}

async fn list(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let (held, networks) = asked(&desk, &caller).await?;
    json(StatusCode::OK, &networks.list(&query, held.summaries())?)
}

async fn inspect(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let (held, networks) = asked(&desk, &caller).await?;
    json(
        StatusCode::OK,
        &networks.inspect(&reference, &query, held.summaries())?,
    )
}

/// The containers, and the networks as they are now: one may come or go while no container changes.
async fn asked(desk: &Desk, caller: &Caller) -> Result<(Arc<ContainerList>, Networks), ApiError> {
    let asked = tokio::try_join!(desk.containers_for(caller), desk.link.info());
    let (held, info) = asked.map_err(|error| failed(&error, Act::Other))?;
    Ok((held, Networks::new(&info)))
}
