//! Every endpoint of Docker's specification, and how it is served.

use super::error::ApiError;
use super::system::{API_VERSION, API_VERSION_MIN};

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
    /// What stands in a path, as it came, for the endpoint's placeholder; none where there is no placeholder.
    #[must_use]
    pub fn named<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (before, rest) = self.path.split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        path.strip_prefix(before)?.strip_suffix(after)
    }

    /// What is answered where it is not served: 501 or 503; none where it is served.
    #[must_use]
    pub fn refusal(&self) -> Option<ApiError> {
        match self.served {
            Served::Fully | Served::Partly => None,
            Served::NotYet => Some(ApiError::not_implemented(format!(
                "{} {} is not served",
                self.method, self.path
            ))),
            Served::NoSwarm => Some(ApiError::unavailable(
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
            )),
        }
    }
}

const fn endpoint(method: &'static str, path: &'static str, served: Served) -> Endpoint {
    Endpoint { method, path, served }
}

/// Every endpoint of the specification, in its order.
pub const ENDPOINTS: &[Endpoint] = &[
    endpoint("GET", "/containers/json", Served::Fully),
    endpoint("POST", "/containers/create", Served::Partly),
    endpoint("GET", "/containers/{id}/json", Served::Fully),
    endpoint("GET", "/containers/{id}/top", Served::Partly),
    endpoint("GET", "/containers/{id}/logs", Served::Fully),
    endpoint("GET", "/containers/{id}/changes", Served::Fully),
    endpoint("GET", "/containers/{id}/export", Served::Fully),
    endpoint("GET", "/containers/{id}/stats", Served::Fully),
    endpoint("POST", "/containers/{id}/resize", Served::Fully),
    endpoint("POST", "/containers/{id}/start", Served::Partly),
    endpoint("POST", "/containers/{id}/stop", Served::Fully),
    endpoint("POST", "/containers/{id}/restart", Served::Fully),
    endpoint("POST", "/containers/{id}/kill", Served::Fully),
    endpoint("POST", "/containers/{id}/update", Served::Partly),
    endpoint("POST", "/containers/{id}/rename", Served::Fully),
    endpoint("POST", "/containers/{id}/pause", Served::Fully),
    endpoint("POST", "/containers/{id}/unpause", Served::Fully),
    endpoint("POST", "/containers/{id}/attach", Served::Fully),
    endpoint("GET", "/containers/{id}/attach/ws", Served::Fully),
    endpoint("POST", "/containers/{id}/wait", Served::Fully),
    endpoint("DELETE", "/containers/{id}", Served::Partly),
    endpoint("HEAD", "/containers/{id}/archive", Served::Fully),
    endpoint("GET", "/containers/{id}/archive", Served::Fully),
    endpoint("PUT", "/containers/{id}/archive", Served::Partly),
    endpoint("POST", "/containers/prune", Served::Fully),
    endpoint("GET", "/images/json", Served::Partly),
    endpoint("POST", "/build", Served::NotYet),
    endpoint("POST", "/build/prune", Served::NotYet),
    endpoint("POST", "/images/create", Served::Partly),
    endpoint("GET", "/images/{name}/json", Served::Partly),
    endpoint("GET", "/images/{name}/history", Served::Fully),
    endpoint("POST", "/images/{name}/push", Served::NotYet),
    endpoint("POST", "/images/{name}/tag", Served::Fully),
    endpoint("DELETE", "/images/{name}", Served::Fully),
    endpoint("GET", "/images/search", Served::NotYet),
    endpoint("POST", "/images/prune", Served::NotYet),
    endpoint("POST", "/auth", Served::NotYet),
    endpoint("GET", "/info", Served::Partly),
    endpoint("GET", "/version", Served::Partly),
    endpoint("GET", "/_ping", Served::Fully),
    endpoint("HEAD", "/_ping", Served::Fully),
    endpoint("POST", "/commit", Served::Partly),
    endpoint("GET", "/events", Served::Fully),
    endpoint("GET", "/system/df", Served::Partly),
    endpoint("GET", "/images/{name}/get", Served::NotYet),
    endpoint("GET", "/images/get", Served::NotYet),
    endpoint("POST", "/images/load", Served::NotYet),
    endpoint("POST", "/containers/{id}/exec", Served::Fully),
    endpoint("POST", "/exec/{id}/start", Served::Fully),
    endpoint("POST", "/exec/{id}/resize", Served::Fully),
    endpoint("GET", "/exec/{id}/json", Served::Fully),
    endpoint("GET", "/volumes", Served::Partly),
    endpoint("POST", "/volumes/create", Served::NotYet),
    endpoint("GET", "/volumes/{name}", Served::Partly),
    endpoint("PUT", "/volumes/{name}", Served::NotYet),
    endpoint("DELETE", "/volumes/{name}", Served::NotYet),
    endpoint("POST", "/volumes/prune", Served::NotYet),
    endpoint("GET", "/networks", Served::Partly),
    endpoint("GET", "/networks/{id}", Served::Partly),
    endpoint("DELETE", "/networks/{id}", Served::NotYet),
    endpoint("POST", "/networks/create", Served::NotYet),
    endpoint("POST", "/networks/{id}/connect", Served::NotYet),
    endpoint("POST", "/networks/{id}/disconnect", Served::NotYet),
    endpoint("POST", "/networks/prune", Served::NotYet),
    endpoint("GET", "/plugins", Served::Fully),
    endpoint("GET", "/plugins/privileges", Served::NotYet),
    endpoint("POST", "/plugins/pull", Served::NotYet),
    endpoint("GET", "/plugins/{name}/json", Served::Fully),
    endpoint("DELETE", "/plugins/{name}", Served::NotYet),
    endpoint("POST", "/plugins/{name}/enable", Served::NotYet),
    endpoint("POST", "/plugins/{name}/disable", Served::NotYet),
    endpoint("POST", "/plugins/{name}/upgrade", Served::NotYet),
    endpoint("POST", "/plugins/create", Served::NotYet),
    endpoint("POST", "/plugins/{name}/push", Served::NotYet),
    endpoint("POST", "/plugins/{name}/set", Served::NotYet),
    endpoint("GET", "/nodes", Served::NoSwarm),
    endpoint("GET", "/nodes/{id}", Served::NoSwarm),
    endpoint("DELETE", "/nodes/{id}", Served::NoSwarm),
    endpoint("POST", "/nodes/{id}/update", Served::NoSwarm),
    endpoint("GET", "/swarm", Served::NoSwarm),
    endpoint("POST", "/swarm/init", Served::NoSwarm),
    endpoint("POST", "/swarm/join", Served::NoSwarm),
    endpoint("POST", "/swarm/leave", Served::NoSwarm),
    endpoint("POST", "/swarm/update", Served::NoSwarm),
    endpoint("GET", "/swarm/unlockkey", Served::NoSwarm),
    endpoint("POST", "/swarm/unlock", Served::NoSwarm),
    endpoint("GET", "/services", Served::NoSwarm),
    endpoint("POST", "/services/create", Served::NoSwarm),
    endpoint("GET", "/services/{id}", Served::NoSwarm),
    endpoint("DELETE", "/services/{id}", Served::NoSwarm),
    endpoint("POST", "/services/{id}/update", Served::NoSwarm),
    endpoint("GET", "/services/{id}/logs", Served::NoSwarm),
    endpoint("GET", "/tasks", Served::NoSwarm),
    endpoint("GET", "/tasks/{id}", Served::NoSwarm),
    endpoint("GET", "/tasks/{id}/logs", Served::NoSwarm),
    endpoint("GET", "/secrets", Served::NoSwarm),
    endpoint("POST", "/secrets/create", Served::NoSwarm),
    endpoint("GET", "/secrets/{id}", Served::NoSwarm),
    endpoint("DELETE", "/secrets/{id}", Served::NoSwarm),
    endpoint("POST", "/secrets/{id}/update", Served::NoSwarm),
    endpoint("GET", "/configs", Served::NoSwarm),
    endpoint("POST", "/configs/create", Served::NoSwarm),
    endpoint("GET", "/configs/{id}", Served::NoSwarm),
    endpoint("DELETE", "/configs/{id}", Served::NoSwarm),
    endpoint("POST", "/configs/{id}/update", Served::NoSwarm),
    endpoint("GET", "/distribution/{name}/json", Served::NotYet),
    endpoint("POST", "/session", Served::NotYet),
];

