//! Events with numbers and a memory: version 1 has neither. Pure.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::SystemTime;

use wire::event::attribute;
use wire::info::JournalInfo;
use wire::limits::EVENTS_PER_ANSWER_MAX;
use wire::request::PollEvents;
use wire::response::Events;
use wire::spec::Pair;
use wire::{Action, ContainerId, Event, EventKind, Time, v1};

use super::identity;
use crate::limits::STOCK_EVENTS_MAX;

/// An event, as it was heard and as it is told.
#[derive(Debug)]
struct Kept {
    heard: v1::Event,
    event: Event,
}

/// Every event heard so far, each once, numbered in the order in which they were first heard.
#[derive(Debug)]
pub(super) struct History {
    kept: VecDeque<Kept>,
    /// What is in `kept`, to be found.
    heard: HashSet<v1::Event>,
    last_sequence: u64,
}

impl History {
    /// Empty. Numbers begin at the time of day, in milliseconds, so that a reader who comes back with
    /// a number of an earlier process is told that it is no longer kept.
    pub(super) fn new() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            kept: VecDeque::new(),
            heard: HashSet::new(),
            last_sequence: u64::try_from(now.as_millis()).unwrap_or_default(),
        }
    }

    /// Takes what the bridge still has; what was heard before is passed over. `image_of`: what the
    /// image of a container is called.
    pub(super) fn absorb(
        &mut self,
        events: Vec<v1::Event>,
        image_of: impl Fn(ContainerId) -> Option<String>,
    ) {
        let mut fresh: Vec<_> = events
            .into_iter()
            .filter(|event| action(event).is_some() && !self.heard.contains(event))
            .collect();
        fresh.sort_by_key(|event| event.time_ns);
        for heard in fresh {
            // The bridge's file may hold one twice.
            if !self.heard.insert(heard.clone()) {
                continue;
            }
            self.last_sequence = self.last_sequence.saturating_add(1);
            let event = translate(&heard, self.last_sequence, &image_of);
            self.kept.push_back(Kept { heard, event });
            if self.kept.len() > STOCK_EVENTS_MAX
                && let Some(oldest) = self.kept.pop_front()
            {
                self.heard.remove(&oldest.heard);
            }
        }
    }

    /// The last event's number, or what comes before the first.
    pub(super) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// The whole second of the newest event.
    pub(super) fn newest_s(&self) -> Option<i64> {
        self.kept.iter().map(|kept| kept.heard.time_s()).max()
    }

    /// Containers that something happened to.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.kept.iter().map(|kept| kept.heard.name.clone()).collect()
    }

    /// Whether a container has ended since the event of this number.
    pub(super) fn has_ended_since(&self, sequence: u64, id: ContainerId) -> bool {
        let id = id.to_string();
        self.after(sequence)
            .any(|event| event.action == Action::Die && event.actor == id)
    }

    pub(super) fn journal(&self) -> JournalInfo {
        JournalInfo {
            first_sequence: self.first_retained(),
            last_sequence: self.last_sequence,
            ..JournalInfo::default()
        }
    }

    /// The first number that is kept; where there is none, the next that there will be.
    fn first_retained(&self) -> u64 {
        let first = self.kept.front().map(|kept| kept.event.sequence);
        first.unwrap_or(self.last_sequence.saturating_add(1))
    }

    fn after(&self, sequence: u64) -> impl Iterator<Item = &Event> {
        let events = self.kept.iter().map(|kept| &kept.event);
        events.filter(move |event| event.sequence > sequence)
    }

    /// The number after which the first event not earlier than this comes.
    pub(super) fn place(&self, since: Time) -> u64 {
        let mut events = self.kept.iter().map(|kept| &kept.event);
        events
            .find(|event| event.time >= since)
            .map_or(self.last_sequence, |event| event.sequence.saturating_sub(1))
    }

    /// One page.
    pub(super) fn page(&self, poll: &PollEvents) -> Events {
        let (after, since) = if poll.from_there {
            (poll.after.max(self.place(poll.since)), Time::NEVER)
        } else {
            (poll.after, poll.since)
        };
        let most = match poll.count_max {
            0 => EVENTS_PER_ANSWER_MAX,
            count => count.min(EVENTS_PER_ANSWER_MAX),
        };
        let most = usize::try_from(most).unwrap_or_default();
        let passing = self.after(after).filter(|event| event.time >= since);
        let events: Vec<Event> = passing.take(most).cloned().collect();
        let scanned_to = match events.last() {
            Some(last) if events.len() == most => last.sequence,
            _ => self.last_sequence,
        };
        Events {
            events,
            first_retained: self.first_retained(),
            last_sequence: self.last_sequence,
            scanned_to,
        }
    }
}

