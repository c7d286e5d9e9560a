//! What a node tells, made what is kept: cut to what may be, for a node is not trusted to be modest.

use prost::Message as _;

use super::view::Container;
use crate::coordinator::store::{Entry, Happening};
use crate::proto::{self, bounds};

/// What a change tells, cut to what may be kept; none where it tells nothing.
pub(super) fn happening(change: proto::Change) -> Option<Happening> {
    let mut event = change.event?;
    bounds::event(&mut event);
    let is_gone = change.is_gone && event.r#type == "container";
    let found = change.container.filter(|_| !is_gone).map(Box::new);
    let container = found.and_then(|mut found| bounds::container(&mut found).then_some(found));
    Some(Happening::Event {
        event,
        container,
        is_gone,
    })
}

/// A container as a node would tell it.
pub(super) fn container(container: &Container) -> proto::Container {
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
