//! What the events say about each container, folded into one value per container.
//!
//! Pure: events in, state out. Every checkpoint holds it, so that the events themselves may go.

use std::collections::BTreeMap;

use wire::container::Exit;
use wire::event::attribute;
use wire::record::Value;
use wire::{Action, Event, EventKind, Invalid, Time, record};

use crate::limits::{PAST_ACTOR_BYTES_MAX, PAST_CONTAINERS_MAX, PAST_NAME_BYTES_MAX};

record! {
    /// What is known of one container from its events.
    pub struct ContainerPast {
        /// Its name, after every rename; empty where no event has said it.
        1 => name: String,
        /// When it was made; never where no event has said it.
        2 => created_at: Time,
        /// It was started and has not ended since.
        3 => running: bool,
        /// It is frozen.
        4 => paused: bool,
        /// How it last ended; none if it never did, or runs again.
        5 => exit: Option<Exit>,
        /// When it last started.
        6 => started_at: Time,
        /// When it last ended.
        7 => finished_at: Time,
        /// Somebody stopped or killed it and nobody has started it by hand since: a restart
        /// policy leaves it alone.
        8 => stopped_by_hand: bool,
        /// How often the restart policy started it since it was last started by hand.
        9 => restart_count: u32,
        /// The last event about it.
        10 => last_sequence: u64,
    }
}

/// The fold of every event so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// Containers by the actor of their events, which is their id.
    pub containers: BTreeMap<String, ContainerPast>,
    /// How many containers were forgotten because there were more than
    /// [`PAST_CONTAINERS_MAX`] at once.
    pub forgotten: u64,
}

record! {
    /// One container in a checkpoint.
    pub struct PastEntry {
        /// Its id.
        1 => actor: String,
        /// What is known of it.
        2 => past: ContainerPast,
    }
}

record! {
    /// A checkpoint's payload.
    pub struct Checkpoint {
        /// Containers, sorted by id.
        1 => containers: Vec<PastEntry>,
        /// How many were forgotten for want of room.
        2 => forgotten: u64,
    }
}

impl Past {
    /// Takes one event in. Events about anything but containers, and those that say nothing
    /// about a container's life, change nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.kind != EventKind::Container || event.actor.len() > PAST_ACTOR_BYTES_MAX {
            return;
        }
        if event.action == Action::Destroy {
            self.containers.remove(&event.actor);
            return;
        }
        if !tells_of_life(event.action) {
            return;
        }
        if !self.containers.contains_key(&event.actor) {
            self.make_room();
        }
        let container = self.containers.entry(event.actor.clone()).or_default();
        container.apply(event);
    }

    fn make_room(&mut self) {
        if self.containers.len() < PAST_CONTAINERS_MAX {
            return;
        }
        // One that runs is worth more than one that does not, however long it has been silent.
        let silent = self
            .containers
            .iter()
            .min_by_key(|(_, container)| (container.running, container.last_sequence))
            .map(|(actor, _)| actor.clone());
        if let Some(actor) = silent {
            self.containers.remove(&actor);
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// A checkpoint's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let containers = self
            .containers
            .iter()
            .map(|(actor, past)| PastEntry {
                actor: actor.clone(),
                past: past.clone(),
            })
            .collect();
        Checkpoint {
            containers,
            forgotten: self.forgotten,
        }
        .encode()
    }

    /// Reads a checkpoint's payload; fields of a later version are passed over.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let checkpoint = Checkpoint::decode(bytes, wire::reader::Unknown::Skip)?;
        Ok(Self {
            containers: checkpoint
                .containers
                .into_iter()
                .map(|entry| (entry.actor, entry.past))
                .collect(),
            forgotten: checkpoint.forgotten,
        })
    }
}

fn tells_of_life(action: Action) -> bool {
    matches!(
        action,
        Action::Create
            | Action::Start
            | Action::Die
            | Action::Stop
            | Action::Kill
            | Action::Pause
            | Action::Unpause
            | Action::Rename
    )
}

impl ContainerPast {
    fn apply(&mut self, event: &Event) {
        self.last_sequence = event.sequence;
        if let Some(name) = event.attribute(attribute::NAME)
            && name.len() <= PAST_NAME_BYTES_MAX
        {
            name.clone_into(&mut self.name);
        }
        match event.action {
            Action::Create => self.created_at = event.time,
            Action::Start => self.start(event),
            Action::Die => self.die(event),
            Action::Stop | Action::Kill => self.stopped_by_hand = true,
            Action::Pause => self.paused = true,
            Action::Unpause => self.paused = false,
            _ => {}
        }
    }

    fn start(&mut self, event: &Event) {
        let by_policy = event.attribute(attribute::RESTART_COUNT);
        if by_policy.is_none() {
            self.stopped_by_hand = false;
        }
        self.restart_count = by_policy.and_then(|count| count.parse().ok()).unwrap_or(0);
        self.running = true;
        self.paused = false;
        self.exit = None;
        self.started_at = event.time;
    }

    fn die(&mut self, event: &Event) {
        let code = event
            .attribute(attribute::EXIT_CODE)
            .and_then(|code| code.parse().ok());
        self.running = false;
        self.paused = false;
        self.exit = Some(Exit {
            code: code.unwrap_or(0),
            unknown: code.is_none(),
            oom: event.attribute(attribute::OOM) == Some("1"),
        });
        self.finished_at = event.time;
    }
}

#[cfg(test)]
mod tests;
