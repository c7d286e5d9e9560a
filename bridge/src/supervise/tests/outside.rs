//! What somebody else does to containers, told by a scripted runtime.

use wire::Container;

use super::*;
use crate::runtime::{Change, PastEvent, Started};

const FORMER: ContainerId = ContainerId([1; 32]);
const OWN: ContainerId = ContainerId([2; 32]);

fn container(id: ContainerId, name: &str) -> Container {
    Container {
        id,
        name: name.to_owned(),
        runtime: "fake".to_owned(),
        created_at: Time(1_000),
        ..Container::default()
    }
}

fn found(id: ContainerId, name: &str) -> Found {
    Found {
        container: container(id, name),
        condition: Condition::Created,
        also: Also::default(),
    }
}

fn started(at: u64) -> Started {
    Started {
        pid: 7,
        started_at: Time(at),
        since_boot_ns: 0,
        became: None,
    }
}

#[track_caller]
fn await_that(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came about");
        std::thread::yield_now();
    }
}

/// Waits until the journal ends with these actions of containers.
#[track_caller]
fn await_actions(supervisor: &Supervisor, expected: &[Action]) {
    await_that(|| actions(supervisor).ends_with(expected));
}

#[test]
fn what_others_make_start_end_and_remove_is_recorded() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    fake.put(found(OWN, "web"));
    fake.tell(Change::Appeared(Box::new(found(OWN, "web"))));
    await_actions(&supervisor, &[Action::Create]);
    fake.tell(Change::Started {
        id: OWN,
        started: started(2_000),
        again: false,
    });
    // Told twice, recorded once.
    fake.tell(Change::Started {
        id: OWN,
        started: started(2_000),
        again: false,
    });
    fake.tell(Change::Exited {
        id: OWN,
        exit: Exit {
            code: 3,
            ..Exit::default()
        },
        finished_at: Time(3_000),
        since_boot_ns: 0,
    });
    await_actions(&supervisor, &[Action::Create, Action::Start, Action::Die]);
    fake.tell(Change::Started {
        id: OWN,
        started: started(4_000),
        again: true,
    });
    await_actions(&supervisor, &[Action::Die, Action::Start, Action::Restart]);
    // A run that nobody saw the end of.
    fake.tell(Change::Started {
        id: OWN,
        started: started(5_000),
        again: false,
    });
    await_actions(&supervisor, &[Action::Restart, Action::Die, Action::Start]);
    fake.tell(Change::Vanished { id: OWN });
    await_actions(&supervisor, &[Action::Start, Action::Die, Action::Destroy]);
    await_that(|| supervisor.inventory().resolve("web").is_err());
}

/// Who starts it waits no longer than its runtime; what happened meanwhile is told when the turn is free.
#[test]
fn what_is_told_of_a_run_before_is_over() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    fake.put(found(OWN, "web"));
    fake.tell(Change::Appeared(Box::new(found(OWN, "web"))));
    let begin = |since_boot_ns| {
        let started = Started {
            since_boot_ns,
            ..started(since_boot_ns)
        };
        let again = false;
        fake.tell(Change::Started {
            id: OWN,
            started,
            again,
        });
    };
    let end = |since_boot_ns| {
        fake.tell(Change::Exited {
            id: OWN,
            exit: Exit::default(),
            finished_at: Time(9_000),
            since_boot_ns,
        });
    };
    begin(2_000);
    begin(1_000);
    end(1_000);
    end(2_000);
    await_actions(&supervisor, &[Action::Create, Action::Start, Action::Die]);
    begin(3_000);
    await_actions(
        &supervisor,
        &[Action::Create, Action::Start, Action::Die, Action::Start],
    );
}

#[test]
fn another_name_is_a_rename_and_other_limits_an_update() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    fake.put(found(OWN, "web"));
    let supervisor = place.begin(&fake);
    let mut other = container(OWN, "shop");
    let also = Also {
        names: vec!["the-shop".to_owned()],
        ..Also::default()
    };
    let alter = |container: &Container| {
        fake.tell(Change::Altered {
            id: OWN,
            container: Box::new(container.clone()),
            also: also.clone(),
        });
    };
    alter(&other);
    await_actions(&supervisor, &[Action::Create, Action::Rename]);
    await_that(|| supervisor.inventory().resolve("shop") == Ok(OWN));
    assert_eq!(supervisor.inventory().resolve("the-shop"), Ok(OWN));
    assert!(supervisor.inventory().resolve("web").is_err());
    other.spec.resources.memory_bytes = 1 << 20;
    alter(&other);
    await_actions(&supervisor, &[Action::Rename, Action::Update]);
    // What nobody would see changes the list alone.
    other.spec.hostname = "host".to_owned();
    alter(&other);
    fake.tell(Change::Vanished { id: OWN });
    await_actions(&supervisor, &[Action::Rename, Action::Update, Action::Destroy]);
}

