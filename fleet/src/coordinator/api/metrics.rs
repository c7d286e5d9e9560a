//! What Prometheus reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::ApiError;
use super::place::Segment;
use super::principal::Principal;
use super::query::Query;
use super::{Desk, describe};

/// What Prometheus is to read, as its discovery by HTTP has it.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "it is described here, and written where it is made")]
pub(super) struct TargetShape {
    /// One host with its port.
    targets: Vec<String>,
    /// What is known of it.
    labels: BTreeMap<String, String>,
}

/// Nodes and containers in numbers, in the OpenMetrics format: those that whoever asks may see. What containers use is
/// asked of their nodes at once; who is late is there the next time.
#[utoipa::path(
    get, path = "/metrics", tag = "self",
    responses((status = 200, content_type = "application/openmetrics-text", body = String), describe::Asked),
)]
pub(super) async fn all(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
) -> Result<Response, ApiError> {
    Query::of(&uri)?.finish()?;
    Ok(text(desk.metrics.render(principal.own_node()).await))
}

/// The same, of one node.
#[utoipa::path(
    get, path = "/metrics/nodes/{node_id}", tag = "self", params(describe::NodePath),
    responses((status = 200, content_type = "application/openmetrics-text", body = String), describe::OfPath),
)]
pub(super) async fn one(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Segment(node_id): Segment,
    uri: Uri,
) -> Result<Response, ApiError> {
    Query::of(&uri)?.finish()?;
    let node = desk.seen(&principal, &node_id)?;
    Ok(text(desk.metrics.render(Some(&node.node_id)).await))
}

/// Where Prometheus finds each node's part, for its discovery by HTTP (`http_sd_configs`).
#[utoipa::path(
    get, path = "/api/prometheus/targets", tag = "self",
    responses((status = 200, body = Vec<TargetShape>), describe::Asked),
)]
pub(super) async fn targets(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    Query::of(&uri)?.finish()?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let mut targets = desk.metrics.targets(host.unwrap_or("localhost"));
    targets.retain(|target| target.labels.get("node").is_some_and(|node| principal.sees(node)));
    Ok(Json(targets).into_response())
}

fn text(text: String) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(CONTENT_TYPE, kind)], text).into_response()
}
