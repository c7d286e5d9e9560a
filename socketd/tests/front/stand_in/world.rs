//! What the stand-in answers of its own accord.

use std::sync::atomic::Ordering;
use std::time::Duration;

use wire::container::Exit;
use wire::request::{IfNewer, Nothing, PollEvents};
use wire::response::{Containers, Created, Events, Exited, ImageRemoved, Images, Lagged, Subscribed};
use wire::{
    Action, Container, ContainerId, Event, EventKind, Flow, Image, ImageId, Info, Refusal, RefusalCode,
    Request, Response, Summary, Time,
};

use super::{Peer, Shared, World};

/// An event as the stand-in makes them: one a second, from second 1000 on.
pub(crate) fn event(sequence: u64, action: Action, name: &str) -> Event {
    Event {
        sequence,
        time: Time((1000 + sequence) * 1_000_000_000),
        kind: EventKind::Container,
        action,
        actor: ContainerId([7; 32]).to_string(),
        attributes: vec![
            wire::spec::Pair::new("name", name),
            wire::spec::Pair::new("image", "bb"),
        ],
        ..Event::default()
    }
}

/// A container that was never started.
pub(crate) fn summary(number: u8, name: &str) -> Summary {
    Summary {
        id: ContainerId([number; 32]),
        name: name.to_owned(),
        runtime: "native".to_owned(),
        created_at: Time(1_700_000_000_000_000_000),
        image_id: ImageId([9; 32]),
        image: "bb".to_owned(),
        arguments: vec!["true".to_owned()],
        ..Summary::default()
    }
}

/// An image with one name.
pub(crate) fn image(number: u8, tag: &str) -> Image {
    Image {
        id: ImageId([number; 32]),
        created_at: Time(1_700_000_000_000_000_000),
        architecture: "amd64".to_owned(),
        tags: vec![tag.to_owned()],
        ..Image::default()
    }
}

/// The world's own answer.
pub(super) fn answer(shared: &Shared, peer: &mut Peer, request: Request) {
    let expected = if request.opcode().number() < 32 {
        "watch.sock"
    } else {
        "control.sock"
    };
    assert_eq!(peer.socket, expected, "{request:?}");
    match request {
        Request::Subscribe(subscribe) => return subscription(shared, peer, subscribe.after),
        Request::Wait(_) => return wait(shared, peer),
        Request::ImportImage(_) => return import(shared, peer),
        _ => {}
    }
    let world = shared.world.lock().unwrap();
    let response = match request {
        Request::Info(_) => Response::Info(Box::new(info(&world))),
        Request::ListContainers(IfNewer { than }) | Request::ListImages(IfNewer { than })
            if than == world.revision =>
        {
            Response::NotModified(Nothing {})
        }
        Request::ListContainers(_) => return list(&world, peer),
        Request::ListImages(_) => Response::Images(Images {
            revision: world.revision,
            images: world.images.clone(),
        }),
        Request::InspectContainer(named) => match find(&world, &named.reference) {
            Some(found) => Response::Container(Box::new(found)),
            None => refuse(RefusalCode::NoSuchContainer, &named.reference),
        },
        Request::PollEvents(poll) => Response::Events(poll_events(&world, &poll)),
        Request::DiskUsage(_) => Response::Usage(wire::response::Usage::default()),
        Request::Create(_) => Response::Created(Created {
            id: ContainerId([5; 32]),
            warnings: vec!["from the bridge".to_owned()],
        }),
        Request::RemoveImage(_) => Response::ImageRemoved(ImageRemoved {
            untagged: vec!["bb:latest".to_owned()],
            deleted: true,
        }),
        _ => Response::Done(Nothing {}),
    };
    drop(world);
    peer.answer(&response);
}

pub(crate) fn refuse(code: RefusalCode, subject: &str) -> Response {
    Response::Refused(Refusal::about(code, subject))
}

fn info(world: &World) -> Info {
    let mut info = Info {
        host_id: "ab".repeat(32),
        hostname: "stand-in".to_owned(),
        architecture: "x86_64".to_owned(),
        cpus: 2,
        networks: world.networks.clone(),
        ..Info::default()
    };
    info.journal.first_sequence = world.forgotten + 1;
    info.journal.last_sequence = world.events.last().map_or(0, |last| last.sequence);
    info
}

/// Two containers a frame, so that every longer list is several.
fn list(world: &World, peer: &mut Peer) {
    let mut parts: Vec<_> = world.containers.chunks(2).map(<[_]>::to_vec).collect();
    let last = parts.pop().unwrap_or_default();
    let part = |containers| {
        Response::Containers(Containers {
            revision: world.revision,
            containers,
        })
    };
    for earlier in parts {
        peer.frame(Flow::More, &part(earlier));
    }
    peer.answer(&part(last));
}

