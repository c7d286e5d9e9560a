//! One `check` per life.

use super::{ContainerPast, Past};
use crate::limits::{CHECKPOINT_BYTES_MAX, PAST_ACTOR_BYTES_MAX, PAST_CONTAINERS_MAX, PAST_NAME_BYTES_MAX};
use crate::width::wide;
use wire::container::Exit;
use wire::spec::Pair;
use wire::{Action, Event, EventKind, Time};

/// Events of one container `c`, as action and attributes; their times are 1, 2, 3, ...
fn folded(events: &[(Action, &[(&str, &str)])]) -> Past {
    let mut past = Past::default();
    for (sequence, (action, attributes)) in (1..).zip(events) {
        past.apply(&event("c", sequence, *action, attributes));
    }
    past
}

fn event(actor: &str, sequence: u64, action: Action, attributes: &[(&str, &str)]) -> Event {
    Event {
        sequence,
        time: Time(sequence),
        kind: EventKind::Container,
        action,
        actor: actor.to_owned(),
        attributes: attributes
            .iter()
            .map(|(key, value)| Pair::new(*key, *value))
            .collect(),
        ..Event::default()
    }
}

#[track_caller]
fn check(events: &[(Action, &[(&str, &str)])], expected: &ContainerPast) {
    assert_eq!(folded(events).containers.get("c"), Some(expected));
}

#[test]
fn a_life_from_create_to_die() {
    check(
        &[
            (Action::Create, &[("name", "web")]),
            (Action::Start, &[]),
            (Action::Die, &[("exit_code", "137"), ("oom", "1")]),
        ],
        &ContainerPast {
            name: "web".to_owned(),
            created_at: Time(1),
            started_at: Time(2),
            finished_at: Time(3),
            exit: Some(Exit {
                code: 137,
                unknown: false,
                oom: true,
            }),
            last_sequence: 3,
            ..ContainerPast::default()
        },
    );
}

#[test]
fn an_end_that_nobody_saw_is_unknown() {
    for attributes in [&[][..], &[("exit_code", "many")]] {
        let past = folded(&[(Action::Die, attributes)]);
        let exit = past.containers["c"].exit.clone().unwrap();
        assert!(exit.unknown);
    }
}

#[test]
fn a_start_forgets_the_exit_but_not_when_it_was() {
    check(
        &[(Action::Die, &[("exit_code", "1")]), (Action::Start, &[])],
        &ContainerPast {
            running: true,
            started_at: Time(2),
            finished_at: Time(1),
            last_sequence: 2,
            ..ContainerPast::default()
        },
    );
}

#[test]
fn only_a_start_by_hand_undoes_a_stop_by_hand() {
    for by_hand in [Action::Stop, Action::Kill] {
        let policy: &[(&str, &str)] = &[("restart_count", "3")];
        let past = folded(&[(by_hand, &[]), (Action::Start, policy)]);
        assert!(past.containers["c"].stopped_by_hand);
        assert_eq!(past.containers["c"].restart_count, 3);
        let past = folded(&[(by_hand, &[]), (Action::Start, policy), (Action::Start, &[])]);
        assert!(!past.containers["c"].stopped_by_hand);
        assert_eq!(past.containers["c"].restart_count, 0);
    }
}

#[test]
fn pause_unpause_rename_and_destroy() {
    assert!(folded(&[(Action::Pause, &[])]).containers["c"].paused);
    assert!(!folded(&[(Action::Pause, &[]), (Action::Unpause, &[])]).containers["c"].paused);
    assert!(!folded(&[(Action::Pause, &[]), (Action::Die, &[])]).containers["c"].paused);
    let renamed = folded(&[
        (Action::Create, &[("name", "a")]),
        (Action::Rename, &[("name", "b"), ("old_name", "a")]),
    ]);
    assert_eq!(renamed.containers["c"].name, "b");
    assert_eq!(
        folded(&[(Action::Create, &[]), (Action::Destroy, &[])]),
        Past::default()
    );
}

#[test]
fn what_is_no_container_or_no_life_changes_nothing() {
    let mut past = Past::default();
    let mut image = event("i", 1, Action::Create, &[]);
    image.kind = EventKind::Image;
    past.apply(&image);
    past.apply(&event("c", 2, Action::ExecStart, &[]));
    past.apply(&event(
        &"x".repeat(PAST_ACTOR_BYTES_MAX + 1),
        3,
        Action::Create,
        &[],
    ));
    assert_eq!(past, Past::default());
}

#[test]
fn the_fullest_past_fits_a_checkpoint_and_round_trips() {
    let mut past = Past::default();
    let name = "n".repeat(PAST_NAME_BYTES_MAX);
    for number in 1..=wide(PAST_CONTAINERS_MAX) + 3 {
        let actor = format!("{number:0width$}", width = PAST_ACTOR_BYTES_MAX);
        past.apply(&event(&actor, number * 4, Action::Create, &[("name", &name)]));
        past.apply(&event(
            &actor,
            number * 4 + 1,
            Action::Start,
            &[("restart_count", "9")],
        ));
        past.apply(&event(
            &actor,
            number * 4 + 2,
            Action::Die,
            &[("exit_code", "1"), ("oom", "1")],
        ));
        past.apply(&event(&actor, number * 4 + 3, Action::Kill, &[]));
    }
    assert_eq!(past.containers.len(), PAST_CONTAINERS_MAX);
    assert_eq!(past.forgotten, 3);
    let bytes = past.encode();
    assert!(bytes.len() < CHECKPOINT_BYTES_MAX, "{} bytes", bytes.len());
    assert_eq!(Past::decode(&bytes), Ok(past));
}

#[test]
fn the_silent_are_forgotten_before_those_that_run() {
    let mut past = Past::default();
    past.apply(&event("runs", 1, Action::Start, &[]));
    for number in 2..=wide(PAST_CONTAINERS_MAX) + 1 {
        past.apply(&event(&format!("{number}"), number, Action::Create, &[]));
    }
    assert!(past.containers.contains_key("runs"));
    assert!(!past.containers.contains_key("2"));
    assert!(past.containers.contains_key("3"));
}
