//! What the ceiling lets be done to containers, and what becomes of those that are beyond it.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};

use wire::exec::CreateExec;
use wire::files::{Commit, ContainerPath, Resize, Update, WriteArchive};
use wire::request::{ImportImage, Remove, RemoveImage, TagImage, Versions};
use wire::spec::Security;
use wire::{ExecSpec, Opcode, Refusal, Request, Response};

use super::*;
use crate::ceiling::{Access, Powers};
use crate::client::Client;
use crate::gate::Door;
use crate::pace::Pace;
use crate::{Bridge, session};

fn unprivileged() -> Ceiling {
    Ceiling {
        powers: Powers {
            privileged: Some(false),
            ..Powers::default()
        },
        ..Ceiling::default()
    }
}

fn privileged(supervisor: &Supervisor, name: &str, restart: RestartPolicy) -> Result<ContainerId, Refusal> {
    let spec = Spec {
        security: Security {
            privileged: true,
            ..Security::default()
        },
        restart,
        ..Spec::default()
    };
    let create = Create {
        name: name.to_owned(),
        image_id: IMAGE,
        spec,
    };
    supervisor.create(create).map(|created| created.id)
}

fn stop(reference: &str) -> Stop {
    Stop {
        reference: reference.to_owned(),
        ..Stop::default()
    }
}

fn exec(reference: &str, privileged: bool) -> CreateExec {
    CreateExec {
        reference: reference.to_owned(),
        spec: ExecSpec {
            arguments: vec!["sh".to_owned()],
            privileged,
            ..ExecSpec::default()
        },
    }
}

#[track_caller]
fn check_denied<T: std::fmt::Debug>(outcome: Result<T, Refusal>, key: &str) {
    let refusal = outcome.expect_err(key);
    assert_eq!(refusal.code, RefusalCode::NotPermitted, "{refusal}");
    assert!(refusal.detail.ends_with(&format!("({key})")), "{refusal}");
}

/// A container that was privileged and ran when the ceiling was lowered.
fn lowered(restart: RestartPolicy) -> (Place, Arc<Fake>, Arc<Supervisor>, ContainerId) {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let before = place.begin(&fake);
    let id = privileged(&before, "old", restart).expect("it is made");
    before.start("old").expect("it starts");
    drop(before);
    let supervisor = place.begin_again_under(&fake, unprivileged());
    (place, fake, supervisor, id)
}

#[test]
fn what_is_beyond_it_is_not_made() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = begin_under(&place.0, &fake, unprivileged());
    check_denied(
        privileged(&supervisor, "web", RestartPolicy::default()),
        "privileged",
    );
    // Nothing was, its name included.
    assert!(fake.found().is_empty());
    plain(&supervisor, "web");
    supervisor.start("web").expect("it starts");
    check_denied(supervisor.create_exec(exec("web", true)), "privileged");
    supervisor
        .create_exec(exec("web", false))
        .expect("it is prepared");
    assert_eq!(
        actions(&supervisor),
        [Action::Create, Action::Start, Action::ExecCreate]
    );
}

#[test]
fn what_is_beyond_it_is_not_entered() {
    let (_place, fake, supervisor, id) = lowered(RestartPolicy::default());
    assert_eq!(state(&supervisor, &id).status, Status::Running);
    let path = ContainerPath {
        reference: "old".to_owned(),
        path: "/".to_owned(),
    };
    check_denied(supervisor.create_exec(exec("old", false)), "privileged");
    check_denied(supervisor.open_input("old"), "privileged");
    check_denied(supervisor.stat_path(&path), "privileged");
    check_denied(supervisor.read_archive(&path), "privileged");
    check_denied(supervisor.export("old"), "privileged");
    let nothing = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").expect("it opens"));
    let write = WriteArchive {
        reference: "old".to_owned(),
        path: "/".to_owned(),
        ..WriteArchive::default()
    };
    check_denied(supervisor.write_archive(&write, nothing()), "privileged");
    let commit = Commit {
        reference: "old".to_owned(),
        ..Commit::default()
    };
    check_denied(supervisor.commit(&commit), "privileged");
    let update = Update {
        reference: "old".to_owned(),
        ..Update::default()
    };
    check_denied(supervisor.update(&update), "privileged");
    // A restart that cannot start must not stop either.
    check_denied(supervisor.restart(&stop("old")), "privileged");
    assert!(fake.signals().is_empty());
    assert_eq!(state(&supervisor, &id).status, Status::Running);
}

