//! The supervisor over a scripted runtime and a real journal.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use wire::container::Exit;
use wire::event::attribute;
use wire::request::{Create, Kill, Rename, Stop};
use wire::spec::{Process, RestartKind, RestartPolicy, Spec};
use wire::{Action, ContainerId, Event, EventKind, RefusalCode, State, Status, Time};

mod bounds;
mod checked;
mod inside;
mod outside;
mod room;

use super::Supervisor;
use crate::ceiling::Ceiling;
use crate::runtime::fake::{Fake, IMAGE};
use crate::runtime::{Also, Condition, Found, Registry, Runtime};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("socketd-supervise-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a fresh directory");
        Self(path)
    }

    fn begin(&self, fake: &Arc<Fake>) -> Arc<Supervisor> {
        begin(&self.0, fake)
    }

    /// The first supervisor's threads hold its journal; a copy is what a killed bridge leaves.
    fn begin_again(&self, fake: &Arc<Fake>) -> Arc<Supervisor> {
        self.begin_again_under(fake, Ceiling::default())
    }

    fn begin_again_under(&self, fake: &Arc<Fake>, ceiling: Ceiling) -> Arc<Supervisor> {
        let copy = self.0.join("copy");
        std::fs::create_dir(&copy).expect("a directory");
        for entry in std::fs::read_dir(&self.0).expect("readable") {
            let entry = entry.expect("readable");
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                std::fs::copy(entry.path(), copy.join(entry.file_name())).expect("copied");
            }
        }
        begin_under(&copy, fake, ceiling)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn begin(dir: &Path, fake: &Arc<Fake>) -> Arc<Supervisor> {
    begin_under(dir, fake, Ceiling::default())
}

fn begin_under(dir: &Path, fake: &Arc<Fake>, ceiling: Ceiling) -> Arc<Supervisor> {
    let runtime: Arc<dyn Runtime> = Arc::<Fake>::clone(fake);
    let registry = Registry::new(vec![runtime]);
    Supervisor::begin(
        dir,
        [1; 32],
        journal::Options::default(),
        registry,
        Arc::new(ceiling),
    )
    .expect("it begins")
}

fn create(supervisor: &Supervisor, name: &str, restart: RestartPolicy, auto_remove: bool) -> ContainerId {
    let spec = Spec {
        image: "bb".to_owned(),
        process: Process {
            command: vec!["sleep".to_owned()],
            ..Process::default()
        },
        restart,
        auto_remove,
        ..Spec::default()
    };
    supervisor
        .create(Create {
            name: name.to_owned(),
            image_id: IMAGE,
            spec,
        })
        .expect("it is made")
        .id
}

fn plain(supervisor: &Supervisor, name: &str) -> ContainerId {
    create(supervisor, name, RestartPolicy::default(), false)
}

fn policy(kind: RestartKind, retries_max: u32) -> RestartPolicy {
    RestartPolicy { kind, retries_max }
}

fn code(code: u32) -> Exit {
    Exit {
        code,
        ..Exit::default()
    }
}

fn state(supervisor: &Supervisor, id: &ContainerId) -> State {
    supervisor
        .inventory()
        .with(id, |unit| unit.container.state.clone())
        .expect("it exists")
}

fn reach(supervisor: &Supervisor, id: &ContainerId, done: impl Fn(&State) -> bool) {
    assert!(
        supervisor.inventory().wait_for(id, Some(PATIENCE), done),
        "not reached: {:?}",
        state(supervisor, id)
    );
}

/// Waits for something that an event tells of.
fn until(supervisor: &Supervisor, done: impl Fn() -> bool) {
    let subscription = supervisor
        .ledger()
        .publisher()
        .subscribe()
        .expect("there is room");
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(
            Instant::now() < deadline,
            "not reached: {:?}",
            actions(supervisor)
        );
        let mut fds = [PollFd::new(subscription.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, 1000u16).expect("it polls");
        subscription.take();
    }
}

fn all_events(supervisor: &Supervisor) -> Vec<Event> {
    supervisor
        .ledger()
        .read(0, Time::NEVER, 10_000, usize::MAX)
        .expect("readable")
        .events
}

/// What happened to containers, in order.
fn actions(supervisor: &Supervisor) -> Vec<Action> {
    let events = all_events(supervisor);
    events
        .iter()
        .filter(|event| event.kind == EventKind::Container)
        .map(|event| event.action)
        .collect()
}

