//! What is there for a caller who sees only some of the containers.
//!
//! Whatever names a container in its path is looked up here, among those that are seen, and goes on by its whole
//! id: no handler meets a name that means something else to the bridge. Handlers of lists ask [`Desk::containers_for`].
//! What is neither is refused: an endpoint that somebody adds shows nothing until it is thought of here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use percent_encoding::percent_decode_str;
use wire::{ContainerId, Refusal, RefusalCode};

use super::Desk;
use super::answer::failed;
use super::held::ContainerList;
use crate::docker::containers::list::position;
use crate::docker::containers::operate::reference;
use crate::docker::endpoints::Endpoint;
use crate::docker::error::{Act, ApiError};
use crate::docker::query::Query;
use crate::link::LinkError;
use crate::policy::caller::Caller;
use crate::policy::scope::Scope;

/// Endpoints whose handlers ask for the containers of their caller, or tell nothing of any container.
const OPEN: &[(&str, &str)] = &[
    ("GET", "/_ping"),
    ("HEAD", "/_ping"),
    ("GET", "/version"),
    ("GET", "/info"),
    ("GET", "/events"),
    ("GET", "/system/df"),
    ("GET", "/containers/json"),
    ("POST", "/containers/create"),
    ("POST", "/containers/prune"),
    ("POST", "/commit"),
    ("GET", "/images/json"),
    ("GET", "/images/{name}/json"),
    ("GET", "/images/{name}/history"),
    ("POST", "/images/{name}/tag"),
    ("POST", "/images/create"),
    ("DELETE", "/images/{name}"),
    ("GET", "/networks"),
    ("GET", "/networks/{id}"),
    ("GET", "/volumes"),
    ("GET", "/volumes/{name}"),
    ("GET", "/plugins"),
    ("GET", "/plugins/{name}/json"),
    ("GET", "/_socketd/health"),
];

/// The request as it goes on.
///
/// # Errors
/// 404 for a container that is not there for this caller; 403 for what tells of all containers.
pub(super) async fn narrow(
    desk: &Desk,
    scope: &Scope,
    endpoint: &Endpoint,
    request: Request<Body>,
) -> Result<Request<Body>, ApiError> {
    if OPEN.contains(&(endpoint.method, endpoint.path)) || endpoint.refusal().is_some() {
        return Ok(request);
    }
    let path = request.uri().path();
    if endpoint.path.starts_with("/exec/{id}/") {
        let id = named(endpoint, path)?;
        desk.exec_is_seen(scope, &id).await?;
        return Ok(request);
    }
    if !endpoint.path.starts_with("/containers/{id}") {
        return Err(ApiError::forbidden(format!(
            "authorization denied: {} {} tells of all containers, and this caller sees some",
            endpoint.method, endpoint.path
        )));
    }
    let id = desk.resolve(scope, &named(endpoint, path)?).await?;
    if endpoint.path.ends_with("/rename") {
        let query = Query::parse(request.uri().query());
        let name = reference(query.text("name").unwrap_or_default());
        desk.may_be_called(scope, id, name).await?;
    }
    at(request, &endpoint.path.replace("{id}", &id.to_string()))
}

/// The name that a path holds, decoded.
fn named(endpoint: &Endpoint, path: &str) -> Result<String, ApiError> {
    decoded(endpoint.named(path).ok_or_else(super::page_not_found)?)
}

fn decoded(text: &str) -> Result<String, ApiError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ApiError::bad_request("the path is not text"))
}

/// The same request with another path.
fn at(mut request: Request<Body>, path: &str) -> Result<Request<Body>, ApiError> {
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let target = PathAndQuery::from_maybe_shared(bytes::Bytes::from(target));
    *request.uri_mut() = Uri::from(target.map_err(|_| super::page_not_found())?);
    Ok(request)
}

impl Desk {
    /// The containers that are there for this caller, as they are now.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub(super) async fn containers_for(&self, caller: &Caller) -> Result<Arc<ContainerList>, LinkError> {
        let held = self.containers.current().await?;
        Ok(match caller.scope() {
            None => held,
            Some(scope) => Arc::new(held.seen_in(scope)),
        })
    }

    /// The container that this caller calls so. Where all are seen the bridge finds out by itself.
    ///
    /// # Errors
    /// 404 where there is none for this caller.
    pub(super) async fn reference_for(&self, caller: &Caller, named: &str) -> Result<String, ApiError> {
        match caller.scope() {
            None => Ok(named.to_owned()),
            Some(scope) => Ok(self.resolve(scope, named).await?.to_string()),
        }
    }

    async fn resolve(&self, scope: &Scope, named: &str) -> Result<ContainerId, ApiError> {
        let held = self.containers.current().await;
        let held = held.map_err(|error| failed(&error, Act::Other))?;
        let seen = held.seen_in(scope).prepared;
        let found = seen.get(position(&seen, named)?);
        found
            .map(|one| one.summary().id)
            .ok_or_else(|| ApiError::not_found(format!("No such container: {named}")))
    }

    async fn exec_is_seen(&self, scope: &Scope, id: &str) -> Result<(), ApiError> {
        let exec = self.link.inspect_exec(id).await;
        let exec = exec.map_err(|error| failed(&error, Act::Other))?;
        let container = exec.container.to_string();
        match self.resolve(scope, &container).await {
            Err(error) if error.status == 404 => {
                Err(ApiError::not_found(format!("No such exec instance: {id}")))
            }
            other => other.map(drop),
        }
    }

    /// A container must not be called so that whoever renames it sees it no more.
    async fn may_be_called(&self, scope: &Scope, id: ContainerId, name: &str) -> Result<(), ApiError> {
        let held = self.containers.current().await;
        let held = held.map_err(|error| failed(&error, Act::Other))?;
        let labels = held
            .summaries()
            .find(|summary| summary.id == id)
            .map(|summary| &summary.labels);
        match labels {
            Some(labels) if name.is_empty() || scope.shows(name, labels) => Ok(()),
            _ => Err(out_of_sight()),
        }
    }
}

/// What is said to somebody who would not see what they make.
pub(super) fn out_of_sight() -> ApiError {
    ApiError::forbidden(
        "authorization denied: this caller would not see such a container; its labels and name must be those that it sees",
    )
}

/// Who has a name that is taken is nobody's business who does not see them.
pub(super) async fn discreet(desk: &Desk, caller: &Caller, error: LinkError) -> LinkError {
    let Some(scope) = caller.scope() else {
        return error;
    };
    match error {
        LinkError::Refused(refusal) if refusal.code == RefusalCode::NameInUse => {
            let seen = desk.resolve(scope, &refusal.holder).await.is_ok();
            let holder = if seen {
                refusal.holder.clone()
            } else {
                String::new()
            };
            LinkError::Refused(Arc::new(Refusal {
                holder,
                ..(*refusal).clone()
            }))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::endpoints;

    #[test]
    fn every_open_endpoint_is_one() {
        for (method, path) in OPEN {
            let found = endpoints::all().any(|one| one.method == *method && one.path == *path);
            assert!(found, "{method} {path}");
        }
    }
}
