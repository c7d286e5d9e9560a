//! `GET /events`.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use wire::event::attribute;
use wire::{Action, Event, EventKind, Time};

use self::actor::Actor;
pub use self::actor::is_of_another_network;
use super::error::ApiError;
use super::filters::Filters;
use super::networks::Networks;
use super::query::Query;
use super::time::parse_moment;

mod actor;
pub mod framing;

/// The attribute that holds the place of an event, for clients that ask for it.
const CURSOR: &str = "cursor";

const FILTERS: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

/// Kinds of things that may have events, as filters name them.
const NAMED: &[&str] = &[
    "config",
    "container",
    "daemon",
    "network",
    "node",
    "plugin",
    "secret",
    "service",
    "volume",
];

/// What is asked of the events.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Not earlier than this; none means from now on.
    pub since: Option<Time>,
    /// Not later than this, and then the answer ends; none means without end.
    pub until: Option<Time>,
    /// Present where the client wants to see each event's place; with the place to go on behind.
    pub cursor: Option<Option<u64>>,
    filters: Filters,
}

impl EventQuery {
    /// Reads `since`, `until`, `filters`. Times may be relative to `now` ("10m").
    ///
    /// # Errors
    /// 400 for a time that is none, an order that is none, filters that are none or are not known.
    pub fn parse(query: &Query, now: Time) -> Result<Self, ApiError> {
        let moment = |key: &str| match query.text(key) {
            None | Some("") => Ok(None),
            Some(text) => match parse_moment(text, now) {
                Ok(time) => Ok(Some((text, time))),
                Err(error) => Err(ApiError::bad_request(error.to_string())),
            },
        };
        let (since, until) = (moment("since")?, moment("until")?);
        if let (Some((since_text, since)), Some((until_text, until))) = (since, until)
            && since > until
        {
            return Err(ApiError::bad_request(format!(
                "`since` time ({since_text}) cannot be after `until` time ({until_text})"
            )));
        }
        let cursor = parse_cursor(query.text("cursor"))?;
        if since.is_some() && matches!(cursor, Some(Some(_))) {
            return Err(ApiError::bad_request(
                "`since` and a place in `cursor` exclude each other",
            ));
        }
        Ok(Self {
            cursor,
            since: since.map(|(_, time)| time),
            until: until.map(|(_, time)| time),
            filters: Filters::parse(query.text("filters"), FILTERS)?,
        })
    }

    /// Whether an event passes the filters (not the times). One that Docker has no word for never does.
    #[must_use]
    pub fn matches(&self, event: &Event, networks: &Networks) -> bool {
        if self.filters.is_empty() {
            return kind_word(event.kind).is_some() && action_word(event.kind, event.action).is_some();
        }
        Message::new(event, networks).is_some_and(|message| self.lets_pass(&message))
    }

    fn lets_pass(&self, message: &Message<'_>) -> bool {
        let filters = &self.filters;
        let name = message.actor.attribute("name");
        filters.exact("type", message.kind)
            && filters.exact("scope", "local")
            && filters.any("event", |wanted| is_action(wanted, &message.action))
            // A filter by one kind of thing lets no event of another kind pass, and a name's beginning is enough.
            && NAMED.iter().all(|kind| {
                !filters.contains(kind)
                    || (message.kind == *kind
                        && (filters.prefix(kind, &message.actor.id) || filters.prefix(kind, name)))
            })
            && filters.any("image", |wanted| message.is_of_image(wanted))
            && filters.labels("label", message.actor.attributes.iter().map(|(key, value)| (*key, value.as_ref())))
    }
}

/// `exec_start` also means `exec_start: sh`.
fn is_action(wanted: &str, action: &str) -> bool {
    wanted == action || action.split_once(':').is_some_and(|(word, _)| word == wanted)
}

fn parse_cursor(text: Option<&str>) -> Result<Option<Option<u64>>, ApiError> {
    match text {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => match text.parse() {
            Ok(place) => Ok(Some(Some(place))),
            Err(_) => Err(ApiError::bad_request(format!(
                "cursor {text:?} is no place of an event"
            ))),
        },
    }
}

/// What is said to a client that asks for events which are gone.
#[must_use]
pub fn not_kept(cursor: u64, oldest: u64) -> ApiError {
    ApiError::gone(format!(
        "events after {cursor} are not all kept any more; the oldest that is kept is {oldest}"
    ))
}

