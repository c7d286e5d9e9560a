//! What an agent tells over HTTP of itself and of its Docker, in both modes.

use hyper::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::identity::Identity;
use crate::docker::Docker;
use crate::limits;

/// Whether Docker answers, and why not where it does not.
pub(super) async fn health(docker: &Docker) -> Result<(), String> {
    let ping = docker.order(Method::GET, "/_ping");
    match timeout(limits::DOCKER_VERSION, ping).await {
        Ok(answered) => answered.map_err(|error| error.to_string()),
        Err(_late) => Err("it does not answer".to_owned()),
    }
}

/// What Docker calls its version, or `unknown`; with it why that is so.
pub(super) async fn engine(docker: &Docker) -> (String, Option<String>) {
    let (engine, why) = match timeout(limits::DOCKER_VERSION, docker.version()).await {
        Ok(Ok(version)) => (version.engine, None),
        Ok(Err(error)) => (String::new(), Some(error.to_string())),
        Err(_late) => (String::new(), Some("it does not answer".to_owned())),
    };
    let known = Some(engine).filter(|engine| !engine.is_empty());
    (known.unwrap_or_else(|| "unknown".to_owned()), why)
}

/// Who this is, in this mode; each mode adds its own.
pub(super) async fn info(docker: &Docker, identity: &Identity, mode: &str) -> Value {
    json!({
        "agentId": identity.id,
        "agentName": identity.name,
        "dockerVersion": engine(docker).await.0,
        "hawserVersion": env!("CARGO_PKG_VERSION"),
        "mode": mode,
    })
}
