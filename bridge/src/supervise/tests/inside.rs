//! Further processes, freezing, changed limits.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};

use wire::exec::{CreateExec, InspectExec, StartExec};
use wire::files::{Resize, Update};
use wire::{Exec, ExecSpec, Refusal, Request, Response};

use super::*;
use crate::client::Client;
use crate::gate::Door;
use crate::limits::EXECS_MAX;
use crate::pace::Pace;
use crate::runtime::fake::ScriptedExec;
use crate::session::End;
use crate::{Bridge, session};

fn stage() -> (Place, Arc<Fake>, Arc<Supervisor>, ContainerId) {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let id = plain(&supervisor, "web");
    supervisor.start("web").expect("it starts");
    (place, fake, supervisor, id)
}

fn prepare(supervisor: &Supervisor) -> Result<String, Refusal> {
    supervisor.create_exec(CreateExec {
        reference: "web".to_owned(),
        spec: ExecSpec {
            arguments: vec!["sh".to_owned(), "-c".to_owned(), "exit 4".to_owned()],
            env: vec!["A=b".to_owned()],
            ..ExecSpec::default()
        },
    })
}

fn start(supervisor: &Supervisor, exec: &str) -> Result<(), RefusalCode> {
    let start = StartExec {
        id: exec.to_owned(),
        ..StartExec::default()
    };
    supervisor
        .start_exec(&start)
        .map(drop)
        .map_err(|refusal| refusal.code)
}

fn inspect(supervisor: &Supervisor, exec: &str) -> Exec {
    supervisor
        .inspect_exec(&InspectExec {
            id: exec.to_owned(),
            until_ended: false,
        })
        .expect("it is known")
}

fn reach_exec(supervisor: &Supervisor, exec: &str, done: impl Fn(&Exec) -> bool) {
    until(supervisor, || done(&inspect(supervisor, exec)));
}

#[test]
fn the_life_of_a_further_process() {
    let (_place, fake, supervisor, id) = stage();
    let exec = prepare(&supervisor).expect("prepared");
    assert_eq!(exec.len(), 64);
    let before = inspect(&supervisor, &exec);
    assert_eq!(
        (before.running, before.exit_code, before.container),
        (false, None, id)
    );
    start(&supervisor, &exec).expect("it runs");
    assert_eq!(start(&supervisor, &exec), Err(RefusalCode::ExecStarted));
    let running = inspect(&supervisor, &exec);
    assert!(running.running && running.pid != 0 && !running.started_at.is_never());
    assert_eq!(supervisor.execs_of(&id), [exec.as_str()]);
    fake.end_exec(&exec, code(4));
    reach_exec(&supervisor, &exec, |exec| !exec.running);
    let after = inspect(&supervisor, &exec);
    assert_eq!((after.exit_code, after.pid), (Some(4), 0));
    assert!(supervisor.execs_of(&id).is_empty());
    use Action::{Create, ExecCreate, ExecDie, ExecStart, Start};
    assert_eq!(
        actions(&supervisor),
        [Create, Start, ExecCreate, ExecStart, ExecDie]
    );
    let events = all_events(&supervisor);
    let of = |action| {
        let event = events.iter().find(|event| event.action == action);
        event.expect("it is told")
    };
    assert_eq!(of(ExecCreate).attribute(attribute::COMMAND), Some("sh -c exit 4"));
    assert_eq!(of(ExecStart).attribute(attribute::EXEC), Some(exec.as_str()));
    assert_eq!(of(ExecDie).attribute(attribute::EXIT_CODE), Some("4"));
    assert_eq!(start(&supervisor, "nothing"), Err(RefusalCode::NoSuchExec));
}

#[test]
fn one_that_cannot_be_executed_has_a_code_all_the_same() {
    let (_place, fake, supervisor, _) = stage();
    for (scripted, refused, code) in [
        (ScriptedExec::NotFound, RefusalCode::CommandNotFound, 127),
        (
            ScriptedExec::NotExecutable,
            RefusalCode::CommandNotExecutable,
            126,
        ),
    ] {
        fake.script(scripted);
        let exec = prepare(&supervisor).expect("prepared");
        assert_eq!(start(&supervisor, &exec), Err(refused));
        let after = inspect(&supervisor, &exec);
        assert_eq!((after.running, after.exit_code), (false, Some(code)));
        assert_eq!(start(&supervisor, &exec), Err(RefusalCode::ExecStarted));
    }
}

#[test]
fn only_in_a_container_that_runs() {
    let (_place, _fake, supervisor, _) = stage();
    let refused = || prepare(&supervisor).expect_err("refused").code;
    let early = prepare(&supervisor).expect("prepared");
    supervisor.freeze("web", true).expect("frozen");
    assert_eq!(refused(), RefusalCode::Paused);
    assert_eq!(start(&supervisor, &early), Err(RefusalCode::Paused));
    supervisor.stop(&stop_now()).expect("stopped");
    assert_eq!(refused(), RefusalCode::NotRunning);
    assert_eq!(start(&supervisor, &early), Err(RefusalCode::NotRunning));
    supervisor.start("web").expect("it starts");
    start(&supervisor, &early).expect("it waited for that");
    supervisor.remove("web", true).expect("removed");
    assert_eq!(start(&supervisor, &early), Err(RefusalCode::NoSuchExec));
}

