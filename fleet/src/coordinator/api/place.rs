//! Where a request goes: the node that it is for, and the container of its path.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};

use super::Desk;
use super::answer::ApiError;
use super::principal::Principal;
use super::query::{self, Query};

/// The container that a request is for, and what its query says besides.
#[derive(Debug)]
pub(super) struct Place {
    /// Whose it is: a node that is there, and that whoever asks may see.
    pub(super) node_id: Arc<str>,
    /// What its node is asked for.
    pub(super) container: Box<str>,
    /// The rest.
    pub(super) query: Query,
}

impl Place {
    /// What the path, a query and whoever asks say of it. Where no node is named, it is the one container of all nodes
    /// that can be meant.
    ///
    /// # Errors
    /// 404 where there is no such node, or no such container on any; 409 where several can be meant.
    pub(super) fn of(desk: &Desk, principal: &Principal, uri: &Uri, id: &str) -> Result<Self, ApiError> {
        let mut query = Query::of(uri)?;
        let (node_id, container) = match desk.scope(principal, &mut query)? {
            // Its Docker knows best.
            Some(node) => (Arc::clone(&node.node_id), id.into()),
            None => sole(desk, id)?,
        };
        Ok(Self {
            node_id,
            container,
            query,
        })
    }
}

/// The node and the whole id of the one container that can be meant.
fn sole(desk: &Desk, id: &str) -> Result<(Arc<str>, Box<str>), ApiError> {
    let mut found: Option<(Arc<str>, Box<str>)> = None;
    for node in desk.state.nodes() {
        for container in node.containers.matching(id) {
            if let Some((other, _)) = &found {
                return Err(ApiError::new(
                    StatusCode::CONFLICT,
                    "several containers can be meant: name a node by `node_id`",
                )
                .with_detail(format!("on {other} and {}", node.node_id)));
            }
            found = Some((Arc::clone(&node.node_id), container.id.clone()));
        }
    }
    found.ok_or_else(ApiError::no_container)
}

/// What the path says in `{id}`: a text that can name a container.
#[derive(Debug)]
pub(super) struct Id(pub(super) String);

impl FromRequestParts<Arc<Desk>> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, ApiError> {
        let Segment(id) = Segment::from_request_parts(parts, desk).await?;
        let name = id.strip_prefix('/').unwrap_or(&id);
        if query::is_container(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(ApiError::no_container())
        }
    }
}

/// What the path says in its one variable, whatever that is.
#[derive(Debug)]
pub(super) struct Segment(pub(super) String);

impl FromRequestParts<Arc<Desk>> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, ApiError> {
        let malformed = || ApiError::bad("the path is not percent-encoded UTF-8");
        let all = RawPathParams::from_request_parts(parts, desk)
            .await
            .map_err(|_| malformed())?;
        let first = all.iter().next().map(|(_, value)| value.to_owned());
        first.map(Self).ok_or_else(malformed)
    }
}