fn find(world: &World, reference: &str) -> Option<Container> {
    let mut containers = world.containers.iter();
    let found = containers.find(|found| found.name == reference || found.id.to_string() == reference)?;
    Some(Container {
        id: found.id,
        name: found.name.clone(),
        image_id: found.image_id,
        spec: wire::Spec {
            process: world.process.clone(),
            network: wire::spec::Network {
                mode: found.network_mode,
                name: found.network.clone(),
                address: found.address.clone(),
                forwarded: found.forwarded,
                published: found.published.clone(),
                ..wire::spec::Network::default()
            },
            ..wire::Spec::default()
        },
        state: found.state.clone(),
        ..Container::default()
    })
}

fn poll_events(world: &World, poll: &PollEvents) -> Events {
    let last_sequence = world.events.last().map_or(0, |last| last.sequence);
    let mut scanned_to = poll.after.min(last_sequence);
    let mut events = Vec::new();
    let mut since = poll.since;
    for event in &world.events {
        if event.sequence <= poll.after.max(world.forgotten) {
            continue;
        }
        if poll.from_there && event.time >= since {
            since = Time::NEVER;
        }
        if poll.count_max > 0 && events.len() >= poll.count_max as usize {
            break;
        }
        scanned_to = event.sequence;
        if event.time >= since {
            events.push(event.clone());
        }
    }
    Events {
        events,
        first_retained: world.forgotten + 1,
        last_sequence,
        scanned_to,
    }
}

/// Tells every event after the one asked for, one a frame, until the client or the stand-in ends.
fn subscription(shared: &Shared, peer: &mut Peer, after: Option<u64>) {
    let last = {
        let mut world = shared.world.lock().unwrap();
        world.subscriptions += 1;
        world.events.last().map_or(0, |last| last.sequence)
    };
    shared.tell();
    let mut position = after.unwrap_or(last);
    let after = position.min(last);
    peer.frame(Flow::More, &Response::Subscribed(Subscribed { after }));
    let mut told = 0;
    // Nothing is sent under the lock: a client that does not read must not stop the world.
    while let Some(event) = next_event(shared, peer, position) {
        let lagging = {
            let mut world = shared.world.lock().unwrap();
            let lagging = world.lag_after.is_some_and(|most| told >= most);
            if lagging {
                world.lag_after = None;
            }
            lagging
        };
        if lagging {
            peer.answer(&Response::Lagged(Lagged { since: position }));
            break;
        }
        position = event.sequence;
        told += 1;
        let page = Events {
            events: vec![event],
            first_retained: 1,
            last_sequence: position,
            scanned_to: position,
        };
        peer.frame(Flow::More, &Response::Events(page));
    }
    shared.world.lock().unwrap().subscriptions -= 1;
    shared.tell();
}

/// Waits for the event after `position`; none when the client or the stand-in ends.
fn next_event(shared: &Shared, peer: &Peer, position: u64) -> Option<Event> {
    let mut world = shared.world.lock().unwrap();
    loop {
        if shared.ended.load(Ordering::SeqCst) || peer.has_ended() {
            return None;
        }
        let found = world.events.iter().find(|event| event.sequence > position);
        if let Some(event) = found {
            return Some(event.clone());
        }
        // Woken by every change; looks now and then whether the client is still there.
        world = shared
            .changed
            .wait_timeout(world, Duration::from_millis(20))
            .unwrap()
            .0;
    }
}

fn wait(shared: &Shared, peer: &mut Peer) {
    peer.frame(Flow::More, &Response::Waiting(Nothing {}));
    let mut world = shared.world.lock().unwrap();
    while !world.exited {
        if shared.ended.load(Ordering::SeqCst) || peer.has_ended() {
            world.waits_abandoned += 1;
            drop(world);
            shared.tell();
            return;
        }
        world = shared
            .changed
            .wait_timeout(world, Duration::from_millis(20))
            .unwrap()
            .0;
    }
    peer.answer(&Response::Exited(Exited {
        exit: Exit {
            code: 7,
            ..Exit::default()
        },
        ..Exited::default()
    }));
}

fn import(shared: &Shared, peer: &mut Peer) {
    let passed = peer
        .passed
        .pop_front()
        .expect("a descriptor comes with an import");
    assert!(peer.passed.is_empty(), "exactly one descriptor");
    let upload = passed.read_to_end();
    drop(passed);
    let whole = upload.1.is_ok();
    shared.world.lock().unwrap().uploads.push(upload);
    shared.tell();
    peer.answer(&if whole {
        Response::Imported(Box::new(image(3, "new:latest")))
    } else {
        refuse(RefusalCode::InvalidArchive, "")
    });
}
