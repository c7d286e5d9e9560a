//! A line of the log for whatever somebody has had changed: what, and what came of it.

use hyper::Method;

use super::is_change;

/// What of a query is told. Others may hold what nobody else may know: a build's arguments are in there.
const TOLD: &[&str] = &[
    "name",
    "fromImage",
    "fromSrc",
    "repo",
    "tag",
    "t",
    "signal",
    "force",
    "v",
];

/// How much of a line is told, in characters.
const LENGTH: usize = 300;

/// Tells of a request, where it may have changed something. `status` is what the server was answered.
pub fn request(method: &Method, target: &str, status: u16) {
    if is_change(method, target) {
        let what = what(target);
        tracing::info!(target: "audit", %method, what, status, "the server asked");
    }
}

/// Tells of what somebody who has a name has had changed on a node; empty where it concerns none. `asked` is the
/// method and the target, `status` what was answered.
pub fn by(who: &str, node_id: &str, asked: (&Method, &str), status: u16) {
    let (method, target) = asked;
    let (who, node_id, what) = (shown(who), shown(node_id), what(target));
    tracing::info!(target: "audit", who, node_id, %method, what, status, "changed");
}

/// Tells of a command of compose. `code` is what it ended with, if it ended by itself.
pub fn compose(operation: &str, project: &str, services: &[String], code: Option<i32>) {
    let (operation, project) = (shown(operation), shown(project));
    let services = shown(&services.join(","));
    tracing::info!(target: "audit", operation, project, services, code, "the server had compose run");
}

/// A path and what of its query is told.
pub fn what(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_told = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        TOLD.contains(&name)
    };
    let told: Vec<&str> = query.split('&').filter(is_told).collect();
    let told = told.join("&");
    shown(&if told.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{told}")
    })
}

/// A text in one line of bounded length.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(LENGTH).collect();
    let escaped: String = short.escape_debug().collect();
    escaped.replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told() {
        let check = |target: &str, expected: &str| assert_eq!(what(target), expected, "{target}");
        check("/containers/x/start", "/containers/x/start");
        check("/containers/x/kill?signal=TERM", "/containers/x/kill?signal=TERM");
        check("/containers/create?name=a&platform=", "/containers/create?name=a");
        check(
            "/images/create?fromImage=alpine&tag=3",
            "/images/create?fromImage=alpine&tag=3",
        );
        check("/build?t=a:1&buildargs={\"PASSWORD\":\"x\"}", "/build?t=a:1");
        check("/build?buildargs=x&name", "/build?name");
        check("/a\nb\u{1b}[2J", "/a\\nb\\u{1b}[2J");
        assert_eq!(what(&"x".repeat(10_000)).len(), LENGTH);
    }
}
