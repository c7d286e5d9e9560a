use super::*;

/// Every request of Docker's API (1.51) that shows, with what takes more than `read` said.
const API: &[(&str, &str, Role)] = &[
    ("GET", "/containers/json", Role::Read),
    ("POST", "/containers/create", Role::Full),
    ("GET", "/containers/ID/json", Role::Read),
    ("GET", "/containers/ID/top", Role::Read),
    ("GET", "/containers/ID/logs", Role::Operate),
    ("GET", "/containers/ID/changes", Role::Read),
    ("GET", "/containers/ID/export", Role::Full),
    ("GET", "/containers/ID/stats", Role::Read),
    ("POST", "/containers/ID/resize", Role::Full),
    ("POST", "/containers/ID/start", Role::Operate),
    ("POST", "/containers/ID/stop", Role::Operate),
    ("POST", "/containers/ID/restart", Role::Operate),
    ("POST", "/containers/ID/kill", Role::Operate),
    ("POST", "/containers/ID/update", Role::Full),
    ("POST", "/containers/ID/rename", Role::Full),
    ("POST", "/containers/ID/pause", Role::Operate),
    ("POST", "/containers/ID/unpause", Role::Operate),
    ("POST", "/containers/ID/attach", Role::Full),
    ("GET", "/containers/ID/attach/ws", Role::Full),
    ("POST", "/containers/ID/wait", Role::Operate),
    ("DELETE", "/containers/ID", Role::Full),
    ("HEAD", "/containers/ID/archive", Role::Full),
    ("GET", "/containers/ID/archive", Role::Full),
    ("PUT", "/containers/ID/archive", Role::Full),
    ("POST", "/containers/prune", Role::Full),
    ("GET", "/images/json", Role::Read),
    ("POST", "/build", Role::Full),
    ("POST", "/build/prune", Role::Full),
    ("POST", "/images/create", Role::Full),
    ("GET", "/images/NAME/json", Role::Read),
    ("GET", "/images/NAME/history", Role::Read),
    ("POST", "/images/NAME/push", Role::Full),
    ("POST", "/images/NAME/tag", Role::Full),
    ("DELETE", "/images/NAME", Role::Full),
    ("GET", "/images/search", Role::Read),
    ("POST", "/images/prune", Role::Full),
    ("POST", "/auth", Role::Full),
    ("GET", "/info", Role::Read),
    ("GET", "/version", Role::Read),
    ("GET", "/_ping", Role::Read),
    ("HEAD", "/_ping", Role::Read),
    ("POST", "/commit", Role::Full),
    ("GET", "/events", Role::Read),
    ("GET", "/system/df", Role::Read),
    ("GET", "/images/NAME/get", Role::Full),
    ("GET", "/images/get", Role::Full),
    ("POST", "/images/load", Role::Full),
    ("POST", "/containers/ID/exec", Role::Full),
    ("POST", "/exec/ID/start", Role::Full),
    ("POST", "/exec/ID/resize", Role::Full),
    ("GET", "/exec/ID/json", Role::Read),
    ("GET", "/volumes", Role::Read),
    ("POST", "/volumes/create", Role::Full),
    ("GET", "/volumes/ID", Role::Read),
    ("PUT", "/volumes/ID", Role::Full),
    ("DELETE", "/volumes/ID", Role::Full),
    ("POST", "/volumes/prune", Role::Full),
    ("GET", "/networks", Role::Read),
    ("GET", "/networks/ID", Role::Read),
    ("DELETE", "/networks/ID", Role::Full),
    ("POST", "/networks/create", Role::Full),
    ("POST", "/networks/ID/connect", Role::Full),
    ("POST", "/networks/ID/disconnect", Role::Full),
    ("POST", "/networks/prune", Role::Full),
    ("GET", "/plugins", Role::Read),
    ("GET", "/plugins/privileges", Role::Full),
    ("POST", "/plugins/pull", Role::Full),
    ("GET", "/plugins/NAME/json", Role::Read),
    ("DELETE", "/plugins/NAME", Role::Full),
    ("POST", "/plugins/NAME/enable", Role::Full),
    ("POST", "/plugins/NAME/disable", Role::Full),
    ("POST", "/plugins/NAME/upgrade", Role::Full),
    ("POST", "/plugins/create", Role::Full),
    ("POST", "/plugins/NAME/push", Role::Full),
    ("POST", "/plugins/NAME/set", Role::Full),
    ("GET", "/nodes", Role::Read),
    ("GET", "/nodes/ID", Role::Read),
    ("DELETE", "/nodes/ID", Role::Full),
    ("POST", "/nodes/ID/update", Role::Full),
    ("GET", "/swarm", Role::Full),
    ("POST", "/swarm/init", Role::Full),
    ("POST", "/swarm/join", Role::Full),
    ("POST", "/swarm/leave", Role::Full),
    ("POST", "/swarm/update", Role::Full),
    ("GET", "/swarm/unlockkey", Role::Full),
    ("POST", "/swarm/unlock", Role::Full),
    ("GET", "/services", Role::Read),
    ("POST", "/services/create", Role::Full),
    ("GET", "/services/ID", Role::Read),
    ("DELETE", "/services/ID", Role::Full),
    ("POST", "/services/ID/update", Role::Full),
    ("GET", "/services/ID/logs", Role::Operate),
    ("GET", "/tasks", Role::Read),
    ("GET", "/tasks/ID", Role::Read),
    ("GET", "/tasks/ID/logs", Role::Operate),
    ("GET", "/secrets", Role::Read),
    ("POST", "/secrets/create", Role::Full),
    ("GET", "/secrets/ID", Role::Read),
    ("DELETE", "/secrets/ID", Role::Full),
    ("POST", "/secrets/ID/update", Role::Full),
    ("GET", "/configs", Role::Read),
    ("POST", "/configs/create", Role::Full),
    ("GET", "/configs/ID", Role::Read),
    ("DELETE", "/configs/ID", Role::Full),
    ("POST", "/configs/ID/update", Role::Full),
    ("GET", "/distribution/NAME/json", Role::Read),
    ("POST", "/session", Role::Full),
    ("POST", "/grpc", Role::Full),
    ("GET", "/_hawser/health", Role::Read),
    ("GET", "/_hawser/info", Role::Read),
    ("POST", "/_hawser/compose", Role::Full),
    ("POST", "/_hawser/stack-files", Role::Full),
];