#[test]
fn a_name_that_is_taken_is_told_apart() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    fake.put(found(FORMER, "web"));
    fake.put(found(OWN, "web"));
    let supervisor = place.begin(&fake);
    assert_eq!(supervisor.inventory().resolve("web"), Ok(FORMER));
    assert_eq!(supervisor.inventory().resolve("web-020202020202"), Ok(OWN));
}

/// Both ids lead to it, in full and in part.
fn check_both(supervisor: &Supervisor) {
    for reference in [
        FORMER.to_string(),
        "0101".to_owned(),
        OWN.to_string(),
        "0202".to_owned(),
    ] {
        assert_eq!(supervisor.inventory().resolve(&reference), Ok(OWN), "{reference}");
    }
}

#[test]
fn a_start_may_give_a_container_its_own_id() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    fake.put(found(FORMER, "web"));
    let supervisor = place.begin(&fake);
    fake.become_at_start(container(OWN, "web"));
    supervisor.start("web").expect("it starts");
    assert_eq!(
        actions(&supervisor),
        [Action::Create, Action::Create, Action::Start, Action::Destroy]
    );
    check_both(&supervisor);
    let state = supervisor
        .inventory()
        .with(&FORMER, |unit| unit.container.state.clone());
    assert_eq!(state.expect("it is there").status, Status::Running);
}

#[test]
fn a_container_may_get_its_own_id_while_the_bridge_is_away() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    fake.put(found(FORMER, "web"));
    drop(place.begin(&fake));
    let later = Arc::new(Fake::default());
    later.put(Found {
        also: Also {
            ids: vec![FORMER],
            ..Also::default()
        },
        ..found(OWN, "web")
    });
    let supervisor = place.begin_again(&later);
    assert_eq!(
        actions(&supervisor),
        [Action::Create, Action::Create, Action::Destroy]
    );
    check_both(&supervisor);
}

#[test]
fn a_runtime_may_end_containers_in_its_own_way() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = plain(&supervisor, "web");
    fake.end_by_itself();
    supervisor.start("web").expect("it starts");
    let stop = Stop {
        reference: "web".to_owned(),
        ..Stop::default()
    };
    supervisor.stop(&stop).expect("it stops");
    assert_eq!(
        actions(&supervisor),
        [Action::Create, Action::Start, Action::Die, Action::Stop]
    );
    let state = supervisor
        .inventory()
        .with(&id, |unit| unit.container.state.clone());
    assert_eq!(state.expect("it is there").exit.map(|exit| exit.code), Some(7));
    let refusal = supervisor.stop(&stop).expect_err("it does not run");
    assert_eq!(refusal.code, RefusalCode::NotRunning);
    supervisor.restart(&stop).expect("it starts");
    supervisor.restart(&stop).expect("it starts again");
    assert_eq!(
        actions(&supervisor).get(4..),
        Some(
            [
                Action::Start,
                Action::Restart,
                Action::Die,
                Action::Stop,
                Action::Start,
                Action::Restart
            ]
            .as_slice()
        )
    );
}

#[test]
fn what_a_runtime_remembers_is_taken_over_once() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    fake.put(found(OWN, "web"));
    let event = |id, action, at| PastEvent {
        id,
        name: "web".to_owned(),
        action,
        time: Time(at),
    };
    fake.remember(vec![
        event(OWN, Action::Start, 10),
        event(OWN, Action::Die, 20),
        event(OWN, Action::Start, 30),
        event(FORMER, Action::Start, 40),
    ]);
    let supervisor = place.begin(&fake);
    // The run that nobody saw the end of has ended; the container that is gone is gone.
    assert_eq!(
        actions(&supervisor),
        [
            Action::Start,
            Action::Die,
            Action::Start,
            Action::Start,
            Action::Die,
            Action::Destroy
        ]
    );
    let times: Vec<u64> = all_events(&supervisor)
        .iter()
        .take(4)
        .map(|event| event.time.0)
        .collect();
    assert_eq!(times, [10, 20, 30, 40]);
    drop(supervisor);
    let supervisor = place.begin_again(&fake);
    assert_eq!(actions(&supervisor).len(), 6);
}

#[test]
fn a_busy_container_keeps_no_other_waiting() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let (busy, free) = (plain(&supervisor, "busy"), plain(&supervisor, "free"));
    for name in ["busy", "free"] {
        supervisor.start(name).expect("it starts");
    }
    let turn = supervisor.inventory().with(&busy, |unit| Arc::clone(&unit.turn));
    let turn = turn.expect("it is there");
    let held = turn.lock().expect("nobody holds it");
    fake.end(&busy, Exit::default());
    fake.end(&free, Exit::default());
    await_actions(&supervisor, &[Action::Start, Action::Start, Action::Die]);
    let ends = |id: ContainerId| {
        let events = all_events(&supervisor);
        events
            .iter()
            .filter(|event| event.action == Action::Die && event.actor == id.to_string())
            .count()
    };
    assert_eq!((ends(busy), ends(free)), (0, 1));
    drop(held);
    await_actions(&supervisor, &[Action::Die, Action::Die]);
    assert_eq!((ends(busy), ends(free)), (1, 1));
}
