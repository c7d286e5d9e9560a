//! How long a request may wait for the head of Docker's answer.

use std::time::Duration;

use hyper::Method;

use crate::access;

/// What streams, or whose answer takes as long as a container, a registry or a disk takes. `*` is one part of a path,
/// `**` one or more.
const UNBOUNDED: &[&str] = &[
    "build",
    "build/prune",
    "commit",
    "containers/*/archive",
    "containers/*/attach",
    "containers/*/attach/ws",
    "containers/*/export",
    "containers/*/logs",
    "containers/*/stats",
    "containers/*/wait",
    "containers/prune",
    "events",
    "exec/*/start",
    "grpc",
    "images/**/get",
    "images/**/push",
    "images/create",
    "images/get",
    "images/load",
    "images/prune",
    "networks/prune",
    "plugins/**/push",
    "plugins/**/upgrade",
    "plugins/create",
    "plugins/pull",
    "services/*/logs",
    "session",
    "tasks/*/logs",
    "volumes/prune",
];

/// What waits for a container to end by itself, for as many seconds as it is asked with `t`.
const PATIENT: &[&str] = &["containers/*/restart", "containers/*/stop"];

/// The bound, where there is one; `usual` where nothing is known of the request.
pub fn bound(method: &Method, target: &str, usual: Duration) -> Option<Duration> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if access::is_one_of(UNBOUNDED, path) {
        return None;
    }
    if *method == Method::POST && access::is_one_of(PATIENT, path) {
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("t="));
        return match asked.map(str::parse::<i64>) {
            // Docker's word for no bound at all.
            Some(Ok(seconds)) if seconds < 0 => None,
            Some(Ok(seconds)) => {
                let more = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                Some(usual.saturating_add(more))
            }
            _ => Some(usual),
        };
    }
    Some(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let check = |method: &str, target: &str, expected: Option<u64>| {
            let method: Method = method.parse().unwrap();
            let seen = bound(&method, target, Duration::from_secs(120));
            assert_eq!(seen, expected.map(Duration::from_secs), "{method} {target}");
        };
        check("GET", "/containers/json", Some(120));
        check("GET", "/v1.43/containers/x/json?size=1", Some(120));
        check("POST", "/containers/create?name=logs", Some(120));
        check("GET", "/containers/logs/json", Some(120));
        check("GET", "/containers/x/logs?follow=1", None);
        check("GET", "/v1.43/containers/x/logs", None);
        check("GET", "/containers/x/stats", None);
        check("GET", "/events", None);
        check("POST", "/build?t=x", None);
        check("POST", "/images/create?fromImage=x", None);
        check("POST", "/v1.43/images/docker.io/library/x/push?tag=1", None);
        check("POST", "/containers/x/wait?condition=removed", None);
        check("POST", "/exec/x/start", None);
        check("POST", "/containers/x/attach?stream=1", None);
        check("GET", "/containers/x/attach/ws", None);
        check("PUT", "/containers/x/archive?path=/", None);
        check("POST", "/session", None);
        check("POST", "/images/load", None);
        check("POST", "/containers/x/stop", Some(120));
        check("POST", "/containers/x/stop?t=300", Some(420));
        check("POST", "/containers/x/restart?a=b&t=10", Some(130));
        check("POST", "/containers/x/stop?t=-1", None);
        check("POST", "/containers/x/stop?t=x", Some(120));
        check(
            "POST",
            "/containers/x/stop?t=9223372036854775807",
            Some(i64::MAX as u64 + 120),
        );
    }
}
