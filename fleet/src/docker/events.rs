//! Following what an engine tells: the request for it, and its lines.

use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{Docker, DockerError, Version, empty};
use crate::limits;

/// Asks for events that happened at `since`, in nanoseconds since 1970 by the engine's clock, or later, and for all
/// that will; `filters` are as a query has them. It is asked in the version of the API that the engine has itself:
/// engines refuse those that are too old for them.
///
/// # Errors
/// As [`Docker::ask`] and [`Docker::stream`]; [`DockerError::Late`] where it does not say its version in time.
pub async fn follow(docker: &Docker, since: i64, filters: Option<&str>) -> Result<Lines, DockerError> {
    let bound = limits::DOCKER_VERSION;
    let version = timeout(bound, docker.version())
        .await
        .map_err(|_| DockerError::Late(bound))??;
    let (seconds, nanoseconds) = (since.div_euclid(1_000_000_000), since.rem_euclid(1_000_000_000));
    let mut path = format!("{}/events?since={seconds}.{nanoseconds:09}", prefix(&version));
    if let Some(filters) = filters {
        path.push_str("&filters=");
        path.push_str(filters);
    }
    let mut request = Request::new(empty());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let body = docker.stream(request).await?;
    Ok(Lines {
        body,
        waiting: Vec::new(),
        is_skipping: false,
    })
}

/// What stands before a path so that it means that version of the API; nothing where the engine does not say it.
pub fn prefix(version: &Version) -> String {
    let is_version = |text: &str| !text.is_empty() && text.chars().all(|l| l.is_ascii_digit() || l == '.');
    if is_version(&version.api) {
        format!("/v{}", version.api)
    } else {
        String::new()
    }
}

/// Lines of a body.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    waiting: Vec<u8>,
    /// In a line that is too long.
    is_skipping: bool,
}

impl Lines {
    /// The next; one of more than [`limits::EVENT_LINE_MAX`] bytes is left out. What is begun is kept when this is
    /// dropped.
    ///
    /// # Errors
    /// [`DockerError::Broken`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, DockerError> {
        loop {
            while let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line = self.waiting.drain(..=end).collect();
                if !std::mem::take(&mut self.is_skipping) {
                    return Ok(Some(line));
                }
            }
            if self.waiting.len() > limits::EVENT_LINE_MAX {
                self.waiting.clear();
                self.is_skipping = true;
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.waiting.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}