/// Endpoints that are ours alone, beside Docker's.
pub const OWN: &[Endpoint] = &[
    endpoint("GET", "/metrics", Served::Fully),
    endpoint("GET", "/_socketd/health", Served::Fully),
];

/// All of them, Docker's first. The place of one in this order is its number.
pub fn all() -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().chain(OWN)
}

/// The endpoint a request means, with its number. `path`: without version prefix, as it came (still
/// percent-encoded). Words of a path come before placeholders, as `/images/json` before an image called
/// `json`; a placeholder is one part of a path, except that names of images and plugins may hold slashes.
/// A `HEAD` of what can be got means the same, unless it is an endpoint of its own.
#[must_use]
pub fn find(method: &str, path: &str) -> Option<(usize, &'static Endpoint)> {
    let mut found: Option<(usize, &Endpoint)> = None;
    for (number, endpoint) in all().enumerate() {
        let better = |(_, found): (usize, &Endpoint)| placeholders(endpoint.path) < placeholders(found.path);
        let fits = endpoint.method == method && fits(endpoint.path, path);
        if fits && found.is_none_or(better) {
            found = Some((number, endpoint));
        }
    }
    match found {
        None if method == "HEAD" => find("GET", path),
        _ => found,
    }
}

/// As [`find`], without the number.
#[must_use]
pub fn lookup(method: &str, path: &str) -> Option<Endpoint> {
    find(method, path).map(|(_, endpoint)| *endpoint)
}

