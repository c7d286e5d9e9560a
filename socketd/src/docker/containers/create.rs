//! `POST /containers/create`.

mod body;
mod config;
mod limits;
mod logs;
mod network;
mod unserved;
pub mod update;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::request::Create;
use wire::spec::{Pair, Process};
use wire::{Image, ImageConfig, Info, Spec};

use self::body::{Body, Words};
pub(in crate::docker) use self::config::parse_config;
use super::health::parse_check;
use super::mounts::parse_mounts;
use super::operate::parse_name;
use super::signal::parse_signal;
use crate::docker::error::ApiError;
use crate::docker::images::ImageIndex;
use crate::docker::networks::Networks;
use crate::docker::query::Query;

/// The answer to a create: 201.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    /// The new container's id.
    pub id: String,
    /// Always an array.
    pub warnings: Vec<String>,
}

/// Reads `name`, `platform` and the body, merges the image's configuration as Docker does, and answers
/// the order for the bridge with warnings to go before the bridge's own. `info` tells of the
/// runtimes and networks there are.
///
/// # Errors
/// 400, 404 or 501 with Docker's sentence.
pub fn parse_create(
    query: &Query,
    body: &[u8],
    content_type: Option<&str>,
    images: &ImageIndex,
    info: &Info,
) -> Result<(Create, Vec<String>), ApiError> {
    let body = read(body, content_type)?;
    unserved::refuse(&body)?;
    check_runtime(&body.host_config.runtime, &info.runtimes)?;
    let image = images.resolve(&body.image)?;
    check_platform(query.text("platform").unwrap_or_default(), image, &body.image)?;
    let name = match query.text("name") {
        None | Some("") => String::new(),
        Some(name) => parse_name(name)?,
    };
    let mut warnings = unserved::warnings(&body.host_config);
    warnings.extend(logs::check(&body.host_config.log_config.config)?);
    let networks = Networks::new(info);
    let spec = spec(&body, &image.config, &networks, &mut warnings)?;
    let order = Create {
        name,
        image_id: image.id,
        spec,
    };
    Ok((order, warnings))
}

fn read(body: &[u8], content_type: Option<&str>) -> Result<Body, ApiError> {
    let body: Option<Body> = read_json(body, content_type)?;
    body.filter(|body| !body.image.is_empty())
        .ok_or_else(|| ApiError::bad_request("Config cannot be empty in order to create a container"))
}

/// A body of JSON; none for `null`.
fn read_json<T: DeserializeOwned>(body: &[u8], content_type: Option<&str>) -> Result<Option<T>, ApiError> {
    let given = content_type.unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if body.is_empty() {
        return Err(ApiError::bad_request(
            "invalid JSON: got EOF while reading request body",
        ));
    }
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::bad_request(format!(
            "Content-Type specified ({given}) must be 'application/json'"
        )));
    }
    if holds_nul(body) {
        return Err(ApiError::bad_request(
            "invalid JSON: a text holds a NUL character",
        ));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("invalid JSON: {error}")))
}

