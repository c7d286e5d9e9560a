//! What users see: REST, WebSockets, Docker endpoints. One file a resource; `describe` has the words of the document that
//! tells of them, which is made from the routes themselves.
//!
//! It asks [`state`](super::state) for what is known, and a node's Docker, by a stream of bytes, for all else. It knows
//! nothing of gRPC.

mod admin;
mod answer;
mod body;
mod containers;
mod describe;
mod endpoint;
mod entrance;
mod events;
mod exec;
mod leave;
mod list;
mod logs;
mod metrics;
mod nodes;
mod observe;
mod opening;
mod output;
mod place;
mod ports;
mod principal;
mod query;
pub mod reach;
mod serve;
mod shapes;
mod since;
mod stats;
mod terminal;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use axum::routing::any;
use axum::{Json, Router, middleware};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use answer::ApiError;
pub use entrance::{Way, digest};
pub use principal::Principal;
pub(crate) use query::encoded;
pub use serve::{serve_admin, serve_net};

use super::metrics::Metrics;
use super::ports::Ports;
use super::state::{NodeView, State};
use super::store::{EventLog, Registry};
use super::tunnels::TunnelError;
use crate::front::failures::Failures;
use crate::limits::SOCKETS_MAX;
use crate::uuid;
use leave::Leaves;
use query::Query;
use reach::{Far, Reach};

/// How users are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Whether `node_id` and `password` may stand in a query, where logs have them too.
    pub takes_query_credentials: bool,
}

/// What the API is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What is known.
    pub state: Arc<State>,
    /// Who may come in.
    pub registry: Arc<dyn Registry>,
    /// What happened.
    pub log: Arc<dyn EventLog>,
    /// What streams to nodes come from: the lines, mostly.
    pub reach: Arc<dyn Reach>,
    /// The ports that are nodes' Docker sockets.
    pub ports: Arc<Ports>,
    /// What Prometheus reads.
    pub metrics: Arc<Metrics>,
    /// How users are served.
    pub settings: Settings,
}

/// What every route can reach.
#[derive(Debug)]
pub(crate) struct Desk {
    state: Arc<State>,
    registry: Arc<dyn Registry>,
    log: Arc<dyn EventLog>,
    reach: Arc<dyn Reach>,
    ports: Arc<Ports>,
    metrics: Arc<Metrics>,
    settings: Settings,
    failures: Failures,
    leaves: Leaves,
    /// A permit for each WebSocket.
    sockets: Arc<Semaphore>,
}

impl Desk {
    /// A node that is there.
    fn node(&self, node_id: &str) -> Result<Arc<NodeView>, ApiError> {
        self.state.node(node_id).ok_or_else(ApiError::no_node)
    }

    /// One that whoever asks may see.
    fn seen(&self, principal: &Principal, node_id: &str) -> Result<Arc<NodeView>, ApiError> {
        principal.node(Some(node_id))?;
        self.node(node_id)
    }

    /// The one that a query names, or the only one that whoever asks may see; none where it is for all.
    fn scope(&self, principal: &Principal, query: &mut Query) -> Result<Option<Arc<NodeView>>, ApiError> {
        let named = query.text("node_id")?;
        let node_id = principal.node(named.as_deref())?;
        node_id.map(|node_id| self.node(node_id)).transpose()
    }

    /// One that is connected.
    fn connected(&self, node_id: &str) -> Result<Arc<NodeView>, ApiError> {
        let node = self.node(node_id)?;
        if node.is_connected {
            Ok(node)
        } else {
            Err(TunnelError::NotConnected.into())
        }
    }

    /// The Docker of a node.
    fn far<'a>(&'a self, node_id: &'a str) -> Far<'a> {
        Far::new(&*self.reach, node_id)
    }

    /// Room for one more WebSocket.
    fn socket_place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.sockets)
            .try_acquire_owned()
            .map_err(|_| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "there are too many WebSockets"))
    }
}

/// Everything that users can ask. Requests must come with a [`Way`] in their extensions.
pub fn router(parts: Parts) -> Router {
    let desk = Arc::new(Desk {
        state: parts.state,
        registry: parts.registry,
        log: parts.log,
        reach: parts.reach,
        ports: parts.ports,
        metrics: parts.metrics,
        settings: parts.settings,
        failures: Failures::default(),
        leaves: Leaves::default(),
        sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
    });
    let (router, document) = described().split_for_parts();
    // It does not change: so it is written once.
    let document: Arc<str> = document.to_json().unwrap_or_default().into();
    let document = async move || {
        (
            [("content-type", "application/json")],
            document.as_ref().to_owned(),
        )
    };
    router
        .route("/api/openapi.json", axum::routing::get(document))
        .route("/nodes/{node_id}/docker", any(endpoint::answer))
        .route("/nodes/{node_id}/docker/", any(endpoint::answer))
        .route("/nodes/{node_id}/docker/{*path}", any(endpoint::answer))
        .fallback(async |uri: Uri| {
            let path: String = uri.path().chars().take(80).collect();
            ApiError::none(format!("there is no {}", path.escape_debug()))
        })
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this is not asked with that method",
            )
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), entrance::enter))
        .with_state(desk)
}

/// The routes that the document has.
fn described() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::with_openapi(describe::Described::openapi())
        .routes(routes!(health))
        .routes(routes!(containers::list))
        .routes(routes!(containers::status))
        .routes(routes!(containers::start))
        .routes(routes!(containers::stop))
        .routes(routes!(containers::restart))
        .routes(routes!(containers::delete))
        .routes(routes!(logs::logs))
        .routes(routes!(exec::exec))
        .routes(routes!(stats::stats))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::one, nodes::revoke))
        .routes(routes!(terminal::terminal))
        .routes(routes!(events::events))
        .routes(routes!(observe::observe))
        .routes(routes!(admin::enrol, admin::enrolments))
        .routes(routes!(admin::add_key, admin::keys))
        .routes(routes!(admin::remove_key))
        .routes(routes!(ports::list, ports::open))
        .routes(routes!(ports::close))
        .routes(routes!(metrics::all))
        .routes(routes!(metrics::one))
        .routes(routes!(metrics::targets))
}

/// That the coordinator lives.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// Whether the coordinator answers; anybody may ask.
#[utoipa::path(get, path = "/healthz", tag = "self", security(()), responses((status = 200, body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// A name for one request. Where nothing comes by chance it has none: nothing hangs on it.
fn request_id() -> String {
    uuid::random().unwrap_or_default()
}