fn stop_now() -> Stop {
    Stop {
        reference: "web".to_owned(),
        ..Stop::default()
    }
}

#[test]
fn they_end_with_their_container() {
    let (_place, fake, supervisor, id) = stage();
    let exec = prepare(&supervisor).expect("prepared");
    start(&supervisor, &exec).expect("it runs");
    fake.end(&id, code(0));
    reach(&supervisor, &id, |state| state.status == Status::Exited);
    let after = inspect(&supervisor, &exec);
    assert_eq!((after.running, after.exit_code), (false, Some(137)));
    let told = actions(&supervisor);
    assert_eq!(told.last_chunk(), Some(&[Action::ExecDie, Action::Die]));
    // What its watcher says after that is no news.
    fake.end_exec(&exec, code(1));
    supervisor.start("web").expect("it starts");
    assert_eq!(inspect(&supervisor, &exec).exit_code, Some(137));
}

#[test]
fn one_whose_client_has_gone_is_asked_to_end() {
    let (_place, fake, supervisor, _) = stage();
    let exec = prepare(&supervisor).expect("prepared");
    supervisor.hang_up_exec(&exec).expect("nothing to do yet");
    start(&supervisor, &exec).expect("it runs");
    supervisor.hang_up_exec(&exec).expect("asked");
    reach_exec(&supervisor, &exec, |exec| exec.exit_code == Some(143));
    assert_eq!(fake.exec_signals(), [(exec, 15)]);
}

#[test]
fn one_that_does_not_end_when_asked_is_killed() {
    let (_place, fake, supervisor, id) = stage();
    fake.script(ScriptedExec::Stubborn);
    let exec = prepare(&supervisor).expect("prepared");
    start(&supervisor, &exec).expect("it runs");
    supervisor.hang_up_exec(&exec).expect("asked");
    supervisor.hang_up_exec(&exec).expect("asked once is enough");
    assert!(inspect(&supervisor, &exec).running);
    supervisor.kill_exec(&id, &exec).expect("as the errand will");
    reach_exec(&supervisor, &exec, |exec| exec.exit_code == Some(137));
    let signals: Vec<i32> = fake.exec_signals().iter().map(|(_, signal)| *signal).collect();
    assert_eq!(signals, [15, 9]);
}

#[test]
fn the_table_is_bounded_and_never_forgets_one_that_runs() {
    let table = super::super::exec::Table::default();
    let id = |number: usize| format!("{number:064}");
    for number in 0..EXECS_MAX + 2 {
        let exec = Exec {
            id: id(number),
            ..Exec::default()
        };
        table.insert(exec).expect("there is room");
        if number == 0 {
            table.pretend_started(&id(0));
        }
    }
    let known = |number: usize| table.knows(&id(number));
    assert!(known(0) && !known(1) && !known(2) && known(3) && known(EXECS_MAX + 1));
    let long = Exec {
        id: "long".to_owned(),
        spec: ExecSpec {
            arguments: vec!["x".repeat(crate::limits::EXECS_BYTES_MAX)],
            ..ExecSpec::default()
        },
        ..Exec::default()
    };
    assert_eq!(
        table.insert(long).expect_err("too long").code,
        RefusalCode::TooMany
    );
    assert!(known(0));
}

#[test]
fn freezing_and_thawing() {
    let (_place, _fake, supervisor, id) = stage();
    let freeze = |frozen| supervisor.freeze("web", frozen).map_err(|refusal| refusal.code);
    assert_eq!(freeze(false), Err(RefusalCode::NotPaused));
    freeze(true).expect("frozen");
    assert_eq!(state(&supervisor, &id).status, Status::Paused);
    assert_eq!(freeze(true), Err(RefusalCode::Paused));
    assert_eq!(
        supervisor.start("web").expect_err("it is up").code,
        RefusalCode::AlreadyRunning
    );
    freeze(false).expect("thawed");
    assert_eq!(state(&supervisor, &id).status, Status::Running);
    freeze(true).expect("frozen");
    supervisor.stop(&stop_now()).expect("stopped");
    assert_eq!(freeze(true), Err(RefusalCode::NotRunning));
    use Action::{Create, Die, Kill, Pause, Start, Stop as Stopped, Unpause};
    let told = actions(&supervisor);
    assert_eq!(told.first_chunk(), Some(&[Create, Start, Pause, Unpause, Pause]));
    assert_eq!(told.last(), Some(&Stopped));
    for action in [Kill, Die, Stopped] {
        assert!(told.contains(&action), "{told:?}");
    }
}

