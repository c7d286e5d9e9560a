//! The configuration in the body of `POST /commit`, which is that of a create.

use wire::ImageConfig;
use wire::spec::Pair;

use super::body::{Body, Words};
use super::{network, read_json};
use crate::docker::containers::health::parse_check;
use crate::docker::containers::signal::parse_signal;
use crate::docker::error::ApiError;

/// The configuration in the body of a commit; none where nothing is said.
///
/// # Errors
/// 400 with Docker's sentence for a body that cannot be one.
pub(in crate::docker) fn parse_config(
    body: &[u8],
    content_type: Option<&str>,
) -> Result<Option<ImageConfig>, ApiError> {
    if body.is_empty() {
        return Ok(None);
    }
    let Some(body): Option<Body> = read_json(body, content_type)? else {
        return Ok(None);
    };
    let list = |words: &Option<Words>| words.as_ref().map(|words| words.list().to_vec());
    if !body.stop_signal.is_empty() {
        parse_signal(&body.stop_signal)?;
    }
    Ok(Some(ImageConfig {
        entrypoint: list(&body.entrypoint).unwrap_or_default(),
        command: list(&body.cmd).unwrap_or_default(),
        env: body.env.clone(),
        working_dir: body.working_dir.clone(),
        user: body.user.clone(),
        labels: body
            .labels
            .iter()
            .map(|(key, value)| Pair::new(key, value))
            .collect(),
        exposed: network::exposed(&body, &ImageConfig::default())?,
        volumes: body.volumes.keys().cloned().collect(),
        stop_signal: body.stop_signal.clone(),
        health_check: parse_check(body.healthcheck.as_ref(), None)?,
    }))
}
