//! Health checks, run through the scripted runtime.

use wire::container::{Health, HealthStatus};
use wire::spec::HealthCheck;

use super::*;
use crate::runtime::fake::ScriptedExec;

const MS: u64 = 1_000_000;

fn checked(supervisor: &Supervisor, change: impl FnOnce(&mut HealthCheck)) -> ContainerId {
    let mut check = HealthCheck {
        arguments: vec!["probe".to_owned()],
        interval_ns: MS,
        retries: 1,
        ..HealthCheck::default()
    };
    change(&mut check);
    let spec = Spec {
        health_check: Some(check),
        ..Spec::default()
    };
    let create = Create {
        name: "web".to_owned(),
        image_id: IMAGE,
        spec,
    };
    supervisor.create(create).expect("it is made").id
}

fn health(state: &State) -> Health {
    state.health.clone().unwrap_or_default()
}

#[test]
fn healthy_and_not() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = checked(&supervisor, |_| {});
    assert_eq!(state(&supervisor, &id).health, None, "it has never run");
    for scripted in [
        ScriptedExec::Writes("fine", 0),
        ScriptedExec::Writes("oops", 7),
        ScriptedExec::NotFound,
    ] {
        fake.script(scripted);
    }
    supervisor.start("web").expect("it starts");
    reach(&supervisor, &id, |state| health(state).log.len() >= 3);
    let seen = health(&state(&supervisor, &id));
    assert_eq!((seen.status, seen.failing_streak), (HealthStatus::Unhealthy, 2));
    let log: Vec<(i32, &str)> = seen
        .log
        .iter()
        .map(|probe| (probe.exit_code, probe.output.as_str()))
        .collect();
    assert_eq!(
        log.first_chunk(),
        Some(&[(0, "fine"), (7, "oops"), (-1, "exec: \"probe\": scripted")])
    );
    let events = all_events(&supervisor);
    let words: Vec<_> = events
        .iter()
        .filter(|event| event.action == Action::HealthStatus)
        .map(|event| event.attribute(attribute::HEALTH))
        .collect();
    assert_eq!(words, [Some("healthy"), Some("unhealthy")]);
    use Action::{Create, ExecCreate, ExecDie, ExecStart, HealthStatus as Told, Start};
    assert_eq!(
        actions(&supervisor).first_chunk(),
        Some(&[
            Create, Start, ExecCreate, ExecStart, ExecDie, Told, ExecCreate, ExecStart, ExecDie, Told
        ])
    );
    let listed = supervisor
        .inventory()
        .containers_if_newer(0)
        .expect("there is one");
    let listed = listed.items.first().map(|item| health(&item.state));
    assert_eq!(
        listed.map(|health| (health.status, health.log.len())),
        Some((HealthStatus::Unhealthy, 0))
    );
    // The next one, which nobody scripted, stays; it ends with its container, and nobody asks again.
    fake.end(&id, code(0));
    reach(&supervisor, &id, |state| state.status == Status::Exited);
    assert_eq!(health(&state(&supervisor, &id)).status, HealthStatus::Unhealthy);
    supervisor.start("web").expect("it starts");
    assert_eq!(
        health(&state(&supervisor, &id)),
        super::super::verdict::starting()
    );
}

#[test]
fn one_that_takes_too_long_is_killed() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = checked(&supervisor, |check| check.timeout_ns = 20 * MS);
    supervisor.start("web").expect("it starts");
    reach(&supervisor, &id, |state| !health(state).log.is_empty());
    let seen = health(&state(&supervisor, &id));
    assert_eq!(seen.status, HealthStatus::Unhealthy);
    let probe = seen.log.first().expect("there is one");
    assert_eq!(
        (probe.exit_code, probe.output.as_str()),
        (-1, "Health check exceeded timeout (20ms)")
    );
    assert_eq!(fake.exec_signals().first().map(|(_, signal)| *signal), Some(9));
}

#[test]
fn no_more_is_kept_than_is_shown() {
    let long: &'static str = Box::leak("x".repeat(5000).into_boxed_str());
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = checked(&supervisor, |_| {});
    fake.script(ScriptedExec::Writes(long, 0));
    supervisor.start("web").expect("it starts");
    reach(&supervisor, &id, |state| !health(state).log.is_empty());
    let seen = health(&state(&supervisor, &id));
    let output = seen.log.first().map(|probe| probe.output.clone());
    assert_eq!(output, Some("x".repeat(4096) + "..."));
}

#[test]
fn nobody_is_asked_while_frozen() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = checked(&supervisor, |_| {});
    supervisor.start("web").expect("it starts");
    // The one that nobody scripted stays until it is frozen out.
    until(&supervisor, || !supervisor.execs_of(&id).is_empty());
    supervisor.freeze("web", true).expect("frozen");
    until(&supervisor, || supervisor.execs_of(&id).is_empty());
    assert_eq!(health(&state(&supervisor, &id)).status, HealthStatus::Starting);
    fake.script(ScriptedExec::Writes("", 0));
    supervisor.freeze("web", false).expect("thawed");
    reach(&supervisor, &id, |state| {
        health(state).status == HealthStatus::Healthy
    });
}
