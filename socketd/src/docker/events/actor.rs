//! What an event is about: its id, and what is told of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use wire::event::attribute;
use wire::network::NetworkInfo;
use wire::{Action, Event, EventKind};

use crate::docker::networks::{Networks, driver};

/// What an event is about.
#[derive(Debug, Serialize)]
pub(super) struct Actor<'a> {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(rename = "Attributes")]
    pub(super) attributes: BTreeMap<&'a str, Cow<'a, str>>,
}

impl<'a> Actor<'a> {
    pub(super) fn new(event: &'a Event, networks: &Networks) -> Self {
        match event.kind {
            EventKind::Network => network_actor(event, networks),
            EventKind::Image => image_actor(event),
            _ => Self {
                id: event.actor.clone(),
                attributes: attributes(event),
            },
        }
    }

    /// The value of an attribute; empty where it has none.
    pub(super) fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", AsRef::as_ref)
    }
}

/// Labels, and over them what is known by Docker's names; what only the bridge needs is left out.
fn attributes(event: &Event) -> BTreeMap<&str, Cow<'_, str>> {
    let mut attributes: BTreeMap<&str, Cow<'_, str>> = event
        .labels
        .iter()
        .map(|label| (label.key.as_str(), Cow::from(label.value.as_str())))
        .collect();
    for pair in &event.attributes {
        if let Some(name) = attribute_name(&pair.key) {
            let value = match name {
                // Docker kept the slash of names here alone.
                "oldName" => Cow::from(format!("/{}", pair.value)),
                _ => Cow::from(pair.value.as_str()),
            };
            attributes.insert(name, value);
        }
    }
    // Nobody saw the end, and Docker has no other way to say so than the code it uses after a crash.
    if event.kind == EventKind::Container && event.action == Action::Die {
        attributes.entry("exitCode").or_insert(Cow::from("255"));
    }
    attributes
}

fn attribute_name(key: &str) -> Option<&'static str> {
    Some(match key {
        attribute::NAME => "name",
        attribute::IMAGE => "image",
        attribute::EXIT_CODE => "exitCode",
        attribute::SIGNAL => "signal",
        attribute::OLD_NAME => "oldName",
        attribute::CONTAINER => "container",
        attribute::RUN_SECONDS => "execDuration",
        attribute::EXEC => "execID",
        attribute::ROWS => "height",
        attribute::COLUMNS => "width",
        attribute::PATH => "path",
        attribute::COMMENT => "comment",
        _ => return None,
    })
}

/// Whether an event is about a network that is none of these.
#[must_use]
pub fn is_of_another_network(event: &Event, networks: &Networks) -> bool {
    event.kind == EventKind::Network && network_of(event, networks).is_none()
}

fn network_of<'a>(event: &Event, networks: &'a Networks) -> Option<&'a NetworkInfo> {
    let name = event.attribute(attribute::NAME).unwrap_or(&event.actor);
    networks.find(name).or_else(|| networks.find(&event.actor))
}

/// A network goes by its id; the bridge tells of it by name.
fn network_actor<'a>(event: &'a Event, networks: &Networks) -> Actor<'a> {
    let mut attributes = attributes(event);
    let found = network_of(event, networks);
    let kind = match found {
        Some(network) => driver(network.kind),
        // One that is gone: its id went with it, its kind is told.
        None => match event.attribute(attribute::NETWORK_KIND) {
            Some("bridge") => "bridge",
            Some("host") => "host",
            _ => "null",
        },
    };
    let name = match found {
        Some(network) => network.name.as_str(),
        None => event.attribute(attribute::NAME).unwrap_or(&event.actor),
    };
    attributes.insert("name", Cow::from(name.to_owned()));
    attributes.insert("type", Cow::from(kind));
    Actor {
        id: found.map_or_else(|| event.actor.clone(), |network| network.id.to_string()),
        attributes,
    }
}

fn image_actor(event: &Event) -> Actor<'_> {
    let id = if event.actor.starts_with("sha256:") {
        event.actor.clone()
    } else {
        format!("sha256:{}", event.actor)
    };
    let mut attributes = attributes(event);
    // One without a name goes by its id, and Docker writes that in the same way everywhere.
    let name = attributes.entry("name").or_default();
    if name.is_empty() || *name == event.actor {
        *name = Cow::from(id.clone());
    }
    Actor { id, attributes }
}
