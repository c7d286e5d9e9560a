//! Where a request goes: the node that it is for, and the container of its path.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::Desk;
use super::answer::ApiError;
use super::principal::Principal;
use super::query::{self, Query};

/// The node that a request is for, and what its query says besides.
#[derive(Debug)]
pub(super) struct Place {
    /// One that is there, and that whoever asks may see.
    pub(super) node_id: String,
    /// The rest.
    pub(super) query: Query,
}

impl Place {
    /// What a query and whoever asks say of it.
    ///
    /// # Errors
    /// 400 where no node is named, 404 where there is none such.
    pub(super) fn of(desk: &Desk, principal: &Principal, mut query: Query) -> Result<Self, ApiError> {
        let named = query.text("node_id")?;
        let node_id = principal.node(named.as_deref())?;
        desk.node(node_id)?;
        Ok(Self {
            node_id: node_id.to_owned(),
            query,
        })
    }
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
            Err(ApiError::none("there is no such container"))
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
