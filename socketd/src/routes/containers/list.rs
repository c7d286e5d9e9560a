//! `GET /containers/json`, the question asked most.
//!
//! One small round trip to the bridge, and where nothing changed the body that is held.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::http::StatusCode;
use wire::ContainerId;
use wire::response::ContainerUsage;

use crate::docker::containers::list::{ListQuery, Prepared, select};
use crate::docker::error::{Act, ApiError};
use crate::docker::query::Query;
use crate::docker::time::Now;
use crate::policy::caller::Caller;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, json_body, present};
use crate::routes::held::{ContainerList, render};

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
) -> Answer {
    let plain = only_all(query.as_deref().unwrap_or_default());
    let query = ListQuery::parse(&Query::parse(query.as_deref()))?;
    let held = desk
        .containers_for(&caller)
        .await
        .map_err(|error| failed(&error, Act::Other))?;
    let now = present();
    if plain && query.all {
        return Ok(json_body(StatusCode::OK, held.whole_body(now)));
    }
    let chosen = select(&held.prepared, &query, &held.images.index, &held.networks)?;
    let body = if query.size {
        sized(&desk, &held, &chosen, now).await?
    } else {
        render(chosen.into_iter(), now).0
    };
    Ok(json_body(StatusCode::OK, body))
}

/// Whether nothing but `all` is asked, so that the answer is the body that is held.
fn only_all(query: &str) -> bool {
    query
        .split('&')
        .all(|part| part.starts_with("all=") || part == "all")
}

/// The same with the disk each container uses, which the bridge measures only when asked.
async fn sized(
    desk: &Desk,
    held: &ContainerList,
    chosen: &[&Prepared],
    now: Now,
) -> Result<bytes::Bytes, ApiError> {
    let usage = desk.link.disk_usage().await;
    let usage = usage.map_err(|error| failed(&error, Act::Other))?;
    let usage: HashMap<ContainerId, ContainerUsage> = usage
        .containers
        .into_iter()
        .map(|entry| (entry.id, entry))
        .collect();
    let prepared: Vec<Prepared> = chosen
        .iter()
        .map(|container| {
            let summary = container.summary();
            // One that came after the measuring uses nothing yet.
            let nothing = ContainerUsage {
                id: summary.id,
                ..ContainerUsage::default()
            };
            let usage = usage.get(&summary.id).unwrap_or(&nothing);
            Prepared::new(summary.clone(), Some(usage), &held.networks, &held.images.index)
        })
        .collect();
    Ok(render(prepared.iter(), now).0)
}