fn placeholders(pattern: &str) -> usize {
    pattern.matches('{').count()
}

fn fits(pattern: &str, path: &str) -> bool {
    // Every pattern begins with a word. Most differ in its first letters, which is quickly seen.
    if pattern.as_bytes().get(..4) != path.as_bytes().get(..4) {
        return false;
    }
    let Some((before, rest)) = pattern.split_once('{') else {
        return pattern == path;
    };
    let Some((name, after)) = rest.split_once('}') else {
        return false;
    };
    let value = path
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after));
    let may_hold_slashes = name == "name" && !before.starts_with("/volumes/");
    value.is_some_and(|value| !value.is_empty() && (may_hold_slashes || !value.contains('/')))
}

/// A version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(pub u32, pub u32);

/// The version a path names; the newest where it names none.
#[must_use]
pub fn version(path: &str) -> ApiVersion {
    let named = path.strip_prefix("/v").and_then(|text| text.split_once('/'));
    named
        .and_then(|(version, _)| numbers(version))
        .or_else(|| numbers(API_VERSION))
        .map_or(ApiVersion(0, 0), |(major, minor)| ApiVersion(major, minor))
}

/// Takes `/v1.N` from the front of a path.
///
/// # Errors
/// 400 with Docker's sentences for a version that is too old or too new. What does not read as a
/// version at all stays in the path, and leads to a 404.
pub fn strip_version(path: &str) -> Result<&str, ApiError> {
    let Some((version, rest)) = path
        .strip_prefix("/v")
        .and_then(|text| text.find('/').and_then(|slash| text.split_at_checked(slash)))
    else {
        return Ok(path);
    };
    let Some(number) = numbers(version) else {
        return Ok(path);
    };
    if numbers(API_VERSION_MIN).is_some_and(|min| number < min) {
        return Err(ApiError::bad_request(format!(
            "client version {version} is too old. Minimum supported API version is {API_VERSION_MIN}, please upgrade your client to a newer version"
        )));
    }
    if numbers(API_VERSION).is_some_and(|max| number > max) {
        return Err(ApiError::bad_request(format!(
            "client version {version} is too new. Maximum supported API version is {API_VERSION}"
        )));
    }
    Ok(rest)
}

