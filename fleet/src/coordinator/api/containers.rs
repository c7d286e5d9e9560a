//! Docklord's routes: containers, and what is done with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::ApiError;
use super::list::written;
use super::place::{Id, Place};
use super::principal::Principal;
use super::query::Query;
use super::reach::{self, plain};
use super::{Desk, describe};
use crate::access::{Role, audit};
use crate::coordinator::state::Container;
use crate::limits::SECONDS_MAX;

/// The containers of a node, or of all.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "it is written piece by piece, and never whole")]
pub(super) struct ContainerList<'a> {
    /// Of this request.
    id: String,
    /// Each of them.
    containers: Vec<ContainerLine<'a>>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContainerLine<'a> {
    /// Its name.
    container_id: &'a str,
    /// Its id: 64 hexadecimal digits.
    full_id: &'a str,
    /// Whose it is.
    node_id: &'a str,
    #[serde(flatten)]
    status: Status,
}

impl<'a> ContainerLine<'a> {
    fn of(node_id: &'a str, container: &'a Container) -> Self {
        Self {
            container_id: container.name(),
            full_id: &container.id,
            node_id,
            status: Status::of(container),
        }
    }
}

/// How a container is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// created, running, paused, restarting, removing, exited, dead.
    status: String,
    /// In seconds since 1970.
    created: i64,
    /// In seconds since 1970; 0 if never.
    started_at: i64,
    /// In seconds since 1970; 0 if never.
    finished_at: i64,
    /// Of the last run; 0 where there was none.
    exit_code: i32,
}

impl Status {
    fn of(container: &Container) -> Self {
        let seconds = |nanoseconds: Option<i64>| nanoseconds.unwrap_or(0).div_euclid(1_000_000_000);
        Self {
            status: container.state.as_ref().to_owned(),
            created: container.created,
            started_at: seconds(container.started_at_nano),
            finished_at: seconds(container.finished_at_nano),
            exit_code: container.exit_code,
        }
    }
}

/// How one container is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContainerStatus {
    /// Of this request.
    req_id: String,
    /// As it was asked for.
    container_id: String,
    /// How it is.
    status: Status,
}

/// What was done with a container.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// Of this request.
    id: String,
    /// As it was asked for.
    container_id: String,
    /// start, stop, restart, delete.
    action: String,
    /// What came of it.
    result: DoneResult,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoneResult {
    /// As it was asked for.
    container_id: String,
    /// start, stop, restart, delete.
    action: String,
    /// In words.
    message: String,
}

/// Containers of a node, as the coordinator knows them; for who may ask every node and names none, those of all that are
/// connected.
#[utoipa::path(
    get, path = "/api/containers", tag = "containers",
    params(describe::NodeId),
    responses((status = 200, body = ContainerList), describe::OfNode),
)]
pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    let only = desk.scope(&principal, &mut query)?;
    query.finish()?;
    let nodes = match only {
        Some(node) => vec![desk.connected(&node.node_id)?],
        None => desk.state.nodes(),
    };
    let nodes = nodes.into_iter().filter(|node| node.is_connected);
    let containers = nodes.flat_map(|node| {
        let containers: Vec<_> = node.containers.iter().map(Arc::clone).collect();
        containers
            .into_iter()
            .map(move |container| (Arc::clone(&node.node_id), container))
    });
    let head = format!("{{\"id\":\"{}\",\"containers\":[", super::request_id());
    Ok(written(head, containers, |piece, (node_id, container)| {
        let line = ContainerLine::of(node_id, container);
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(piece, &line);
    }))
}