#[test]
fn a_life() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = plain(&supervisor, "web");
    supervisor.start("web").expect("it starts");
    assert_eq!(
        supervisor.start("web").expect_err("it runs").code,
        RefusalCode::AlreadyRunning
    );
    assert_eq!(
        supervisor.remove("web", false).expect_err("it runs").code,
        RefusalCode::ContainerRunning
    );
    fake.end(&id, code(3));
    reach(&supervisor, &id, |state| state.status == Status::Exited);
    assert_eq!(state(&supervisor, &id).exit, Some(code(3)));
    let stop = Stop {
        reference: "web".to_owned(),
        ..Stop::default()
    };
    assert_eq!(
        supervisor.stop(&stop).expect_err("it ended").code,
        RefusalCode::NotRunning
    );
    supervisor.remove("web", false).expect("it goes");
    assert_eq!(
        actions(&supervisor),
        [Action::Create, Action::Start, Action::Die, Action::Destroy]
    );
    let events = all_events(&supervisor);
    let numbers: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(
        numbers,
        (1..=7).collect::<Vec<_>>(),
        "two more are the network's, one the bridge's own"
    );
    let die = events
        .iter()
        .find(|event| event.action == Action::Die)
        .expect("it died");
    assert_eq!(die.attribute(attribute::EXIT_CODE), Some("3"));
    assert_eq!(die.attribute(attribute::NAME), Some("web"));
}

#[test]
fn names_are_taken_once() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let first = plain(&supervisor, "web");
    let again = Create {
        name: "web".to_owned(),
        image_id: IMAGE,
        ..Create::default()
    };
    let refusal = supervisor.create(again).expect_err("taken");
    assert_eq!(
        (refusal.code, refusal.holder),
        (RefusalCode::NameInUse, first.to_string())
    );
    let missing = Create {
        name: "free".to_owned(),
        ..Create::default()
    };
    assert_eq!(
        supervisor.create(missing).expect_err("no image").code,
        RefusalCode::NoSuchImage
    );
    plain(&supervisor, "free");
    let rename = |reference: &str, name: &str| {
        supervisor.rename(&Rename {
            reference: reference.to_owned(),
            name: name.to_owned(),
        })
    };
    assert_eq!(
        rename("web", "free").expect_err("taken").code,
        RefusalCode::NameInUse
    );
    assert_eq!(
        rename("web", "web").expect_err("same").code,
        RefusalCode::SameName
    );
    rename("web", "other").expect("renamed");
    plain(&supervisor, "web");
    let unnamed = plain(&supervisor, "");
    assert!(
        supervisor
            .inventory()
            .with(&unnamed, |unit| unit.container.name.contains('_'))
            .expect("it exists")
    );
}

#[test]
fn references_resolve() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let inventory = supervisor.inventory();
    for (byte, name) in [(0xab, "one"), (0xac, "two")] {
        let mut container = wire::Container {
            name: name.to_owned(),
            ..Default::default()
        };
        container.id.0[0] = byte;
        inventory.insert(container, false, Also::default());
    }
    let code = |reference: &str| inventory.resolve(reference).map_err(|refusal| refusal.code);
    assert_eq!(code("one"), code("ab"));
    assert_eq!(code("a"), Err(RefusalCode::AmbiguousContainer));
    assert_eq!(code("b"), Err(RefusalCode::NoSuchContainer));
    assert_eq!(code(""), Err(RefusalCode::NoSuchContainer));
}

#[test]
fn stopping_asks_first() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    plain(&supervisor, "web");
    supervisor.start("web").expect("it starts");
    fake.ignore(15);
    let stop = Stop {
        reference: "web".to_owned(),
        timeout_s: Some(0),
        signal: 0,
    };
    supervisor.stop(&stop).expect("it stops");
    assert_eq!(fake.signals(), [15, 9]);
    use Action::{Create, Die, Kill, Start, Stop as Stopped};
    assert_eq!(actions(&supervisor), [Create, Start, Kill, Kill, Die, Stopped]);
}

#[test]
fn restarting_by_hand() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = plain(&supervisor, "web");
    let restart = Stop {
        reference: "web".to_owned(),
        ..Stop::default()
    };
    supervisor
        .restart(&restart)
        .expect("one that does not run is started");
    supervisor.restart(&restart).expect("one that runs too");
    assert_eq!(state(&supervisor, &id).status, Status::Running);
    use Action::{Create, Die, Kill, Restart, Start, Stop as Stopped};
    assert_eq!(
        actions(&supervisor),
        [Create, Start, Restart, Kill, Die, Stopped, Start, Restart]
    );
}

