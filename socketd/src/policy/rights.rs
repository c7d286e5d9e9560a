//! What a caller may ask: a set of endpoints, said by a role and by groups.
//!
//! The groups are those that users of the usual proxies in front of a Docker socket know: the first part of
//! the path in capitals (`CONTAINERS`), `POST` for everything that changes something, `ALLOW_START` and its
//! like for single orders. What no role and no group names is not permitted.

use std::fmt;
use std::str::FromStr;

use crate::docker::endpoints;

/// How far a role goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// It shows.
    Shows,
    /// It starts, stops, or reads what containers write.
    Operates,
    /// It makes, removes, changes, enters, or takes files out.
    Changes,
}

/// What shows although it is not asked with GET or HEAD: nothing. What is asked with GET and yet does more.
const ENTERING: &[&str] = &[
    "/containers/{id}/attach/ws",
    "/containers/{id}/archive",
    "/containers/{id}/export",
    "/images/{name}/get",
    "/images/get",
    "/swarm/unlockkey",
];

const OPERATING: &[&str] = &[
    "/containers/{id}/logs",
    "/containers/{id}/wait",
    "/containers/{id}/start",
    "/containers/{id}/stop",
    "/containers/{id}/restart",
    "/containers/{id}/kill",
    "/containers/{id}/pause",
    "/containers/{id}/unpause",
];

fn reach(endpoint: &endpoints::Endpoint) -> Reach {
    if OPERATING.contains(&endpoint.path) {
        Reach::Operates
    } else if ENTERING.contains(&endpoint.path) || !matches!(endpoint.method, "GET" | "HEAD") {
        Reach::Changes
    } else {
        Reach::Shows
    }
}

/// A named set of rights, to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whether we are there and which version we speak; groups add to it.
    None,
    /// Everything that shows, but for logs.
    Read,
    /// That, and start, stop, restart, kill, pause, unpause, wait and logs.
    Operate,
    /// Everything.
    Full,
}

/// There is no such role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleError;

impl fmt::Display for RoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("access must be none, read, operate or full")
    }
}

impl std::error::Error for RoleError {}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "none" => Self::None,
            "read" => Self::Read,
            "operate" => Self::Operate,
            "full" => Self::Full,
            _ => return Err(RoleError),
        })
    }
}

/// A group of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// What begins so: `/containers`. Of that, what changes something only beside [`Group::Changing`].
    Resource(&'static Resource),
    /// Exactly these paths, whatever they do.
    Orders(&'static Orders),
    /// Everything that changes something.
    Changing,
}

/// A group by the beginning of its paths.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    name: &'static str,
    /// Its paths are this, or go on with a slash behind it.
    path: &'static str,
}

/// A group by its paths.
#[derive(Debug, PartialEq, Eq)]
pub struct Orders {
    name: &'static str,
    paths: &'static [&'static str],
}

const fn resource(name: &'static str, path: &'static str) -> Resource {
    Resource { name, path }
}

const RESOURCES: &[Resource] = &[
    resource("AUTH", "/auth"),
    resource("BUILD", "/build"),
    resource("COMMIT", "/commit"),
    resource("CONFIGS", "/configs"),
    resource("CONTAINERS", "/containers"),
    resource("DISTRIBUTION", "/distribution"),
    resource("EVENTS", "/events"),
    resource("EXEC", "/exec"),
    resource("HEALTH", "/_socketd/health"),
    resource("IMAGES", "/images"),
    resource("INFO", "/info"),
    resource("METRICS", "/metrics"),
    resource("NETWORKS", "/networks"),
    resource("NODES", "/nodes"),
    resource("PING", "/_ping"),
    resource("PLUGINS", "/plugins"),
    resource("SECRETS", "/secrets"),
    resource("SERVICES", "/services"),
    resource("SESSION", "/session"),
    resource("SWARM", "/swarm"),
    resource("SYSTEM", "/system"),
    resource("TASKS", "/tasks"),
    resource("VERSION", "/version"),
    resource("VOLUMES", "/volumes"),
];

const fn orders(name: &'static str, paths: &'static [&'static str]) -> Orders {
    Orders { name, paths }
}

const ORDERS: &[Orders] = &[
    orders("ALLOW_START", &["/containers/{id}/start"]),
    orders("ALLOW_STOP", &["/containers/{id}/stop"]),
    orders(
        "ALLOW_RESTARTS",
        &[
            "/containers/{id}/stop",
            "/containers/{id}/restart",
            "/containers/{id}/kill",
        ],
    ),
    orders("ALLOW_PAUSE", &["/containers/{id}/pause"]),
    orders("ALLOW_UNPAUSE", &["/containers/{id}/unpause"]),
    orders(
        "ARCHIVE",
        &["/containers/{id}/archive", "/containers/{id}/export"],
    ),
    orders(
        "ATTACH",
        &["/containers/{id}/attach", "/containers/{id}/attach/ws"],
    ),
    orders("LOGS", &["/containers/{id}/logs"]),
    orders("WAIT", &["/containers/{id}/wait"]),
];

const CHANGING: &str = "POST";

/// Making a further process begins with its container's path, and belongs to the process.
const EXEC_CREATE: &str = "/containers/{id}/exec";

/// There is no such group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupError(pub String);

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no group `{}`; known are {CHANGING}", self.0)?;
        let orders = ORDERS.iter().map(|orders| orders.name);
        for name in RESOURCES.iter().map(|resource| resource.name).chain(orders) {
            write!(f, ", {name}")?;
        }
        Ok(())
    }
}

