//! The events that a change makes.

use wire::container::Exit;
use wire::event::attribute;
use wire::spec::{NetworkMode, Pair};
use wire::{Action, Container, Event, EventKind, Time};

use crate::clock;
use crate::runtime::PastEvent;

/// An event of a container, with what every one of them carries.
pub(super) fn of(container: &Container, action: Action, time: Time) -> Event {
    Event {
        sequence: 0,
        time,
        kind: EventKind::Container,
        action,
        actor: container.id.to_string(),
        attributes: vec![
            Pair::new(attribute::NAME, container.name.as_str()),
            Pair::new(attribute::IMAGE, container.spec.image.as_str()),
        ],
        labels: container.spec.labels.clone(),
    }
}

/// The same event with one more attribute.
pub(super) fn with(mut event: Event, key: &str, value: impl Into<String>) -> Event {
    event.attributes.push(Pair::new(key, value));
    event
}

/// A container's first process runs.
pub(super) fn started(container: &Container, time: Time, pid: u32, restart_count: Option<u32>) -> Vec<Event> {
    let mut start = with(
        of(container, Action::Start, time),
        attribute::PID,
        pid.to_string(),
    );
    if let Some(count) = restart_count {
        start = with(start, attribute::RESTART_COUNT, count.to_string());
    }
    vec![network(container, Action::Connect, time), start]
}

/// A container's first process ended.
pub(super) fn ended(container: &Container, exit: &Exit, time: Time) -> Vec<Event> {
    let mut events = Vec::with_capacity(3);
    let mut die = of(container, Action::Die, time);
    if !exit.unknown {
        die = with(die, attribute::EXIT_CODE, exit.code.to_string());
        let run = clock::ran_for(&container.state, time).as_secs();
        die = with(die, attribute::RUN_SECONDS, run.to_string());
    }
    if exit.oom {
        events.push(of(container, Action::Oom, time));
        die = with(die, attribute::OOM, "1");
    }
    events.push(die);
    events.push(network(container, Action::Disconnect, time));
    events
}

/// A signal was sent.
pub(super) fn killed(container: &Container, signal: i32) -> Event {
    with(
        of(container, Action::Kill, clock::now()),
        attribute::SIGNAL,
        signal.to_string(),
    )
}

/// Something happened to an image.
pub(super) fn image(id: &wire::ImageId, action: Action, name: &str) -> Event {
    Event {
        time: clock::now(),
        kind: EventKind::Image,
        action,
        actor: id.to_string(),
        attributes: vec![Pair::new(attribute::NAME, name)],
        ..Event::default()
    }
}

/// Something happened to the bridge itself.
pub(super) fn daemon(action: Action) -> Event {
    Event {
        time: clock::now(),
        kind: EventKind::Daemon,
        action,
        attributes: vec![Pair::new(attribute::VERSION, env!("CARGO_PKG_VERSION"))],
        ..Event::default()
    }
}

/// Something that a runtime has kept of the time before this journal.
pub(super) fn past(event: &PastEvent, runtime: &str) -> Event {
    Event {
        time: event.time,
        kind: EventKind::Container,
        action: event.action,
        actor: event.id.to_string(),
        attributes: vec![
            Pair::new(attribute::NAME, event.name.as_str()),
            Pair::new(attribute::RUNTIME, runtime),
        ],
        ..Event::default()
    }
}

/// Marks an event whose own time nobody knows.
pub(super) fn found_later(event: Event) -> Event {
    with(event, attribute::FOUND_LATER, "1")
}

fn network(container: &Container, action: Action, time: Time) -> Event {
    let (name, kind) = match container.spec.network.mode {
        NetworkMode::None => ("none", "none"),
        NetworkMode::Host => ("host", "host"),
        NetworkMode::Named => (container.spec.network.name.as_str(), "bridge"),
        NetworkMode::Default | NetworkMode::Bridge | NetworkMode::Unknown(_) => ("bridge", "bridge"),
    };
    Event {
        time,
        kind: EventKind::Network,
        action,
        actor: name.to_owned(),
        attributes: vec![
            Pair::new(attribute::NAME, name),
            Pair::new(attribute::NETWORK_KIND, kind),
            Pair::new(attribute::CONTAINER, container.id.to_string()),
        ],
        ..Event::default()
    }
}
