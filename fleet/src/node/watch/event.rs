//! An event as the engine tells it, and as a coordinator is told of it.

use std::collections::HashMap;

use serde::Deserialize;

use crate::proto::{self, bounds};

/// What happens to a container and leaves it as it is.
const UNCHANGING: &[&str] = &[
    "archive-path",
    "attach",
    "checkpoint",
    "commit",
    "copy",
    "detach",
    "exec_create",
    "exec_detach",
    "exec_die",
    "exec_start",
    "export",
    "extract-to-dir",
    "resize",
    "top",
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Told {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Action")]
    action: Option<String>,
    #[serde(rename = "Actor")]
    actor: Option<Actor>,
    scope: Option<String>,
    time: Option<i64>,
    #[serde(rename = "timeNano")]
    time_nano: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Actor {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "Attributes")]
    attributes: Option<HashMap<String, String>>,
}

/// The event of a line; none where it is no event.
pub(super) fn of_line(line: &[u8]) -> Option<proto::Event> {
    let told: Told = match serde_json::from_slice(line) {
        Ok(told) => told,
        Err(error) => {
            tracing::debug!(%error, "a line of the engine's events is none");
            return None;
        }
    };
    let seconds = told.time.unwrap_or(0).saturating_mul(1_000_000_000);
    let actor = told.actor.unwrap_or_default();
    let mut event = proto::Event {
        time_nano: told.time_nano.unwrap_or(seconds),
        r#type: told.kind?,
        action: told.action?,
        actor_id: actor.id.unwrap_or_default(),
        attributes: actor.attributes.unwrap_or_default(),
        scope: told.scope.unwrap_or_default(),
    };
    bounds::event(&mut event);
    Some(event)
}

/// What an event means for the container that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing, or it is of no container.
    Nothing,
    /// It is otherwise.
    Otherwise,
    /// It is gone.
    Gone,
}

impl Meaning {
    /// That of this event.
    pub(super) fn of(event: &proto::Event) -> Self {
        // `exec_create: sh -c ls`
        let action = event.action.split(':').next().unwrap_or_default();
        match action {
            _ if event.r#type != "container" || event.actor_id.is_empty() => Self::Nothing,
            "destroy" => Self::Gone,
            action if UNCHANGING.contains(&action) => Self::Nothing,
            _ => Self::Otherwise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check = |line: &str, expected: Option<(i64, &str, &str, &str)>| {
            let event = of_line(line.as_bytes());
            let event = event.as_ref().map(|event| {
                (
                    event.time_nano,
                    event.r#type.as_str(),
                    event.action.as_str(),
                    event.actor_id.as_str(),
                )
            });
            assert_eq!(event, expected, "{line}");
        };
        check(
            r#"{"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"a":"b"}},"time":5,"timeNano":5000000001}"#,
            Some((5_000_000_001, "container", "die", "c1")),
        );
        check(
            r#"{"Type":"moon","Action":"rise","time":5}"#,
            Some((5_000_000_000, "moon", "rise", "")),
        );
        check(
            r#"{"Type":"a","Action":"b","time":9223372036854775807}"#,
            Some((i64::MAX, "a", "b", "")),
        );
        check(
            r#"{"Type":"a","Action":"b","timeNano":-1}"#,
            Some((-1, "a", "b", "")),
        );
        check(r#"{"Action":"die"}"#, None);
        check("{", None);
        check("", None);
    }

    #[test]
    fn meanings() {
        let check = |kind: &str, action: &str, expected: Meaning| {
            let event = proto::Event {
                r#type: kind.to_owned(),
                action: action.to_owned(),
                actor_id: "c1".to_owned(),
                ..proto::Event::default()
            };
            assert_eq!(Meaning::of(&event), expected, "{kind} {action}");
        };
        check("container", "start", Meaning::Otherwise);
        check("container", "health_status: healthy", Meaning::Otherwise);
        check("container", "something new", Meaning::Otherwise);
        check("container", "exec_create: sh -c ls", Meaning::Nothing);
        check("container", "destroy", Meaning::Gone);
        check("image", "destroy", Meaning::Nothing);
        check("network", "connect", Meaning::Nothing);
    }
}