impl std::error::Error for GroupError {}

impl FromStr for Group {
    type Err = GroupError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == CHANGING {
            return Ok(Self::Changing);
        }
        if let Some(resource) = RESOURCES.iter().find(|resource| resource.name == name) {
            return Ok(Self::Resource(resource));
        }
        let orders = ORDERS.iter().find(|orders| orders.name == name);
        orders
            .map(Self::Orders)
            .ok_or_else(|| GroupError(name.to_owned()))
    }
}

impl Group {
    fn holds(&self, endpoint: &endpoints::Endpoint) -> bool {
        match self {
            Self::Changing => reach(endpoint) != Reach::Shows,
            Self::Orders(orders) => orders.paths.contains(&endpoint.path),
            Self::Resource(Resource { name: "EXEC", .. }) if endpoint.path == EXEC_CREATE => true,
            Self::Resource(Resource { path, .. }) => {
                let rest = endpoint.path.strip_prefix(path);
                endpoint.path != EXEC_CREATE
                    && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// The endpoints that may be asked: a bit each, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u128);

const _: () = assert!(
    endpoints::ENDPOINTS.len() + endpoints::OWN.len() <= 128,
    "an endpoint without a bit could never be permitted"
);

impl Rights {
    /// What a role permits, with what is allowed besides and without what is denied. Of an allowed resource, what
    /// changes something is permitted only where `POST` is allowed in the same list; `POST` alone permits
    /// nothing. What is denied is so whatever allows it.
    #[must_use]
    pub fn new(role: Role, allowed: &[Group], denied: &[Group]) -> Self {
        let changing = allowed.contains(&Group::Changing);
        Self::where_holds(|endpoint| {
            let allowed = allowed.iter().any(|group| match group {
                Group::Changing => false,
                Group::Orders(_) => group.holds(endpoint),
                Group::Resource(_) => group.holds(endpoint) && (changing || reach(endpoint) == Reach::Shows),
            });
            let denied = denied.iter().any(|group| group.holds(endpoint));
            (role.permits(endpoint) || allowed) && !denied
        })
    }

    /// Everything.
    #[must_use]
    pub fn full() -> Self {
        Self::new(Role::Full, &[], &[])
    }

    /// What both permit.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the endpoint with this number may be asked.
    #[must_use]
    pub fn permit(self, number: usize) -> bool {
        u32::try_from(number)
            .ok()
            .and_then(|number| self.0.checked_shr(number))
            .is_some_and(|bits| bits & 1 == 1)
    }

    fn where_holds(holds: impl Fn(&endpoints::Endpoint) -> bool) -> Self {
        let mut bits = 0;
        for endpoint in endpoints::all().collect::<Vec<_>>().into_iter().rev() {
            bits = (bits << 1) | u128::from(holds(endpoint));
        }
        Self(bits)
    }
}

impl Role {
    fn permits(self, endpoint: &endpoints::Endpoint) -> bool {
        match self {
            Self::None => matches!(endpoint.path, "/_ping" | "/version"),
            Self::Read => reach(endpoint) == Reach::Shows,
            Self::Operate => reach(endpoint) <= Reach::Operates,
            Self::Full => true,
        }
    }
}

/// Whether an endpoint does more than show: what the audit log tells of.
#[must_use]
pub fn changes(endpoint: &endpoints::Endpoint) -> bool {
    reach(endpoint) != Reach::Shows
        && !matches!(endpoint.path, "/containers/{id}/logs" | "/containers/{id}/wait")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(names: &str) -> Vec<Group> {
        names
            .split_whitespace()
            .map(|name| name.parse().unwrap())
            .collect()
    }

    #[track_caller]
    fn check(role: Role, allow: &str, deny: &str, permitted: &str, refused: &str) {
        let rights = Rights::new(role, &groups(allow), &groups(deny));
        for (list, expected) in [(permitted, true), (refused, false)] {
            for request in list.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (method, path) = request.split_once(' ').unwrap();
                let (number, _) = endpoints::find(method, path).unwrap();
                assert_eq!(rights.permit(number), expected, "{request}");
            }
        }
    }

    #[test]
    fn roles() {
        let shows = "GET /containers/json\nGET /containers/a/json\nGET /containers/a/stats\nGET /containers/a/top
            GET /events\nGET /info\nGET /images/json\nGET /networks\nGET /volumes\nGET /exec/a/json\nGET /metrics
            HEAD /_ping\nHEAD /containers/json\nGET /containers/a/changes\nGET /system/df";
        let operates = "GET /containers/a/logs\nPOST /containers/a/start\nPOST /containers/a/stop
            POST /containers/a/kill\nPOST /containers/a/restart\nPOST /containers/a/pause
            POST /containers/a/unpause\nPOST /containers/a/wait";
        let changes =
            "POST /containers/create\nDELETE /containers/a\nPOST /containers/a/exec\nPOST /exec/a/start
            GET /containers/a/attach/ws\nPOST /containers/a/attach\nGET /containers/a/archive
            HEAD /containers/a/archive\nGET /containers/a/export\nPOST /images/create\nPOST /containers/prune
            POST /containers/a/rename\nPOST /containers/a/update\nPOST /commit\nGET /images/a/get";
        let rest = format!("{operates}\n{changes}");
        check(
            Role::None,
            "",
            "",
            "GET /_ping\nHEAD /_ping\nGET /version",
            &format!("{shows}\n{rest}").replace("HEAD /_ping", ""),
        );
        check(Role::Read, "", "", shows, &rest);
        check(Role::Operate, "", "", &format!("{shows}\n{operates}"), changes);
        check(Role::Full, "", "", &format!("{shows}\n{rest}"), "");
        assert_eq!(Rights::full().0.count_ones(), 109);
    }

    #[test]
    fn groups_add_and_take_away() {
        check(
            Role::None,
            "CONTAINERS",
            "",
            "GET /containers/json\nGET /containers/a/json",
            "POST /containers/a/start\nGET /containers/a/archive\nGET /containers/a/logs\nGET /events\nPOST /containers/a/exec",
        );
        check(
            Role::None,
            "CONTAINERS POST",
            "EXEC",
            "GET /containers/json\nPOST /containers/create\nGET /containers/a/logs\nDELETE /containers/a",
            "POST /containers/a/exec\nPOST /exec/a/start\nPOST /images/create",
        );
        check(
            Role::Read,
            "EXEC POST",
            "",
            "POST /containers/a/exec\nPOST /exec/a/start",
            "POST /containers/create",
        );
        check(
            Role::Read,
            "EXEC",
            "",
            "GET /exec/a/json",
            "POST /exec/a/start\nPOST /containers/a/exec",
        );
        check(Role::Read, "POST", "", "GET /info", "POST /containers/create");
        check(
            Role::Read,
            "ALLOW_RESTARTS LOGS",
            "",
            "POST /containers/a/stop\nPOST /containers/a/kill\nPOST /containers/a/restart\nGET /containers/a/logs",
            "POST /containers/a/start\nPOST /containers/a/wait",
        );
        check(
            Role::Full,
            "",
            "POST",
            "GET /containers/json",
            "POST /containers/create\nGET /containers/a/logs\nDELETE /images/a\nGET /containers/a/export",
        );
        check(Role::Full, "EVENTS", "EVENTS", "GET /info", "GET /events");
        check(
            Role::Full,
            "",
            "ATTACH ARCHIVE",
            "POST /containers/create",
            "GET /containers/a/attach/ws\nPOST /containers/a/attach\nPUT /containers/a/archive\nGET /containers/a/export",
        );
    }

    #[test]
    fn every_endpoint_is_in_one_resource() {
        for endpoint in endpoints::all() {
            let holding: Vec<_> = RESOURCES
                .iter()
                .filter(|resource| Group::Resource(resource).holds(endpoint))
                .collect();
            assert_eq!(
                holding.len(),
                1,
                "{} {}: {holding:?}",
                endpoint.method,
                endpoint.path
            );
        }
    }

    #[test]
    fn lists_name_paths_that_there_are() {
        let listed = ORDERS.iter().flat_map(|orders| orders.paths);
        for path in listed.chain(ENTERING).chain(OPERATING).chain(&[EXEC_CREATE]) {
            assert!(endpoints::all().any(|endpoint| endpoint.path == *path), "{path}");
        }
    }

    #[test]
    fn words() {
        assert_eq!("read".parse(), Ok(Role::Read));
        assert_eq!("Read".parse::<Role>(), Err(RoleError));
        assert_eq!("POST".parse(), Ok(Group::Changing));
        assert_eq!("post".parse::<Group>(), Err(GroupError("post".to_owned())));
        assert!(GroupError("x".to_owned()).to_string().contains("CONTAINERS"));
        assert!(!Rights::full().permit(109) && !Rights::full().permit(usize::MAX));
    }
}
