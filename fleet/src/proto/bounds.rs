//! What a node tells, held to what it may: by itself, so that no message is longer than messages may be, and by the
//! coordinator, which does not trust it to be modest.

use std::collections::HashMap;

use super::from_node::Kind;
use super::{Container, Engine, Event};
use crate::limits::{self, SNAPSHOT_CONTAINERS};

/// Cuts what is told to be kept, all that is in it. What is left out holds no memory any more: what waits would be bounded
/// in letters alone.
pub fn kept(kind: &mut Kind) {
    match kind {
        Kind::Change(change) => {
            if let Some(told) = &mut change.event {
                event(told);
            }
            let told = change.container.take();
            change.container = told.and_then(|mut told| container(&mut told).then_some(told));
        }
        Kind::Snapshot(snapshot) => list(&mut snapshot.containers, SNAPSHOT_CONTAINERS, container),
        Kind::Engine(told) => engine(told),
        _ => {}
    }
}

/// Cuts a list to `max` of what `is_one` finds to be one, in order.
fn list<T>(list: &mut Vec<T>, max: usize, is_one: impl FnMut(&mut T) -> bool) {
    list.truncate(max);
    list.retain_mut(is_one);
    list.shrink_to_fit();
}

/// Cuts an event to what may be kept.
pub fn event(event: &mut Event) {
    text(&mut event.r#type, limits::WORD_BYTES);
    text(&mut event.action, limits::TEXT_BYTES);
    text(&mut event.actor_id, limits::TEXT_BYTES);
    text(&mut event.scope, limits::WORD_BYTES);
    map(&mut event.attributes);
}

/// Cuts a container to what may be kept; `false` where it is none.
pub fn container(container: &mut Container) -> bool {
    if container.id.is_empty() || container.id.len() > limits::WORD_BYTES {
        return false;
    }
    list(&mut container.names, limits::CONTAINER_LIST_MAX, |name| {
        text(name, limits::TEXT_BYTES);
        true
    });
    text(&mut container.image, limits::TEXT_BYTES);
    text(&mut container.image_id, limits::TEXT_BYTES);
    text(&mut container.command, limits::TEXT_BYTES);
    text(&mut container.state, limits::WORD_BYTES);
    text(&mut container.health, limits::WORD_BYTES);
    map(&mut container.labels);
    list(&mut container.ports, limits::CONTAINER_LIST_MAX, |port| {
        text(&mut port.protocol, limits::WORD_BYTES);
        text(&mut port.ip, limits::WORD_BYTES);
        true
    });
    true
}

/// Cuts an engine's words to what may be kept.
pub fn engine(engine: &mut Engine) {
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

/// Cuts `text` to at most `max` bytes, between two letters.
pub fn text(text: &mut String, max: usize) {
    if text.len() > max {
        let end = (0..=max).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.shrink_to_fit();
    }
}

/// Takes out what is too much, the longest first: short labels are those that programs look at.
fn map(map: &mut HashMap<String, String>) {
    let length = |(name, value): (&String, &String)| name.len().saturating_add(value.len());
    let total: usize = map.iter().map(length).fold(0, usize::saturating_add);
    if total <= limits::MAP_BYTES && map.len() <= limits::MAP_MAX {
        return;
    }
    // As large as what is left, not as what there was.
    let mut pairs: Vec<(String, String)> = std::mem::take(map).into_iter().collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let check = |given: &str, max: usize, expected: &str| {
            let mut given = given.to_owned();
            text(&mut given, max);
            assert_eq!(given, expected);
        };
        check("abc", 3, "abc");
        check("abc", 2, "ab");
        check("aä", 2, "a");
        check("ää", 1, "");
        check("", 0, "");
    }

    #[test]
    fn the_longest_labels_go_first() {
        let mut labels = HashMap::from([
            ("long".to_owned(), "x".repeat(limits::MAP_BYTES)),
            ("short".to_owned(), "y".to_owned()),
        ]);
        map(&mut labels);
        assert_eq!(
            labels.into_iter().collect::<Vec<_>>(),
            [("short".to_owned(), "y".to_owned())]
        );
        let mut many: HashMap<_, _> = (0..limits::MAP_MAX * 2)
            .map(|number| (number.to_string(), String::new()))
            .collect();
        map(&mut many);
        assert_eq!(many.len(), limits::MAP_MAX);
        assert!(many.contains_key("7"));
    }

    #[test]
    fn whatever_is_told_fits_into_a_message() {
        let long = || "x".repeat(1 << 20);
        let map = || {
            (0..1000)
                .map(|number| (format!("{number:01000}"), long()))
                .collect()
        };
        let mut told = Container {
            id: "c1".to_owned(),
            names: vec![long(); 1000],
            image: long(),
            image_id: long(),
            command: long(),
            state: long(),
            health: long(),
            labels: map(),
            ports: vec![
                super::super::Port {
                    ip: long(),
                    protocol: long(),
                    ..Default::default()
                };
                1000
            ],
            ..Container::default()
        };
        assert!(container(&mut told));
        let mut happened = Event {
            attributes: map(),
            action: long(),
            actor_id: long(),
            ..Event::default()
        };
        event(&mut happened);
        let change = super::super::Change {
            event: Some(happened),
            container: Some(told),
            ..Default::default()
        };
        // A message may have 256 KiB.
        assert!(prost::Message::encoded_len(&change) < 200 << 10);
    }

    #[test]
    fn what_is_left_out_holds_no_memory() {
        let mut told = Container {
            id: "c1".to_owned(),
            image: "x".repeat(200 << 10),
            names: vec![String::new(); 100_000],
            labels: (0..30_000)
                .map(|number| (number.to_string(), String::new()))
                .collect(),
            ports: vec![super::super::Port::default(); 100_000],
            ..Container::default()
        };
        assert!(container(&mut told));
        let sizes = [
            (told.image.capacity(), limits::TEXT_BYTES),
            (told.names.capacity(), limits::CONTAINER_LIST_MAX),
            (told.ports.capacity(), limits::CONTAINER_LIST_MAX),
            // A table has room for more than there are.
            (told.labels.capacity(), limits::MAP_MAX * 2),
        ];
        for (capacity, max) in sizes {
            assert!(capacity <= max, "{sizes:?}");
        }
        let mut many = Kind::Snapshot(super::super::Snapshot {
            containers: vec![Container::default(); 10_000],
            is_last: true,
        });
        kept(&mut many);
        let Kind::Snapshot(many) = many else {
            unreachable!()
        };
        assert!(many.containers.capacity() == 0 && many.is_last);
    }

    #[test]
    fn what_is_no_container() {
        let check = |id: String, expected: bool| {
            let mut told = Container {
                id,
                ..Container::default()
            };
            assert_eq!(container(&mut told), expected, "{}", told.id.len());
        };
        check(String::new(), false);
        check("c1".to_owned(), true);
        check("x".repeat(limits::WORD_BYTES), true);
        check("x".repeat(limits::WORD_BYTES + 1), false);
    }
}
