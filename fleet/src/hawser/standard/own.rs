//! What is the agent's own: its health, who it is, and compose.

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use super::{Agent, Body, closing, json, message, plain, with_type};
use crate::hawser::compose::Reply;
use crate::hawser::{about, compose, host};
use crate::limits;

/// Answers what is asked of `/_hawser/NAME`.
pub(super) async fn answer(agent: &Agent, name: &str, request: Request<Incoming>) -> Response<Body> {
    let is_asked = matches!(*request.method(), Method::GET | Method::HEAD);
    match name {
        "health" if is_asked => health(agent).await,
        "info" if is_asked => info(agent).await,
        "compose" if *request.method() == Method::POST => compose(agent, request).await,
        "compose" => {
            let reply = Reply::failed("compose is asked with POST");
            with_type(
                StatusCode::METHOD_NOT_ALLOWED,
                "application/json",
                reply.to_json(),
            )
        }
        _ => closing(message(StatusCode::NOT_FOUND, "this agent has no such page")),
    }
}

/// Whoever looks after this machine asks, without a token: so nothing is told but whether Docker answers.
async fn health(agent: &Agent) -> Response<Body> {
    match about::health(&agent.docker).await {
        Ok(()) => json(StatusCode::OK, &json!({ "status": "healthy" })),
        Err(_) => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "Docker unhealthy: it does not answer",
        ),
    }
}

async fn info(agent: &Agent) -> Response<Body> {
    let mut capabilities = vec!["exec", "events"];
    if agent.runner.is_there().await {
        capabilities.extend(compose::CAPABILITIES);
    }
    let mut info = about::info(&agent.docker, &agent.identity, "standard").await;
    info["uptime"] = host::uptime().into();
    info["capabilities"] = capabilities.into();
    json(StatusCode::OK, &info)
}

async fn compose(agent: &Agent, request: Request<Incoming>) -> Response<Body> {
    let read = Limited::new(request.into_body(), limits::COMPOSE_REQUEST_MAX).collect();
    let body = match timeout(agent.request_timeout, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let text = format!(
                "a request for compose has at most {} bytes",
                limits::COMPOSE_REQUEST_MAX
            );
            let reply = Reply::failed(&text).to_json();
            return closing(with_type(
                StatusCode::PAYLOAD_TOO_LARGE,
                "application/json",
                reply,
            ));
        }
        _ => {
            return closing(message(
                StatusCode::REQUEST_TIMEOUT,
                "the request did not come to its end",
            ));
        }
    };
    let (status, reply) = agent.runner.run(&body, None).await;
    with_type(status, "application/json", reply.to_json())
}
