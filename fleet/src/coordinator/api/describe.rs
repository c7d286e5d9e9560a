//! Words for the document at `/api/openapi.json`: parameters that several routes take, and how they refuse.

#![allow(
    dead_code,
    reason = "parameters are described here, and read from the query where they count"
)]

use std::collections::BTreeMap;

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi};

use super::answer::{ErrorBody, ErrorText};
use super::since;

/// The document, without its paths.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "socketd-fleet",
        description = "Containers of nodes behind NAT. Below /nodes/{node_id}/docker is Docker's own API of each node, \
            which this document leaves to Docker's."
    ),
    components(schemas(ErrorBody, ErrorText)),
    modifiers(&Security),
    tags(
        (name = "containers", description = "Containers, and what is done with them"),
        (name = "nodes", description = "Nodes"),
        (name = "events", description = "What happens"),
        (name = "access", description = "Who may come in, for who may ask every node"),
        (name = "self", description = "The coordinator itself"),
    ),
)]
pub(super) struct Described;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Default::default);
        let schemes = [
            ("key", HttpAuthScheme::Bearer),
            ("password", HttpAuthScheme::Basic),
        ];
        for (name, scheme) in schemes.clone() {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
        }
        let none: [&str; 0] = [];
        let either = schemes.map(|(name, _)| SecurityRequirement::new(name, none));
        document.security = Some(either.into());
    }
}

/// The node.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NodeId {
    /// The node that is asked. Whoever shows a node's password, or a key for one node, need not say it; who may ask every
    /// node and does not say it asks all of them.
    node_id: Option<String>,
}

/// The node, in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct NodePath {
    /// The node.
    node_id: String,
}

/// The container, in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ContainerId {
    /// Its id, its name, or the beginning of an id.
    id: String,
}

/// A key, in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct KeyName {
    /// What people call it.
    name: String,
}

/// A port, in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PortAddress {
    /// Where it listens.
    address: String,
}

/// How long a container may take to stop.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Patience {
    /// Seconds until it is killed.
    #[param(minimum = 0, maximum = 86400)]
    t: Option<u64>,
}

/// Whether one that runs is killed first.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Force {
    /// Whether a container that runs is killed first.
    force: Option<bool>,
}

/// Whether containers are told of.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WithContainers {
    /// Whether the containers of each are told of, too.
    containers: Option<bool>,
}

/// Which lines of a log.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogWindow {
    /// How many of the newest lines, or `all`; 100 if nothing is said.
    #[param(pattern = "^([0-9]{1,9}|all)$")]
    tail: Option<String>,
    /// Whether it goes on as the container writes.
    follow: Option<bool>,
    /// Whether each line begins with its time.
    timestamps: Option<bool>,
    /// From when on: RFC 3339, seconds since 1970, or how long ago (10m, 1h30m).
    #[param(schema_with = since::schema)]
    since: Option<String>,
    /// Until when, likewise.
    #[param(schema_with = since::schema)]
    until: Option<String>,
}

/// Which events.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventWindow {
    /// What comes after this number; with 0 it begins with the oldest.
    #[param(maximum = 9223372036854775807_i64)]
    after: Option<u64>,
    /// From when on: RFC 3339, seconds since 1970, or how long ago (10m, 1h30m).
    #[param(schema_with = since::schema)]
    since: Option<String>,
    /// Until when, likewise.
    #[param(schema_with = since::schema)]
    until: Option<String>,
    /// Whether it goes on as it happens.
    follow: Option<bool>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// From where on.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// What comes after this number, without the list first.
    #[param(maximum = 9223372036854775807_i64)]
    after: Option<u64>,
}

/// What runs in a terminal.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TerminalWindow {
    /// The container: its id, its name, or the beginning of an id.
    container: String,
    /// The program, and again for each of its arguments; /bin/sh if nothing is said.
    cmd: Option<Vec<String>>,
    /// Whether it gets a terminal; it does if nothing is said.
    tty: Option<bool>,
    /// Width of the terminal in letters.
    #[param(minimum = 1, maximum = 1000)]
    cols: Option<u64>,
    /// Height of the terminal in lines.
    #[param(minimum = 1, maximum = 1000)]
    rows: Option<u64>,
}

type Responses = BTreeMap<String, RefOr<Response>>;

const ASKED: &[(u16, &str)] = &[
    (400, "What was asked makes no sense."),
    (401, "Nobody is known by what was shown."),
    (403, "Whoever asks may not."),
    (429, "Too many wrong passwords or keys came from this address."),
    (
        503,
        "The coordinator's store fails, or it ends, or has too many streams.",
    ),
];

const BEYOND: &[(u16, &str)] = &[
    (500, "Docker says so."),
    (502, "The node is not connected, or its Docker does not answer."),
    (504, "The node did not answer in time."),
];

fn responses(lists: &[&[(u16, &str)]]) -> Responses {
    let all = lists.iter().flat_map(|list| list.iter());
    all.map(|(status, description)| {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("ErrorBody")))
            .build();
        let response = ResponseBuilder::new()
            .description(*description)
            .content("application/json", content)
            .build();
        (status.to_string(), RefOr::T(response))
    })
    .collect()
}

macro_rules! refusals {
    ($($(#[$about:meta])* $name:ident: $($list:expr),+;)+) => {$(
        $(#[$about])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                responses(&[$($list),+])
            }
        }
    )+};
}

refusals! {
    /// How any route refuses.
    Asked: ASKED;
    /// How a route refuses that names something.
    OfPath: ASKED, &[(404, "There is none such.")];
    /// How a route refuses that asks for what is known of a node.
    OfNode: ASKED, &[(404, "There is none such."), (502, "The node is not connected.")];
    /// How a route refuses that asks a node's Docker.
    OfContainer: ASKED, BEYOND, &[(404, "There is none such."), (409, "It is not in a state for that, or several nodes have one such.")];
    /// How a node's Docker is not reached.
    Beyond: BEYOND;
    /// How a route refuses that keeps something.
    Kept: ASKED, &[(507, "There are as many as there may be.")];
    /// How a body is refused.
    OfBody: &[
        (408, "The body did not come to its end."),
        (413, "The body is too long."),
        (415, "The body is no application/json."),
    ];
}