#[test]
fn what_is_beyond_it_can_be_ended_and_does_not_come_back() {
    let (_place, _fake, supervisor, id) = lowered(RestartPolicy::default());
    supervisor.freeze("old", true).expect("it freezes");
    supervisor.freeze("old", false).expect("it thaws");
    let rename = Rename {
        reference: "old".to_owned(),
        name: "older".to_owned(),
    };
    supervisor.rename(&rename).expect("it is renamed");
    supervisor.stop(&stop("older")).expect("it stops");
    check_denied(supervisor.start("older"), "privileged");
    let state = state(&supervisor, &id);
    assert_eq!(state.status, Status::Exited);
    assert!(state.error.contains("privileged containers"), "{}", state.error);
    let remove = Remove {
        reference: "older".to_owned(),
        ..Remove::default()
    };
    supervisor.remove_asked(&remove).expect("it goes");
}

#[test]
fn no_policy_brings_it_back() {
    let (_place, fake, supervisor, id) = lowered(policy(RestartKind::Always, 0));
    fake.end(&id, code(1));
    reach(&supervisor, &id, |state| {
        state.status == Status::Exited && !state.error.is_empty()
    });
    assert!(
        fake.found()
            .iter()
            .all(|found| !matches!(found.condition, Condition::Running { .. }))
    );
    // Nor does the next start of the bridge.
    let place = Place::new();
    let again = begin_under(&place.0, &fake, unprivileged());
    reach(&again, &id, |state| {
        state.status == Status::Exited && !state.error.is_empty()
    });
}

#[test]
fn of_other_runtimes_everything_is_to_be_looked_at_only() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let before = place.begin(&fake);
    let id = plain(&before, "web");
    before.start("web").expect("it starts");
    drop(before);
    let ceiling = Ceiling {
        runtimes: Some(vec!["another".to_owned()]),
        ..Ceiling::default()
    };
    let supervisor = place.begin_again_under(&fake, ceiling.clone());
    check_denied(
        privileged(&supervisor, "new", RestartPolicy::default()),
        "runtimes",
    );
    check_denied(supervisor.start("web"), "runtimes");
    check_denied(supervisor.stop(&stop("web")), "runtimes");
    check_denied(supervisor.restart(&stop("web")), "runtimes");
    check_denied(
        supervisor.kill(&Kill {
            reference: "web".to_owned(),
            ..Kill::default()
        }),
        "runtimes",
    );
    check_denied(supervisor.freeze("web", true), "runtimes");
    check_denied(supervisor.create_exec(exec("web", false)), "runtimes");
    check_denied(supervisor.attach("web", None), "runtimes");
    check_denied(
        supervisor.resize(&Resize {
            reference: "web".to_owned(),
            ..Resize::default()
        }),
        "runtimes",
    );
    check_denied(
        supervisor.rename(&Rename {
            reference: "web".to_owned(),
            name: "new".to_owned(),
        }),
        "runtimes",
    );
    check_denied(
        supervisor.remove_asked(&Remove {
            reference: "web".to_owned(),
            force: true,
        }),
        "runtimes",
    );
    let tag = TagImage {
        image_id: IMAGE,
        ..TagImage::default()
    };
    check_denied(supervisor.tag_image(&tag), "runtimes");
    let remove = RemoveImage {
        image_id: IMAGE,
        ..RemoveImage::default()
    };
    check_denied(supervisor.remove_image(&remove), "runtimes");
    let tar = std::fs::File::open("/dev/null").expect("it opens").into();
    check_denied(supervisor.import_image(&ImportImage::default(), tar), "runtimes");
    assert_eq!(state(&supervisor, &id).status, Status::Running);
    assert!(supervisor.inventory().containers_if_newer(0).is_some());
    // Root itself stops it all the same.
    drop(supervisor);
    let place = Place::new();
    let own = begin_under(&place.0, &fake, ceiling.for_root());
    own.stop(&stop("web")).expect("it stops");
}

