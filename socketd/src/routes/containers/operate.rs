//! Start, stop, restart, kill, rename, remove and prune: orders that answer little.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::StatusCode;
use wire::RefusalCode;

use crate::docker::containers::list::{Prepared, select_prunable};
use crate::docker::containers::operate::{Pruned, parse_kill, parse_remove, parse_rename, parse_stop};
use crate::docker::error::Act;
use crate::docker::query::Query;
use crate::link::LinkError;
use crate::policy::caller::Caller;
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed, json, no_content, now};
use crate::routes::view::discreet;

pub(super) async fn start(State(desk): State<Arc<Desk>>, Path(reference): Path<String>) -> Answer {
    let done = desk.link.start(&reference).await;
    done.map_err(|error| failed(&error, Act::Start))?;
    no_content()
}

pub(super) async fn stop(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let order = parse_stop(&reference, &Query::parse(query.as_deref()))?;
    let done = desk.link.stop(order).await;
    done.map_err(|error| failed(&error, Act::Stop))?;
    no_content()
}

pub(super) async fn restart(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let order = parse_stop(&reference, &Query::parse(query.as_deref()))?;
    let done = desk.link.restart(order).await;
    done.map_err(|error| failed(&error, Act::Restart))?;
    no_content()
}

pub(super) async fn kill(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let order = parse_kill(&reference, &Query::parse(query.as_deref()))?;
    let done = desk.link.kill(order).await;
    let act = Act::Kill {
        reference: &reference,
    };
    done.map_err(|error| failed(&error, act))?;
    no_content()
}

pub(super) async fn rename(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let order = parse_rename(&reference, &Query::parse(query.as_deref()))?;
    match desk.link.rename(order).await {
        Ok(()) => no_content(),
        Err(error) => Err(failed(&discreet(&desk, &caller, error).await, Act::Rename)),
    }
}

pub(super) async fn remove(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let order = parse_remove(&reference, &Query::parse(query.as_deref()))?;
    let done = desk.link.remove(order).await;
    done.map_err(|error| failed(&error, Act::Remove))?;
    no_content()
}

/// Removes, one by one, what the filters choose of the containers that do not run. One that
/// somebody else removed or started meanwhile is passed over, and so is one whose runtime removes none.
pub(super) async fn prune(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::parse(query.as_deref());
    let asked = tokio::try_join!(desk.containers_for(&caller), desk.link.disk_usage());
    let (held, usage) = asked.map_err(|error| failed(&error, Act::Remove))?;
    let chosen = select_prunable(&held.prepared, query.text("filters"), now())?;
    let sizes: HashMap<_, _> = usage
        .containers
        .iter()
        .map(|entry| (entry.id, entry.upper_bytes))
        .collect();
    let mut pruned = Pruned::default();
    for summary in chosen.into_iter().map(Prepared::summary) {
        let id = summary.id.to_string();
        let order = wire::request::Remove {
            reference: id.clone(),
            force: false,
        };
        match desk.link.remove(order).await {
            Ok(()) => {
                pruned.containers_deleted.get_or_insert_default().push(id);
                pruned.space_reclaimed += sizes.get(&summary.id).copied().unwrap_or_default();
            }
            Err(LinkError::Refused(refusal)) if is_passed_over(refusal.code) => {}
            Err(error) => return Err(failed(&error, Act::Remove)),
        }
    }
    json(StatusCode::OK, &pruned)
}

fn is_passed_over(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::NoSuchContainer
            | RefusalCode::ContainerRunning
            | RefusalCode::Busy
            | RefusalCode::Unsupported
    )
}