/// How one container is, as the coordinator knows it.
#[utoipa::path(
    get, path = "/api/containers/{id}/status", tag = "containers",
    params(describe::ContainerId, describe::NodeId),
    responses(
        (status = 200, body = ContainerStatus),
        (status = 409, body = super::answer::ErrorBody, description = "Several nodes have one such."),
        describe::OfNode,
    ),
)]
pub(super) async fn status(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<ContainerStatus>, ApiError> {
    let place = Place::of(&desk, &principal, &uri, &id)?;
    place.query.finish()?;
    let node = desk.connected(&place.node_id)?;
    let found = node.containers.find(&place.container);
    let found = found.ok_or_else(ApiError::no_container)?;
    Ok(Json(ContainerStatus {
        req_id: super::request_id(),
        status: Status::of(found),
        container_id: id,
    }))
}

/// Starts a container; one that runs already is no error.
#[utoipa::path(
    post, path = "/api/containers/{id}/start", tag = "containers",
    params(describe::ContainerId, describe::NodeId),
    responses((status = 200, body = Done), describe::OfContainer),
)]
pub(super) async fn start(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<Done>, ApiError> {
    act(&desk, &principal, id, &uri, &START).await
}

/// Stops a container; one that does not run is no error.
#[utoipa::path(
    post, path = "/api/containers/{id}/stop", tag = "containers",
    params(describe::ContainerId, describe::NodeId, describe::Patience),
    responses((status = 200, body = Done), describe::OfContainer),
)]
pub(super) async fn stop(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<Done>, ApiError> {
    act(&desk, &principal, id, &uri, &STOP).await
}

/// Stops a container and starts it.
#[utoipa::path(
    post, path = "/api/containers/{id}/restart", tag = "containers",
    params(describe::ContainerId, describe::NodeId, describe::Patience),
    responses((status = 200, body = Done), describe::OfContainer),
)]
pub(super) async fn restart(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<Done>, ApiError> {
    act(&desk, &principal, id, &uri, &RESTART).await
}

/// Removes a container. One that runs is not removed without `force`.
#[utoipa::path(
    delete, path = "/api/containers/{id}", tag = "containers",
    params(describe::ContainerId, describe::NodeId, describe::Force),
    responses((status = 200, body = Done), describe::OfContainer),
)]
pub(super) async fn delete(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<Done>, ApiError> {
    act(&desk, &principal, id, &uri, &DELETE).await
}

/// What can be done.
struct Act {
    action: &'static str,
    done: &'static str,
    method: Method,
    role: Role,
    /// What may be said of how.
    parameter: Option<&'static str>,
}

const START: Act = Act {
    action: "start",
    done: "Container started successfully",
    method: Method::POST,
    role: Role::Operate,
    parameter: None,
};

const STOP: Act = Act {
    action: "stop",
    done: "Container stopped successfully",
    method: Method::POST,
    role: Role::Operate,
    parameter: Some("t"),
};

const RESTART: Act = Act {
    action: "restart",
    done: "Container restarted successfully",
    method: Method::POST,
    role: Role::Operate,
    parameter: Some("t"),
};

const DELETE: Act = Act {
    action: "delete",
    done: "Container deleted successfully",
    method: Method::DELETE,
    role: Role::Full,
    parameter: Some("force"),
};

impl Act {
    /// What Docker is asked for, taking what is said of how out of the query.
    fn target(&self, id: &str, query: &mut Query) -> Result<String, ApiError> {
        let path = match self.action {
            "delete" => format!("/containers/{id}"),
            action => format!("/containers/{id}/{action}"),
        };
        let said = match self.parameter {
            Some("t") => query
                .number("t", 0, u64::from(SECONDS_MAX))?
                .map(|seconds| format!("t={seconds}")),
            Some(name) => query.flag(name)?.then(|| format!("{name}=true")),
            None => None,
        };
        Ok(said.map_or(path.clone(), |said| format!("{path}?{said}")))
    }
}

async fn act(
    desk: &Desk,
    principal: &Principal,
    id: String,
    uri: &Uri,
    act: &Act,
) -> Result<Json<Done>, ApiError> {
    let mut place = Place::of(desk, principal, uri, &id)?;
    principal.need(act.role)?;
    let target = act.target(&place.container, &mut place.query)?;
    place.query.finish()?;
    desk.connected(&place.node_id)?;
    let bound = crate::docker::waiting::bound(&act.method, &target, reach::USUAL);
    let ordered = desk
        .far(&place.node_id)
        .order(plain(act.method.clone(), &target), bound)
        .await
        .map_err(ApiError::from);
    let status = ordered
        .as_ref()
        .map_or_else(ApiError::status, |answer| answer.status());
    audit::by(
        &principal.name(),
        &place.node_id,
        (&act.method, &target),
        status.as_u16(),
    );
    ordered?;
    Ok(Json(Done {
        id: super::request_id(),
        container_id: id.clone(),
        action: act.action.to_owned(),
        result: DoneResult {
            container_id: id,
            action: act.action.to_owned(),
            message: act.done.to_owned(),
        },
    }))
}