/// An event as one line of JSON with its line feed; with its place where `placed`. Empty for an event
/// Docker has no word for.
#[must_use]
pub fn render(event: &Event, networks: &Networks, placed: bool) -> Bytes {
    let Some(mut message) = Message::new(event, networks) else {
        return Bytes::new();
    };
    if placed {
        let place = event.sequence.to_string();
        message.actor.attributes.insert(CURSOR, Cow::from(place));
    }
    let Ok(mut line) = serde_json::to_vec(&message) else {
        return Bytes::new();
    };
    line.push(b'\n');
    line.into()
}

/// An event as Docker writes it, with the three fields that older clients read.
#[derive(Debug, Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "Action")]
    action: Cow<'a, str>,
    #[serde(rename = "Actor")]
    actor: Actor<'a>,
    scope: &'static str,
    time: u64,
    #[serde(rename = "timeNano")]
    time_nano: u64,
}

impl<'a> Message<'a> {
    fn new(event: &'a Event, networks: &Networks) -> Option<Self> {
        let kind = kind_word(event.kind)?;
        let action = action_text(event)?;
        let actor = Actor::new(event, networks);
        let legacy = matches!(event.kind, EventKind::Container | EventKind::Image);
        Some(Self {
            status: legacy.then(|| action.clone()),
            id: legacy.then(|| actor.id.clone()),
            from: match event.kind {
                EventKind::Container => Some(actor.attribute("image").to_owned()),
                _ => None,
            },
            kind,
            action,
            scope: "local",
            time: event.time.seconds(),
            time_nano: event.time.0,
            actor,
        })
    }

    /// By id or name of the image, with or without tag.
    fn is_of_image(&self, wanted: &str) -> bool {
        let key = if self.kind == "image" { "name" } else { "image" };
        let name = self.actor.attribute(key);
        [self.actor.id.as_str(), name]
            .into_iter()
            .any(|text| text == wanted || without_tag(text) == wanted)
    }
}

fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// Kind and action in words, for people: also of what no client is told.
pub(crate) fn words(event: &Event) -> (&'static str, &'static str) {
    // Of a container every action has a word.
    let action = action_word(EventKind::Container, event.action);
    (
        kind_word(event.kind).unwrap_or("something"),
        action.unwrap_or("something else"),
    )
}

fn kind_word(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Container => Some("container"),
        EventKind::Image => Some("image"),
        EventKind::Network => Some("network"),
        EventKind::Volume => Some("volume"),
        EventKind::Daemon => Some("daemon"),
        EventKind::Unknown(_) => None,
    }
}

/// Docker's word, with what it says behind a colon of a further process or of health.
fn action_text(event: &Event) -> Option<Cow<'_, str>> {
    let word = action_word(event.kind, event.action)?;
    let more = match event.action {
        Action::ExecCreate | Action::ExecStart => event.attribute(attribute::COMMAND),
        Action::HealthStatus => event.attribute(attribute::HEALTH),
        _ => None,
    };
    Some(match more {
        Some(more) => Cow::from(format!("{word}: {more}")),
        None => Cow::from(word),
    })
}

/// Docker's word. Its daemon says nothing of its own start and end, and neither is said here.
fn action_word(kind: EventKind, action: Action) -> Option<&'static str> {
    if kind == EventKind::Daemon {
        return (action == Action::Reload).then_some("reload");
    }
    Some(match action {
        Action::Create => "create",
        Action::Start => "start",
        Action::Die => "die",
        Action::Stop => "stop",
        Action::Kill => "kill",
        Action::Pause => "pause",
        Action::Unpause => "unpause",
        Action::Restart => "restart",
        Action::Rename => "rename",
        Action::Update => "update",
        Action::Destroy => "destroy",
        Action::ExecCreate => "exec_create",
        Action::ExecStart => "exec_start",
        Action::ExecDie => "exec_die",
        Action::HealthStatus => "health_status",
        Action::Oom => "oom",
        Action::Attach => "attach",
        Action::Resize => "resize",
        Action::Import => "import",
        Action::Tag => "tag",
        Action::Untag => "untag",
        Action::Delete => "delete",
        Action::Connect => "connect",
        Action::Disconnect => "disconnect",
        Action::Reload => "reload",
        Action::Pull => "pull",
        Action::Prune => "prune",
        Action::Detach => "detach",
        Action::Commit => "commit",
        Action::Export => "export",
        Action::ReadArchive => "archive-path",
        Action::WriteArchive => "extract-to-dir",
        Action::Unknown(_) => return None,
    })
}

#[cfg(test)]
mod tests;
