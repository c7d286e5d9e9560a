//! Every endpoint of Docker's specification, and how it is served.

/// How an endpoint is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Wholly.
    Fully,
    /// In part.
    Partly,
    /// Not yet: 501 with a sentence that names it.
    NotYet,
    /// 503 with Docker's sentence of a node outside a swarm.
    NoSwarm,
}

/// One endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Method, in capitals.
    pub method: &'static str,
    /// Path with its placeholders, without version: `/containers/{id}/json`.
    pub path: &'static str,
    /// How it is served.
    pub served: Served,
}

impl Endpoint {
    /// What is answered where it is not served: 501 or 503; none where it is served.
    #[must_use]
    pub fn refusal(&self) -> Option<super::error::ApiError> {
        None
    }
}

/// The endpoint a request means. `path`: without version prefix, as it came (still percent-encoded).
#[must_use]
pub fn lookup(_method: &str, _path: &str) -> Option<Endpoint> {
    None
}

/// Takes `/v1.N` from the front of a path.
///
/// # Errors
/// 400 with Docker's sentences for a version that is too old or too new. What does not read as a
/// version at all stays in the path, and leads to a 404.
pub fn strip_version(path: &str) -> Result<&str, super::error::ApiError> {
    Ok(path)
}
