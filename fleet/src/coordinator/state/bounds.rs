//! What a node tells, held to what it may: a node is not trusted to be modest.

use std::collections::HashMap;

use prost::Message as _;

use super::view::Container;
use crate::coordinator::store::{Entry, Happening};
use crate::limits;
use crate::proto;

/// What a change tells, cut to what may be kept; none where it tells nothing.
pub(super) fn happening(change: proto::Change) -> Option<Happening> {
    let mut event = change.event?;
    text(&mut event.r#type, limits::WORD_BYTES);
    text(&mut event.action, limits::TEXT_BYTES);
    text(&mut event.actor_id, limits::TEXT_BYTES);
    text(&mut event.scope, limits::WORD_BYTES);
    map(&mut event.attributes);
    let is_gone = change.is_gone && event.r#type == "container";
    let found = change.container.filter(|_| !is_gone).map(Box::new);
    let container = found.and_then(|mut found| container(&mut found).then_some(found));
    Some(Happening::Event {
        event,
        container,
        is_gone,
    })
}

/// Cuts a container to what may be kept; `false` where it is none.
pub(super) fn container(container: &mut proto::Container) -> bool {
    if container.id.is_empty() || container.id.len() > limits::WORD_BYTES {
        return false;
    }
    container.names.truncate(limits::CONTAINER_LIST_MAX);
    for name in &mut container.names {
        text(name, limits::TEXT_BYTES);
    }
    text(&mut container.image, limits::TEXT_BYTES);
    text(&mut container.image_id, limits::TEXT_BYTES);
    text(&mut container.command, limits::TEXT_BYTES);
    text(&mut container.state, limits::WORD_BYTES);
    text(&mut container.health, limits::WORD_BYTES);
    map(&mut container.labels);
    container.ports.truncate(limits::CONTAINER_LIST_MAX);
    for port in &mut container.ports {
        text(&mut port.protocol, limits::WORD_BYTES);
        text(&mut port.ip, limits::WORD_BYTES);
    }
    true
}

/// A container as a node would tell it.
pub(super) fn told(container: &Container) -> proto::Container {
    let ports = container.ports.iter().map(|port| proto::Port {
        private_port: port.private_port.into(),
        public_port: port.public_port.unwrap_or(0).into(),
        protocol: (*port.protocol).to_owned(),
        ip: (*port.ip).to_owned(),
    });
    proto::Container {
        id: (*container.id).to_owned(),
        names: container.names.iter().map(|name| (**name).to_owned()).collect(),
        image: (*container.image).to_owned(),
        image_id: (*container.image_id).to_owned(),
        command: (*container.command).to_owned(),
        created: container.created,
        state: (*container.state).to_owned(),
        health: (*container.health).to_owned(),
        started_at_nano: container.started_at_nano,
        finished_at_nano: container.finished_at_nano,
        exit_code: container.exit_code,
        labels: container
            .labels
            .iter()
            .map(|(name, value)| ((**name).to_owned(), (**value).to_owned()))
            .collect(),
        ports: ports.collect(),
        restart_count: container.restart_count,
    }
}

/// Cuts an engine's words to what may be kept.
pub(super) fn engine(engine: &mut proto::Engine) {
    for word in [
        &mut engine.version,
        &mut engine.api_version,
        &mut engine.name,
        &mut engine.os,
        &mut engine.arch,
        &mut engine.kernel,
        &mut engine.error,
    ] {
        text(word, limits::TEXT_BYTES);
    }
}

/// About how many bytes of memory an entry is.
pub(super) fn bytes(entry: &Entry) -> usize {
    let inside = match &entry.what {
        Happening::Event { event, container, .. } => event
            .encoded_len()
            .saturating_add(container.as_ref().map_or(0, |container| container.encoded_len())),
        Happening::Changed { container, .. } => container.encoded_len(),
        Happening::Node { detail, .. } => detail.len(),
    };
    // What is around each word takes about as much as the word.
    inside.saturating_mul(2).saturating_add(size_of::<Entry>())
}

/// Cuts `text` to at most `max` bytes, between two letters.
pub(super) fn text(text: &mut String, max: usize) {
    if text.len() > max {
        let end = (0..=max).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
}

/// Takes out what is too much, the longest first: short labels are those that programs look at.
fn map(map: &mut HashMap<String, String>) {
    let length = |(name, value): (&String, &String)| name.len().saturating_add(value.len());
    let total: usize = map.iter().map(length).fold(0, usize::saturating_add);
    if total <= limits::MAP_BYTES && map.len() <= limits::MAP_MAX {
        return;
    }
    let mut pairs: Vec<(String, String)> = map.drain().collect();
    pairs.sort_unstable_by_key(|(name, value)| (name.len().saturating_add(value.len()), name.clone()));
    let mut bytes = 0_usize;
    let kept = pairs
        .into_iter()
        .take(limits::MAP_MAX)
        .take_while(|(name, value)| {
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            bytes <= limits::MAP_BYTES
        });
    map.extend(kept);
    tracing::debug!(total, "a node's labels are too long; the longest are left out");
}