#[test]
fn failures_are_retried_as_often_as_asked() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = create(&supervisor, "web", policy(RestartKind::OnFailure, 2), false);
    supervisor.start("web").expect("it starts");
    for count in 0..=2 {
        reach(&supervisor, &id, |state| {
            state.status == Status::Running && state.restart_count == count
        });
        fake.end(&id, code(1));
    }
    reach(&supervisor, &id, |state| state.status == Status::Exited);
    assert_eq!(state(&supervisor, &id).restart_count, 2);
    supervisor.start("web").expect("by hand it starts again");
    fake.end(&id, code(0));
    reach(&supervisor, &id, |state| {
        state.status == Status::Exited && state.restart_count == 0
    });
}

#[test]
fn a_kill_ends_the_policy() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = create(&supervisor, "web", policy(RestartKind::Always, 0), false);
    supervisor.start("web").expect("it starts");
    supervisor
        .kill(&Kill {
            reference: "web".to_owned(),
            signal: 0,
        })
        .expect("killed");
    assert_eq!(state(&supervisor, &id).status, Status::Exited);
    supervisor.start("web").expect("it starts");
    fake.end(&id, code(0));
    reach(&supervisor, &id, |state| state.restart_count == 1);
}

#[test]
fn stopping_calls_a_restart_off() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = create(&supervisor, "web", policy(RestartKind::Always, 0), false);
    supervisor.start("web").expect("it starts");
    // Each failure doubles the wait, until there is time to step in.
    for count in 1..=4 {
        fake.end(&id, code(1));
        reach(&supervisor, &id, |state| {
            state.status == Status::Running && state.restart_count == count
        });
    }
    fake.end(&id, code(1));
    reach(&supervisor, &id, |state| state.status == Status::Restarting);
    supervisor
        .stop(&Stop {
            reference: "web".to_owned(),
            ..Stop::default()
        })
        .expect("called off");
    assert_eq!(state(&supervisor, &id).status, Status::Exited);
    assert_eq!(actions(&supervisor).last(), Some(&Action::Stop));
}

#[test]
fn a_missing_command_is_told() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = plain(&supervisor, "web");
    fake.lose_command();
    assert_eq!(
        supervisor.start("web").expect_err("missing").code,
        RefusalCode::CommandNotFound
    );
    let after = state(&supervisor, &id);
    assert_eq!((after.status, after.exit), (Status::Created, Some(code(127))));
    assert!(after.error.contains("/nothere"));
    assert_eq!(actions(&supervisor), [Action::Create]);
    supervisor.start("web").expect("the next start works");
    assert!(state(&supervisor, &id).error.is_empty());
}

#[test]
fn one_that_asked_for_it_is_removed() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = create(&supervisor, "web", RestartPolicy::default(), true);
    supervisor.start("web").expect("it starts");
    fake.end(&id, code(0));
    assert!(
        supervisor.inventory().wait_for(&id, Some(PATIENCE), |_| false),
        "it goes"
    );
    assert_eq!(
        actions(&supervisor),
        [Action::Create, Action::Start, Action::Die, Action::Destroy]
    );
}

#[test]
fn revisions_rise_and_lists_are_newest_first() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    plain(&supervisor, "one");
    plain(&supervisor, "two");
    let list = supervisor
        .inventory()
        .containers_if_newer(0)
        .expect("there is one");
    let names: Vec<_> = list.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["two", "one"]);
    assert!(
        supervisor
            .inventory()
            .containers_if_newer(list.revision)
            .is_none()
    );
    supervisor.start("one").expect("it starts");
    let next = supervisor
        .inventory()
        .containers_if_newer(list.revision)
        .expect("it changed");
    assert!(next.revision > list.revision);
}

/// What a second bridge makes of what it finds.
fn after_a_restart(
    name: &str,
    meanwhile: impl FnOnce(&Fake, &ContainerId),
) -> (Arc<Supervisor>, ContainerId, Place) {
    let place = Place::new();
    let later = Arc::new(Fake::default());
    let id = {
        let fake = Arc::new(Fake::default());
        let supervisor = place.begin(&fake);
        let id = plain(&supervisor, name);
        supervisor.start(name).expect("it starts");
        for found in fake.found() {
            later.put(found);
        }
        id
    };
    meanwhile(&later, &id);
    (place.begin_again(&later), id, place)
}