#[track_caller]
fn check(method: &str, target: &str, expected: Role) {
    let method: Method = method.parse().unwrap();
    for role in [Role::Read, Role::Operate, Role::Full] {
        let may = judge(role, &method, target).is_ok();
        assert_eq!(may, role >= expected, "{role:?} {method} {target}");
    }
}

#[test]
fn every_request_of_the_api() {
    for (method, path, expected) in API {
        for name in [
            "web",
            "docker.io/library/alpine:3",
            "docker.io%2Flibrary%2Falpine:3",
        ] {
            let path = path.replace("ID", "4f2a").replace("NAME", name);
            check(method, &path, *expected);
            check(method, &format!("/v1.51{path}"), *expected);
            check(method, &format!("{path}?all=true&x=/containers/json"), *expected);
        }
    }
}

#[test]
fn every_other_method_takes_all() {
    for (_, path, _) in API {
        for method in [
            "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "get", "FETCH",
        ] {
            if !API
                .iter()
                .any(|(known, other, _)| known == &method && other == path)
            {
                check(method, path, Role::Full);
            }
        }
    }
}

#[test]
fn nothing_is_named_twice_and_everything_is_asked() {
    let asked = |pattern: &str| {
        API.iter().any(|(_, path, _)| {
            let path = path.replace("NAME", "a/b");
            is_among(&[pattern], &path)
        })
    };
    let every = [SHOWING, READING, OPERATING, FETCHING].concat();
    for pattern in &every {
        assert!(asked(pattern), "{pattern}");
        assert_eq!(
            every.iter().filter(|other| other == &pattern).count(),
            1,
            "{pattern}"
        );
    }
}

#[test]
fn paths_that_hide_something() {
    for path in [
        "/containers/x/../json",
        "/containers/./json",
        "//containers/json",
        "/containers//json",
        "/containers/json/",
        "/containers/%2e%2e/json",
        "/containers/x%2F..%2F..%2Fswarm/json",
        "/containers/x%2Fattach%2Fws%3F/json",
        "/containers/x%2Fjson",
        "/containers/x%252Fy/json",
        "/containers/x%00/json",
        "/containers/x%0a/json",
        "/containers/x%ff/json",
        "/containers/x%/json",
        "/containers/x%2/json",
        "/containers/x\\y/json",
        "/containers/x%23/json",
        "/v1.51",
        "/v1.51/v1.51/info",
        "/v1/info",
        "/v1.x/info",
        "/v+1.51/info",
        "/v99999999999.1/info",
        "/unknown",
        "/",
        "",
        "*",
        "info",
        "http://docker/info",
    ] {
        check("GET", path, Role::Full);
    }
    check(
        "GET",
        &format!("/containers/{}/json", "x".repeat(PATH_BYTES_MAX)),
        Role::Full,
    );
    check("GET", "/images/a%2Fb/json", Role::Read);
    check("GET", "/containers/web%2D1/json", Role::Read);
    check("POST", "/containers/x%2Fexec%2F/start", Role::Full);
    check("POST", "/containers/../exec/start", Role::Full);
}

#[test]
fn starting_by_an_old_version_takes_all() {
    check("POST", "/v1.23/containers/x/start", Role::Full);
    check("POST", "/v0.99/containers/x/start", Role::Full);
    check("POST", "/v1.24/containers/x/start", Role::Operate);
    check("GET", "/v1.23/containers/json", Role::Read);
}

#[test]
fn what_is_told() {
    let denied = |path: &str| judge(Role::Read, &Method::POST, path).unwrap_err().to_string();
    assert_eq!(
        denied("/containers/x/stop?t=1"),
        "authorization denied: the access here is `read`, and POST /containers/x/stop takes more"
    );
    assert!(denied("/\u{1b}[2J\n").contains("/\\u{1b}[2J\\n"));
    assert!(denied(&"x".repeat(1 << 20)).len() < 300);
}

#[test]
fn changes() {
    let check = |method: &str, path: &str, expected: bool| {
        let method: Method = method.parse().unwrap();
        assert_eq!(is_change(&method, path), expected, "{method} {path}");
        assert_eq!(
            is_change(&method, &format!("/v1.44{path}?a=b")),
            expected,
            "{method} {path}"
        );
    };
    check("GET", "/containers/json", false);
    check("GET", "/containers/x/logs", false);
    check("GET", "/containers/x/archive", false);
    check("HEAD", "/containers/x/archive", false);
    check("GET", "/images/a/b/get", false);
    check("POST", "/containers/x/wait", false);
    check("PUT", "/containers/x/archive", true);
    check("POST", "/containers/x/start", true);
    check("POST", "/containers/x/exec", true);
    check("GET", "/containers/x/attach/ws", true);
    check("GET", "/unknown", true);
    check("DELETE", "/images/a", true);
}