/// One connection through a door, and what is answered to these frames.
fn answers(place: &Place, supervisor: &Arc<Supervisor>, door: Door, asked: &[Request]) -> Vec<Response> {
    let bridge = Bridge {
        supervisor: Arc::clone(supervisor),
        facts: wire::Info::default(),
    };
    let path = place.0.join("sock");
    let listener = UnixListener::bind(&path).expect("bound");
    let answers = std::thread::scope(|scope| {
        let mut client = Client::connect(&path).expect("connected");
        let (stream, _) = listener.accept().expect("accepted");
        let bridge = &bridge;
        scope.spawn(move || session::serve(&stream, door, bridge, Pace::new(u32::MAX)).is_ok());
        asked
            .iter()
            .map(|request| client.ask(request).expect("answered").remove(0))
            .collect()
    });
    std::fs::remove_file(&path).expect("removed");
    answers
}

#[test]
fn opcodes_are_judged_before_they_are_decoded() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let ceiling = Ceiling {
        access: Access::Read,
        ..Ceiling::default()
    };
    let supervisor = begin_under(&place.0, &fake, ceiling);
    let start = Request::Start(wire::request::ContainerRef {
        reference: "web".to_owned(),
    });
    let said = answers(
        &place,
        &supervisor,
        Door::Control,
        &[start, Request::Ping(Default::default())],
    );
    assert!(
        matches!(&said[..], [Response::Refused(refusal), Response::Pong(_)]
            if refusal.code == RefusalCode::NotPermitted && refusal.detail.contains("access = \"read\"")),
        "{said:?}"
    );
    // Bytes that are no request: with the opcode allowed they would be malformed, and end the connection.
    let mut bytes = Vec::new();
    wire::frame::append(
        &mut bytes,
        Opcode::Create.number(),
        wire::frame::Flow::Last,
        64,
        |out| {
            out.extend_from_slice(&[0xff; 7]);
        },
    )
    .expect("it fits");
    let (mut near, far) = UnixStream::pair().expect("a pair");
    near.write_all(&bytes).expect("sent");
    near.shutdown(std::net::Shutdown::Write).expect("no more");
    let bridge = Bridge {
        supervisor,
        facts: wire::Info::default(),
    };
    assert!(session::serve(&far, Door::Control, &bridge, Pace::new(u32::MAX)).is_ok());
}

#[test]
fn what_is_permitted_is_said() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let ceiling = Ceiling {
        access: Access::Operate,
        ..Ceiling::default()
    };
    let supervisor = begin_under(&place.0, &fake, ceiling);
    let ask = Request::Capabilities(Versions { min: 1, max: 9 });
    let said = answers(&place, &supervisor, Door::Control, &[ask]);
    assert_eq!(said.len(), 1);
    let Some(Response::Capabilities(said)) = said.first() else {
        return assert!(said.is_empty(), "{said:?}");
    };
    let expected = [
        Opcode::Ping,
        Opcode::Capabilities,
        Opcode::Start,
        Opcode::Stop,
        Opcode::Restart,
        Opcode::Kill,
        Opcode::Pause,
        Opcode::Unpause,
    ];
    assert_eq!(said.permitted, expected.map(Opcode::number));
    assert_eq!(said.opcodes.len(), Opcode::ALL.len());
}