/// Whether a JSON text has the escape `\u0000`; no path, name or argument of Linux can hold what it means.
fn holds_nul(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = rest.get(at + 1..).unwrap_or_default();
        if escape.starts_with(b"u0000") {
            return true;
        }
        // The escaped character itself may be a backslash.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

fn check_runtime(asked: &str, runtimes: &[String]) -> Result<(), ApiError> {
    if asked.is_empty() || runtimes.first().is_some_and(|default| default == asked) {
        Ok(())
    } else if runtimes.iter().any(|runtime| runtime == asked) {
        Err(ApiError::not_implemented(format!(
            "choosing a runtime other than the default ({asked}) is not served"
        )))
    } else {
        Err(ApiError::bad_request(format!(
            "unknown or invalid runtime name: {asked}"
        )))
    }
}

/// `linux`, `linux/amd64`, `amd64`, `linux/arm64/v8`.
fn check_platform(platform: &str, image: &Image, reference: &str) -> Result<(), ApiError> {
    let fits = |part: &str| part == "linux" || part == image.architecture || image.architecture.is_empty();
    if platform
        .split('/')
        .take(2)
        .all(|part| part.is_empty() || fits(part))
    {
        return Ok(());
    }
    Err(ApiError::not_found(format!(
        "image with reference {reference} was found but does not match the specified platform: wanted {platform}, actual: linux/{}",
        image.architecture
    )))
}

fn spec(
    body: &Body,
    image: &ImageConfig,
    networks: &Networks,
    warnings: &mut Vec<String>,
) -> Result<Spec, ApiError> {
    let host = &*body.host_config;
    let process = process(body, image)?;
    let (network, network_warnings) = network::network(body, image, networks)?;
    warnings.extend(network_warnings);
    if !image.volumes.is_empty() {
        warnings.push(format!(
            "Volumes are not served yet: what is written to {} stays in the container's own layer.",
            image.volumes.join(", ")
        ));
    }
    let mut labels: BTreeMap<&str, &str> = image
        .labels
        .iter()
        .map(|label| (label.key.as_str(), label.value.as_str()))
        .collect();
    labels.extend(
        body.labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    let shm_bytes = u64::try_from(*host.shm_size)
        .map_err(|_| ApiError::bad_request("SHM size can not be less than 0"))?;
    let pairs =
        |map: &BTreeMap<String, String>| map.iter().map(|(key, value)| Pair::new(key, value)).collect();
    Ok(Spec {
        image: body.image.clone(),
        process,
        hostname: body.hostname.clone(),
        domainname: body.domainname.clone(),
        labels: labels
            .into_iter()
            .map(|(key, value)| Pair::new(key, value))
            .collect(),
        mounts: parse_mounts(&host.binds, &host.mounts, &host.tmpfs)?,
        network,
        resources: limits::resources(host)?,
        security: limits::security(host)?,
        restart: limits::restart(host)?,
        auto_remove: *host.auto_remove,
        shm_bytes,
        log_options: pairs(&host.log_config.config),
        annotations: pairs(&host.annotations),
        health_check: parse_check(body.healthcheck.as_ref(), image.health_check.as_ref())?,
    })
}

fn process(body: &Body, image: &ImageConfig) -> Result<Process, ApiError> {
    let (entrypoint, command) = argument_vector(body, image)?;
    let working_dir = or_image(&body.working_dir, &image.working_dir);
    if !working_dir.is_empty() && !working_dir.starts_with('/') {
        return Err(ApiError::bad_request(format!(
            "the working directory '{working_dir}' is invalid, it needs to be an absolute path"
        )));
    }
    let stop_signal = or_image(&body.stop_signal, &image.stop_signal);
    if !stop_signal.is_empty() {
        parse_signal(&stop_signal)?;
    }
    let stop_timeout_s = match body.stop_timeout {
        None => None,
        Some(seconds) => Some(stop_timeout(seconds)?),
    };
    Ok(Process {
        entrypoint,
        command,
        env: environment(&body.env, &image.env)?,
        working_dir,
        user: or_image(&body.user, &image.user),
        tty: *body.tty,
        open_stdin: *body.open_stdin,
        stdin_once: *body.stdin_once,
        attach_stdout: *body.attach_stdout,
        attach_stderr: *body.attach_stderr,
        attach_stdin: *body.attach_stdin,
        stop_signal,
        stop_timeout_s,
        init: *body.host_config.init,
        rows: body.host_config.console_size.0,
        columns: body.host_config.console_size.1,
    })
}

fn or_image(own: &str, image: &str) -> String {
    if own.is_empty() { image } else { own }.to_owned()
}

fn stop_timeout(seconds: i64) -> Result<u32, ApiError> {
    let longest = wire::limits::STOP_TIMEOUT_S_MAX;
    match u32::try_from(seconds) {
        Ok(seconds) => Ok(seconds.min(longest)),
        Err(_) if seconds < 0 => Err(ApiError::not_implemented(
            "a negative StopTimeout (waiting for ever) is not served",
        )),
        Err(_) => Ok(longest),
    }
}

/// Docker's rule: an entrypoint of one's own, even an empty one, leaves the image's command aside only
/// where it holds something; `[""]` takes the image's entrypoint away.
fn argument_vector(body: &Body, image: &ImageConfig) -> Result<(Vec<String>, Vec<String>), ApiError> {
    let list = |words: &Option<Words>| words.as_ref().map(|words| words.list().to_vec());
    let own_entrypoint = list(&body.entrypoint);
    let mut command = list(&body.cmd).unwrap_or_default();
    if command.is_empty() && own_entrypoint.as_ref().is_none_or(Vec::is_empty) {
        command.clone_from(&image.command);
    }
    let mut entrypoint = own_entrypoint.unwrap_or_else(|| image.entrypoint.clone());
    if entrypoint == [""] {
        entrypoint.clear();
    }
    if entrypoint.is_empty() && command.is_empty() {
        return Err(ApiError::bad_request("no command specified"));
    }
    Ok((entrypoint, command))
}

/// The body's variables, then those of the image that it does not name. A name without `=` takes one away.
fn environment(own: &[String], image: &[String]) -> Result<Vec<String>, ApiError> {
    fn name(entry: &str) -> &str {
        entry.split('=').next().unwrap_or_default()
    }
    if let Some(bad) = own.iter().find(|entry| name(entry).is_empty()) {
        return Err(ApiError::bad_request(format!(
            "invalid environment variable: {bad}"
        )));
    }
    let inherited = image
        .iter()
        .filter(|entry| own.iter().all(|mine| name(mine) != name(entry)));
    let set = own.iter().filter(|entry| entry.contains('='));
    Ok(set.chain(inherited).cloned().collect())
}

#[cfg(test)]
mod tests;