#[test]
fn one_that_went_on_is_found_running() {
    let (supervisor, id, _place) = after_a_restart("web", |_, _| {});
    assert_eq!(state(&supervisor, &id).status, Status::Running);
    assert_eq!(actions(&supervisor), [Action::Create, Action::Start]);
}

#[test]
fn an_end_meanwhile_is_recorded_with_its_time() {
    let finished_at = Time(crate::clock::now().0 + 5_000_000_000);
    let (supervisor, id, _place) = after_a_restart("web", |fake, id| fake.end_at(id, code(9), finished_at));
    let state = state(&supervisor, &id);
    assert_eq!(
        (state.status, state.exit, state.finished_at),
        (Status::Exited, Some(code(9)), finished_at)
    );
    assert_eq!(actions(&supervisor), [Action::Create, Action::Start, Action::Die]);
    let events = all_events(&supervisor);
    let die = events
        .iter()
        .find(|event| event.action == Action::Die)
        .expect("it died");
    assert_eq!(die.time, finished_at);
    assert_eq!(die.attribute(attribute::FOUND_LATER), None);
}

#[test]
fn an_end_that_nobody_saw_is_marked() {
    let (supervisor, id, _place) = after_a_restart("web", |fake, id| {
        let mut found = fake.found().remove(0);
        let exit = Exit {
            unknown: true,
            ..Exit::default()
        };
        found.condition = Condition::Exited {
            exit,
            started_at: Time::NEVER,
            finished_at: Time::NEVER,
        };
        assert_eq!(found.container.id, *id);
        fake.put(found);
    });
    assert_eq!(state(&supervisor, &id).exit.map(|exit| exit.unknown), Some(true));
    let events = all_events(&supervisor);
    let die = events
        .iter()
        .find(|event| event.action == Action::Die)
        .expect("it died");
    assert_eq!(die.attribute(attribute::EXIT_CODE), None);
    assert_eq!(die.attribute(attribute::FOUND_LATER), Some("1"));
}

#[test]
fn the_note_of_an_earlier_run_says_nothing_of_the_last() {
    let (supervisor, id, _place) = after_a_restart("web", |fake, _| {
        let mut found = fake.found().remove(0);
        found.condition = Condition::Exited {
            exit: code(4),
            started_at: Time(1_000),
            finished_at: Time(2_000),
        };
        fake.put(found);
    });
    assert_eq!(state(&supervisor, &id).exit.map(|exit| exit.unknown), Some(true));
    assert_eq!(actions(&supervisor), [Action::Create, Action::Start, Action::Die]);
}

#[test]
fn one_that_vanished_is_recorded_as_gone() {
    let (supervisor, id, _place) = after_a_restart("web", |fake, id| fake.remove(id).expect("removed"));
    assert!(supervisor.inventory().with(&id, |_| ()).is_err());
    assert_eq!(
        actions(&supervisor),
        [Action::Create, Action::Start, Action::Destroy]
    );
}

#[test]
fn one_that_nobody_knew_is_recorded_as_made() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let container = wire::Container {
        id: ContainerId([5; 32]),
        name: "old".to_owned(),
        runtime: "fake".to_owned(),
        created_at: Time(1_000),
        ..Default::default()
    };
    fake.put(Found {
        container,
        condition: Condition::Running {
            pid: 7,
            started_at: Time(2_000),
            since_boot_ns: 0,
            frozen: false,
        },
        also: Also::default(),
    });
    let supervisor = place.begin(&fake);
    assert_eq!(actions(&supervisor), [Action::Create, Action::Start]);
    let events = all_events(&supervisor);
    let (begin, found) = events.split_last().expect("the bridge has begun");
    let times: Vec<_> = found.iter().map(|event| event.time.0).collect();
    assert_eq!(times, [1_000, 2_000, 2_000]);
    assert_eq!((begin.kind, begin.action), (EventKind::Daemon, Action::Start));
    supervisor.tell_of_end();
    let events = all_events(&supervisor);
    let end = events.last().map(|event| (event.kind, event.action));
    assert_eq!(end, Some((EventKind::Daemon, Action::Stop)));
}
