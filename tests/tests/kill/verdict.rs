//! What must be true of events, whoever was killed when.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::driver::Account;
use crate::reader::Heard;

/// Every reader heard what the journal holds: all of it, once, in its order.
pub(crate) fn all_heard_the_same(readers: &[Heard], journal: &[Value]) {
    let journal: Vec<String> = journal.iter().map(Value::to_string).collect();
    assert_eq!(doubles(&journal), Vec::<&str>::new(), "twice in the journal");
    for (number, heard) in readers.iter().enumerate() {
        let first = heard
            .events
            .iter()
            .zip(&journal)
            .position(|(heard, kept)| heard != kept);
        let told: HashSet<_> = heard.events.iter().collect();
        let kept: HashSet<_> = journal.iter().collect();
        let lost: Vec<_> = journal.iter().filter(|event| !told.contains(event)).collect();
        let invented: Vec<_> = heard
            .events
            .iter()
            .filter(|event| !kept.contains(event))
            .collect();
        let doubles = doubles(&heard.events);
        assert!(
            heard.events == journal,
            "reader {number} (of {} breaks) heard {} of {} events; first difference at {first:?}; \
             lost {lost:?}; twice {doubles:?}; not in the journal {invented:?}",
            heard.breaks,
            heard.events.len(),
            journal.len(),
        );
    }
}

/// What was acknowledged happened once, what was not at most once, and nothing else happened.
pub(crate) fn accounts_are_true(accounts: &[Account], journal: &[Value]) {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for event in containers(journal) {
        *counts.entry((text(&event["Action"]), name(event))).or_default() += 1;
    }
    let mut asked = HashSet::new();
    for account in accounts {
        for (action, name) in &account.sure {
            let count = counts.get(&(*action, name.as_str())).copied().unwrap_or_default();
            assert_eq!(count, 1, "{action} of {name} was acknowledged");
            asked.insert((*action, name.as_str()));
        }
        for (action, name) in &account.unclear {
            let count = counts.get(&(*action, name.as_str())).copied().unwrap_or_default();
            assert!(count <= 1, "{action} of {name} happened {count} times");
            asked.insert((*action, name.as_str()));
        }
    }
    for deed in counts.keys() {
        // A container ends by itself, or because it is removed.
        assert!(
            matches!(deed.0, "die" | "kill") || asked.contains(deed),
            "nobody asked for {deed:?}"
        );
    }
}

/// Each container is created first, starts and dies in turn, is destroyed last and has nothing after that.
pub(crate) fn lives_are_whole(journal: &[Value]) {
    #[derive(Debug, PartialEq)]
    enum Life {
        Still,
        Running,
        Over,
    }
    let mut lives: HashMap<&str, Life> = HashMap::new();
    for event in containers(journal) {
        let (id, action) = (text(&event["Actor"]["ID"]), text(&event["Action"]));
        let next = match (lives.get(id), action) {
            (None, "create") | (Some(Life::Running), "die") => Life::Still,
            (Some(Life::Still), "start") => Life::Running,
            (Some(Life::Still), "destroy") => Life::Over,
            (Some(Life::Still), "rename" | "kill") => Life::Still,
            (Some(Life::Running), "rename" | "kill") => Life::Running,
            (life, _) => panic!("{life:?}, and then {event}"),
        };
        lives.insert(id, next);
    }
    let unended: Vec<_> = lives.iter().filter(|(_, life)| **life != Life::Over).collect();
    assert!(unended.is_empty(), "everything was removed, but not {unended:?}");
}

fn doubles(events: &[String]) -> Vec<&str> {
    let mut seen = HashSet::new();
    events
        .iter()
        .map(String::as_str)
        .filter(|event| !seen.insert(*event))
        .collect()
}

fn containers(journal: &[Value]) -> impl Iterator<Item = &Value> {
    journal.iter().filter(|event| event["Type"] == "container")
}

fn name(event: &Value) -> &str {
    text(&event["Actor"]["Attributes"]["name"])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
