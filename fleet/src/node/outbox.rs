//! What a node says fits into a message.

use prost::Message as _;

use crate::limits::FLEET_MESSAGE_MAX;
use crate::proto::from_node::Kind;
use crate::proto::{FromNode, Snapshot};

/// The same in messages that are not too long: a snapshot is cut where that helps. What cannot be cut is left out.
pub(super) fn fitting(message: FromNode) -> Vec<FromNode> {
    let length = message.encoded_len();
    if length <= FLEET_MESSAGE_MAX {
        return vec![message];
    }
    match message.kind {
        Some(Kind::Snapshot(mut snapshot)) if snapshot.containers.len() > 1 => {
            let middle = snapshot.containers.len() / 2;
            let second = Snapshot {
                containers: snapshot.containers.split_off(middle),
                is_last: snapshot.is_last,
            };
            snapshot.is_last = false;
            let halves = [snapshot, second].map(Kind::Snapshot);
            halves
                .into_iter()
                .flat_map(|half| fitting(FromNode { kind: Some(half) }))
                .collect()
        }
        Some(Kind::Snapshot(mut snapshot)) => {
            let id = snapshot.containers.first().map(|container| container.id.as_str());
            tracing::error!(
                length,
                id,
                "a container is too large to be told of: are its labels?"
            );
            snapshot.containers.clear();
            vec![FromNode {
                kind: Some(Kind::Snapshot(snapshot)),
            }]
        }
        Some(Kind::Change(mut change)) => {
            tracing::error!(
                length,
                "a change is too large to be told: its container is left out"
            );
            change.container = None;
            if let Some(event) = &mut change.event {
                event.attributes.clear();
            }
            let kind = Some(Kind::Change(change));
            Some(FromNode { kind })
                .filter(|message| message.encoded_len() <= FLEET_MESSAGE_MAX)
                .into_iter()
                .collect()
        }
        _ => {
            tracing::error!(length, "a message is too large, and left out");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Change, Container, Event};

    fn container(id: &str, bytes: usize) -> Container {
        Container {
            id: id.to_owned(),
            command: "x".repeat(bytes),
            ..Container::default()
        }
    }

    #[test]
    fn snapshots_are_cut() {
        let check = |sizes: &[usize], is_last: bool, expected: &[&[&str]]| {
            let ids: Vec<String> = (0..sizes.len()).map(|number| number.to_string()).collect();
            let containers = ids
                .iter()
                .zip(sizes)
                .map(|(id, bytes)| container(id, *bytes))
                .collect();
            let kind = Some(Kind::Snapshot(Snapshot { containers, is_last }));
            let told = fitting(FromNode { kind });
            let mut seen = Vec::new();
            for (at, message) in told.iter().enumerate() {
                assert!(message.encoded_len() <= FLEET_MESSAGE_MAX);
                let Some(Kind::Snapshot(snapshot)) = &message.kind else {
                    panic!("{message:?}");
                };
                assert_eq!(snapshot.is_last, is_last && at + 1 == told.len(), "{sizes:?}");
                seen.push(
                    snapshot
                        .containers
                        .iter()
                        .map(|one| one.id.as_str())
                        .collect::<Vec<_>>(),
                );
            }
            assert_eq!(seen, expected, "{sizes:?}");
        };
        let half = FLEET_MESSAGE_MAX / 2;
        check(&[1, 1, 1], true, &[&["0", "1", "2"]]);
        check(&[half, half, 1, 1], true, &[&["0"], &["1"], &["2", "3"]]);
        check(&[half, half], false, &[&["0"], &["1"]]);
        check(&[1, FLEET_MESSAGE_MAX], true, &[&["0"], &[]]);
        check(&[], true, &[&[]]);
    }

    #[test]
    fn what_cannot_be_cut_is_left_out() {
        let change = Change {
            number: 7,
            event: Some(Event::default()),
            container: Some(container("a", FLEET_MESSAGE_MAX)),
            is_gone: false,
        };
        let told = fitting(FromNode {
            kind: Some(Kind::Change(change)),
        });
        let [
            FromNode {
                kind: Some(Kind::Change(change)),
            },
        ] = told.as_slice()
        else {
            panic!("{told:?}");
        };
        assert_eq!((change.number, change.container.is_none()), (7, true));
    }
}
