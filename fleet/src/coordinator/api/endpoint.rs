//! A node's Docker, as Docker itself would be asked: `docker -H tcp://HOST:PORT/nodes/ID/docker`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::uri::{PathAndQuery, Uri};
use axum::response::Response;

use super::Desk;
use super::answer::ApiError;
use super::entrance::Way;
use super::leave::{Leave, WITHDRAWN};
use super::principal::Principal;
use super::reach;
use crate::access::{audit, is_change, unescaped};
use crate::docker::pass;

/// Whether a path is a node's Docker: what goes wrong there is told as Docker tells it.
pub(super) fn is_docker(path: &str) -> bool {
    split(path).is_some()
}

/// The node of such a path, and what is left for its Docker, both as they stand there.
fn split(path: &str) -> Option<(&str, &str)> {
    let (node_id, rest) = path.strip_prefix("/nodes/")?.split_once('/')?;
    let rest = rest.strip_prefix("docker")?;
    (rest.is_empty() || rest.starts_with('/')).then_some((node_id, rest))
}

/// Asks a node's Docker what is asked here.
pub(super) async fn answer(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    leave: Leave,
    request: Request,
) -> Response {
    let passed = pass_on(&desk, &principal, leave, request).await;
    passed.unwrap_or_else(|error| {
        tracing::debug!(status = %error.status(), error = error.message(), "no answer of a node's Docker");
        error.into_docker()
    })
}

async fn pass_on(
    desk: &Desk,
    principal: &Principal,
    leave: Leave,
    mut request: Request,
) -> Result<Response, ApiError> {
    let (node_id, target) = {
        let (node_id, rest) = split(request.uri().path()).ok_or_else(ApiError::no_node)?;
        let node_id = unescaped(node_id).ok_or_else(ApiError::no_node)?;
        let rest = if rest.is_empty() { "/" } else { rest };
        let target = match own_query(desk, request.uri().query()) {
            None => rest.to_owned(),
            Some(query) => format!("{rest}?{query}"),
        };
        (node_id, target)
    };
    desk.seen(principal, &node_id)?;
    principal.judge(request.method(), &target)?;
    let path: PathAndQuery = target
        .parse()
        .map_err(|_| ApiError::bad("the path is none that Docker could be asked for"))?;
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().remove(AUTHORIZATION);
    let seat = match request.extensions().get() {
        Some(Way::Net(visitor) | Way::Admin(visitor)) => Some(Arc::clone(&visitor.seat)),
        None => None,
    };
    let method = request.method().clone();
    let far = desk.far(&node_id);
    let until = leave.clone().withdrawn();
    let passing = pass::pass(request, reach::USUAL, seat, until, |request| far.send(request));
    let passed = tokio::select! {
        biased;
        passed = passing => passed.map_err(ApiError::from),
        // What is still being sent there, or waited for.
        () = leave.withdrawn() => Err(ApiError::new(StatusCode::UNAUTHORIZED, WITHDRAWN)),
    };
    if is_change(&method, &target) {
        let status = passed
            .as_ref()
            .map_or_else(ApiError::status, |answer| answer.status());
        audit::by(&principal.name(), &node_id, (&method, &target), status.as_u16());
    }
    Ok(passed?.map(Body::new))
}

/// What is Docker's of a query: not who asks, where that may stand there.
fn own_query(desk: &Desk, query: Option<&str>) -> Option<String> {
    let query = query?;
    if !desk.settings.takes_query_credentials {
        return Some(query.to_owned());
    }
    let is_own = |pair: &&str| !matches!(pair.split('=').next(), Some("node_id" | "password"));
    let own: Vec<&str> = query.split('&').filter(is_own).collect();
    (!own.is_empty()).then(|| own.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |path: &str, expected: Option<(&str, &str)>| assert_eq!(split(path), expected, "{path}");
        check("/nodes/a/docker", Some(("a", "")));
        check("/nodes/a/docker/", Some(("a", "/")));
        check(
            "/nodes/a/docker/v1.51/containers/json",
            Some(("a", "/v1.51/containers/json")),
        );
        check(
            "/nodes/a/docker/images/a%2Fb/json",
            Some(("a", "/images/a%2Fb/json")),
        );
        check("/nodes/a/dockerx", None);
        check("/nodes/a", None);
        check("/nodes//docker/x", Some(("", "/x")));
        check("/api/nodes/a/docker/x", None);
    }
}