#[test]
fn one_that_is_frozen_is_found_so() {
    let (supervisor, id, _place) = after_a_restart("web", |fake, id| fake.freeze(id, true).expect("frozen"));
    assert_eq!(state(&supervisor, &id).status, Status::Paused);
    assert_eq!(
        actions(&supervisor),
        [Action::Create, Action::Start, Action::Pause]
    );
    supervisor.freeze("web", false).expect("thawed");
}

#[test]
fn limits_and_policy_change() {
    let (_place, fake, supervisor, id) = stage();
    let update = |change: &dyn Fn(&mut Update)| {
        let mut update = Update {
            reference: "web".to_owned(),
            ..Update::default()
        };
        change(&mut update);
        supervisor.update(&update).map_err(|refusal| refusal.code)
    };
    let spec = || {
        let look = supervisor
            .inventory()
            .with(&id, |unit| unit.container.spec.clone());
        look.expect("it exists")
    };
    let warnings = update(&|update| {
        update.memory_bytes = Some(64 << 20);
        update.pids_max = Some(9);
        update.restart = Some(policy(RestartKind::OnFailure, 4));
    });
    assert_eq!(warnings, Ok(vec!["scripted".to_owned()]));
    let (resources, restart) = (spec().resources, spec().restart);
    assert_eq!((resources.memory_bytes, resources.pids_max), (64 << 20, 9));
    assert_eq!(restart, policy(RestartKind::OnFailure, 4));
    assert_eq!(
        fake.found()
            .first()
            .map(|found| found.container.spec.restart.clone()),
        Some(restart)
    );
    // Twice the memory was implied for both, and stays when memory grows within it.
    update(&|update| update.memory_bytes = Some(128 << 20)).expect("there is room");
    assert_eq!(spec().resources.memory_swap_bytes, 128 << 20);
    assert_eq!(
        update(&|update| update.memory_bytes = Some(129 << 20)),
        Err(RefusalCode::InvalidSpec)
    );
    let before = spec();
    fake.refuse_updates();
    assert_eq!(
        update(&|update| update.cpu_shares = Some(5)),
        Err(RefusalCode::InvalidSpec)
    );
    assert_eq!(spec(), before);
    let told = actions(&supervisor);
    assert_eq!(told.iter().filter(|action| **action == Action::Update).count(), 2);
}

#[test]
fn a_new_size_is_told() {
    let (_place, _fake, supervisor, _) = stage();
    supervisor
        .resize(&Resize {
            reference: "web".to_owned(),
            rows: 24,
            columns: 80,
        })
        .expect("resized");
    let events = all_events(&supervisor);
    let last = events.last().expect("one at least");
    assert_eq!(last.action, Action::Resize);
    assert_eq!(last.attribute(attribute::ROWS), Some("24"));
    assert_eq!(last.attribute(attribute::COLUMNS), Some("80"));
}

#[test]
fn an_answer_can_wait_for_the_end() {
    let (place, fake, supervisor, _) = stage();
    let exec = prepare(&supervisor).expect("prepared");
    start(&supervisor, &exec).expect("it runs");
    let bridge = Bridge {
        supervisor: Arc::clone(&supervisor),
        facts: wire::Info::default(),
    };
    let path = place.0.join("sock");
    let listener = UnixListener::bind(&path).expect("bound");
    let ask = Request::InspectExec(InspectExec {
        id: exec.clone(),
        until_ended: true,
    });
    let mut bytes = Vec::new();
    ask.append_to(&mut bytes).expect("it fits");
    std::thread::scope(|scope| {
        // One that goes away does not hold its session until the end.
        let mut gone = UnixStream::connect(&path).expect("connected");
        gone.write_all(&bytes).expect("sent");
        let (stream, _) = listener.accept().expect("accepted");
        drop(gone);
        assert!(matches!(
            session::serve(&stream, Door::Watch, &bridge, Pace::new(u32::MAX)),
            Err(End::Gone(_))
        ));
        let (sender, answered) = std::sync::mpsc::channel();
        let mut client = Client::connect(&path).expect("connected");
        scope.spawn(move || sender.send(client.ask(&ask)).expect("somebody waits"));
        let (stream, _) = listener.accept().expect("accepted");
        let bridge = &bridge;
        scope.spawn(move || session::serve(&stream, Door::Watch, bridge, Pace::new(u32::MAX)).is_ok());
        assert!(
            answered.recv_timeout(Duration::from_millis(50)).is_err(),
            "it runs still"
        );
        fake.end_exec(&exec, code(3));
        let answers = answered.recv_timeout(PATIENCE).expect("in time").expect("whole");
        assert!(
            matches!(answers.as_slice(), [Response::Exec(seen)] if !seen.running && seen.exit_code == Some(3)),
            "{answers:?}"
        );
    });
}