/// What happened; none for what no bridge of today says.
fn action(event: &v1::Event) -> Option<Action> {
    match event.action.as_str() {
        "start" => Some(Action::Start),
        "die" => Some(Action::Die),
        "restart" => Some(Action::Restart),
        _ => None,
    }
}

/// Nobody saw how it ended, so no exit code is told.
fn translate(heard: &v1::Event, sequence: u64, image_of: impl Fn(ContainerId) -> Option<String>) -> Event {
    let id = identity::container(&heard.uuid, &heard.name);
    let mut attributes = vec![Pair::new(attribute::NAME, heard.name.clone())];
    if let Some(image) = image_of(id) {
        attributes.push(Pair::new(attribute::IMAGE, image));
    }
    Event {
        sequence,
        time: Time(u64::try_from(heard.time_ns).unwrap_or_default()),
        kind: EventKind::Container,
        action: action(heard).unwrap_or_default(),
        actor: id.to_string(),
        attributes,
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(time_ns: i64, action: &str) -> v1::Event {
        v1::Event {
            time_ns,
            action: action.to_owned(),
            name: "a".to_owned(),
            ..v1::Event::default()
        }
    }

    /// Times of a page, and the numbers beside it less the first number there can be.
    fn page(history: &History, first: u64, poll: PollEvents) -> (Vec<u64>, u64, u64) {
        let poll = PollEvents {
            after: if poll.after == 0 { 0 } else { first + poll.after },
            ..poll
        };
        let page = history.page(&poll);
        let times = page.events.iter().map(|event| event.time.0).collect();
        (times, page.scanned_to - first, page.last_sequence - first)
    }

    #[test]
    fn each_event_is_told_once_in_the_order_of_their_times() {
        let mut history = History::new();
        let first = history.last_sequence();
        history.absorb(
            vec![heard(20, "die"), heard(10, "start"), heard(10, "start")],
            |_| None,
        );
        // The bridge's clock was set back, and its file was cut meanwhile.
        history.absorb(
            vec![heard(20, "die"), heard(5, "start"), heard(30, "what")],
            |_| None,
        );
        let all = PollEvents::default();
        assert_eq!(page(&history, first, all.clone()), (vec![10, 20, 5], 3, 3));
        let after = PollEvents {
            after: 2,
            ..all.clone()
        };
        assert_eq!(page(&history, first, after), (vec![5], 3, 3));
        let since = PollEvents {
            since: Time(20),
            ..all.clone()
        };
        assert_eq!(page(&history, first, since.clone()), (vec![20], 3, 3));
        let from_there = PollEvents {
            from_there: true,
            ..since
        };
        assert_eq!(page(&history, first, from_there), (vec![20, 5], 3, 3));
        let two = PollEvents { count_max: 2, ..all };
        assert_eq!(page(&history, first, two), (vec![10, 20], 2, 3));
    }

    #[test]
    fn the_memory_has_an_end() {
        let mut history = History::new();
        let first = history.last_sequence();
        assert_eq!(history.journal().first_sequence, first + 1);
        for part in 0..10 {
            let events = (0..1000).map(|n| heard(part * 1000 + n, "start")).collect();
            history.absorb(events, |_| None);
        }
        assert_eq!(history.kept.len(), STOCK_EVENTS_MAX);
        assert_eq!(history.heard.len(), STOCK_EVENTS_MAX);
        let journal = history.journal();
        assert_eq!(journal.last_sequence, first + 10_000);
        let kept = u64::try_from(STOCK_EVENTS_MAX).unwrap();
        assert_eq!(journal.first_sequence, first + 10_001 - kept);
    }

    #[test]
    fn an_end_is_found_by_whose_it_is() {
        let mut history = History::new();
        let before = history.last_sequence();
        history.absorb(vec![heard(1, "die")], |_| None);
        assert!(history.has_ended_since(before, identity::container("", "a")));
        assert!(!history.has_ended_since(before, identity::container("", "b")));
        assert!(!history.has_ended_since(before + 1, identity::container("", "a")));
    }
}
