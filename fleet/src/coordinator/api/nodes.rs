//! Nodes: what is known of them, and shutting one out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::ApiError;
use super::list::written;
use super::place::Segment;
use super::principal::Principal;
use super::query::Query;
use super::shapes::NodeShape;
use super::{Desk, describe};
use crate::access::audit;

/// Nodes, by id.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "it is written piece by piece, and never whole")]
pub(super) struct NodeList<'a> {
    /// Each of them.
    nodes: Vec<NodeShape<'a>>,
}

/// Every node that whoever asks may see.
#[utoipa::path(
    get, path = "/api/nodes", tag = "nodes", params(describe::WithContainers),
    responses((status = 200, body = NodeList), describe::Asked),
)]
pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    let with_containers = query.flag("containers")?;
    query.finish()?;
    let mut nodes = desk.state.nodes();
    nodes.retain(|node| principal.sees(&node.node_id));
    let head = "{\"nodes\":[".to_owned();
    Ok(written(head, nodes.into_iter(), move |piece, node| {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(piece, &NodeShape::of(node, with_containers));
    }))
}

/// One node, with its containers.
#[utoipa::path(
    get, path = "/api/nodes/{node_id}", tag = "nodes", params(describe::NodePath),
    responses((status = 200, body = NodeShape), describe::OfPath),
)]
pub(super) async fn one(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Segment(node_id): Segment,
    uri: Uri,
) -> Result<Response, ApiError> {
    Query::of(&uri)?.finish()?;
    let node = desk.seen(&principal, &node_id)?;
    Ok(Json(NodeShape::of(&node, true)).into_response())
}

/// Shuts a node out for good: its connection ends, and its key opens nothing any more. Its ports are closed for good, and
/// what its owner, or a key for it alone, has open ends.
#[utoipa::path(
    delete, path = "/api/nodes/{node_id}", tag = "nodes", params(describe::NodePath),
    responses((status = 204, description = "It is out."), describe::OfPath),
)]
pub(super) async fn revoke(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Segment(node_id): Segment,
    uri: Uri,
) -> Result<StatusCode, ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    if !desk.state.revoke(&node_id).await? {
        return Err(ApiError::no_node());
    }
    desk.reach.shut_out(&node_id);
    desk.leaves.recall();
    // Another node may have its id one day: that it is an open port is to be said again.
    for port in desk.registry.ports().await? {
        if *port.node_id == *node_id {
            desk.ports.close(&port.address);
            desk.registry.remove_port(&port.address).await?;
        }
    }
    let target = format!("/api/nodes/{node_id}");
    audit::by(&principal.name(), &node_id, (&Method::DELETE, &target), 204);
    Ok(StatusCode::NO_CONTENT)
}