/// `1.51` as two numbers.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    };
    Some((number(major)?, number(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPAT: &str = include_str!("../../COMPAT.md");

    fn word(served: Served) -> &'static str {
        match served {
            Served::Fully => "served",
            Served::Partly => "partly",
            Served::NotYet => "refused (501)",
            Served::NoSwarm => "refused (503)",
        }
    }

    #[test]
    fn every_endpoint_stands_in_the_document_as_it_is_served() {
        // The table of endpoints comes before every other.
        let (table, _) = COMPAT.split_once("\n## ").unwrap();
        for endpoint in ENDPOINTS {
            let row = format!(
                "| `{} {}` | {} | ",
                endpoint.method,
                endpoint.path,
                word(endpoint.served)
            );
            let line = table.lines().find(|line| line.starts_with(&row));
            assert!(line.is_some(), "COMPAT.md has no row that begins with {row}");
            let line = line.unwrap_or_default();
            let why = line.trim_start_matches(&row).trim_end_matches('|').trim();
            assert!(
                endpoint.served == Served::Fully || !why.is_empty(),
                "{row} does not say why"
            );
        }
        let rows = table.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(
            rows,
            ENDPOINTS.len(),
            "COMPAT.md has rows of endpoints that are none"
        );
    }

    /// The specification is not part of this project; whoever has it names it.
    #[test]
    fn every_endpoint_of_the_specification_is_in_the_table() {
        let Some(path) = std::env::var_os("SOCKETD_DOCKER_SPEC") else {
            assert_eq!(
                ENDPOINTS.len(),
                107,
                "the specification of 1.51 has so many endpoints"
            );
            return;
        };
        let text = std::fs::read_to_string(path).unwrap();
        let (_, paths) = text.split_once("\npaths:\n").unwrap();
        let (mut path, mut seen) = ("", 0);
        for line in paths.lines() {
            let key = line.trim_end().trim_end_matches(':');
            match key.len() - key.trim_start().len() {
                2 if key.trim_start().starts_with('/') => path = key.trim_start(),
                4 if ["get", "post", "put", "delete", "head"].contains(&key.trim_start()) => {
                    let method = key.trim_start().to_ascii_uppercase();
                    let listed = ENDPOINTS
                        .iter()
                        .any(|one| one.method == method && one.path == path);
                    assert!(listed, "{method} {path}");
                    seen += 1;
                }
                _ => {}
            }
        }
        assert_eq!(seen, ENDPOINTS.len());
    }

    #[test]
    fn requests_lead_to_endpoints() {
        #[track_caller]
        fn check(method: &str, path: &str, expected: Option<&str>) {
            assert_eq!(
                lookup(method, path).map(|endpoint| endpoint.path),
                expected,
                "{method} {path}"
            );
        }
        check("GET", "/containers/json", Some("/containers/json"));
        check("GET", "/containers/web/json", Some("/containers/{id}/json"));
        check("GET", "/containers/a%2Fb/json", Some("/containers/{id}/json"));
        check("GET", "/containers//json", None);
        check("GET", "/containers/a/b/json", None);
        check("POST", "/containers/prune", Some("/containers/prune"));
        check("DELETE", "/containers/web", Some("/containers/{id}"));
        check(
            "GET",
            "/containers/web/attach/ws",
            Some("/containers/{id}/attach/ws"),
        );
        check("GET", "/images/json", Some("/images/json"));
        check("GET", "/images/ghcr.io/a/b:tag/json", Some("/images/{name}/json"));
        check("DELETE", "/images/ghcr.io/a/b:tag", Some("/images/{name}"));
        check("GET", "/images/get", Some("/images/get"));
        check("GET", "/images/a/b/get", Some("/images/{name}/get"));
        check("HEAD", "/_ping", Some("/_ping"));
        check("HEAD", "/containers/json", Some("/containers/json"));
        check(
            "HEAD",
            "/containers/web/archive",
            Some("/containers/{id}/archive"),
        );
        check("HEAD", "/containers/create", None);
        check("GET", "/_socketd/health", Some("/_socketd/health"));
        check("GET", "/services", Some("/services"));
        check("GET", "/nothing/here", None);
        check("PUT", "/containers/json", None);
        check("POST", "/info", None);
    }

    #[test]
    fn what_is_not_served_says_so() {
        let refusal = |method, path| lookup(method, path).and_then(|endpoint| endpoint.refusal());
        assert_eq!(refusal("GET", "/info"), None);
        let error = refusal("POST", "/volumes/prune").unwrap();
        assert_eq!(
            error,
            ApiError::not_implemented("POST /volumes/prune is not served")
        );
        let error = refusal("GET", "/swarm").unwrap();
        assert!(error.status == 503 && error.message.starts_with("This node is not a swarm manager."));
    }

    #[test]
    fn versions_are_stripped_or_refused() {
        #[track_caller]
        fn check(path: &str, expected: Result<&str, &str>) {
            assert_eq!(strip_version(path), expected.map_err(ApiError::bad_request));
        }
        check("/info", Ok("/info"));
        check("/v1.24/info", Ok("/info"));
        check("/v1.51/containers/x/json", Ok("/containers/x/json"));
        check("/vx/info", Ok("/vx/info"));
        assert_eq!(version("/v1.41/info"), ApiVersion(1, 41));
        assert_eq!(version("/info"), ApiVersion(1, 51));
        check("/v1.x/info", Ok("/v1.x/info"));
        check("/version", Ok("/version"));
        check("/v1.47", Ok("/v1.47"));
        check("/volumes/v1.2", Ok("/volumes/v1.2"));
        check(
            "/v1.99/info",
            Err("client version 1.99 is too new. Maximum supported API version is 1.51"),
        );
        check(
            "/v1.9/info",
            Err(
                "client version 1.9 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
            ),
        );
    }
}
