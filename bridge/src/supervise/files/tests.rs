//! What is told of work on files, and what is held meanwhile.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Sender;

use wire::request::{Create, ImportImage};
use wire::response::ContainerUsage;
use wire::{Container, Event, ImageId, Time};

use super::*;
use crate::runtime::fake::{Fake, IMAGE};
use crate::runtime::{Change, Found, Registry, Started};

/// A scripted runtime whose containers have files, as it were.
#[derive(Debug, Default)]
struct Filed {
    inner: Fake,
    /// What was asked, in order.
    asked: Mutex<Vec<String>>,
    /// Whether the next act fails.
    broken: Mutex<bool>,
}

impl Filed {
    fn note(&self, what: &str) -> Result<(), RuntimeError> {
        hold(&self.asked).push(what.to_owned());
        if *hold(&self.broken) {
            return Err(RuntimeError::NoSuchPath("/x".to_owned()));
        }
        Ok(())
    }

    fn tar(&self) -> Tar {
        Tar {
            stat: PathStat::default(),
            stream: std::io::pipe().expect("a pipe").0.into(),
            ears: std::io::pipe().expect("a pipe").0.into(),
            end: Box::new(|| Ok(())),
        }
    }
}

impl Runtime for Filed {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn begin(&self, changes: Sender<Change>) -> Result<Vec<Found>, RuntimeError> {
        self.inner.begin(changes)
    }
    fn check(&self, container: &Container) -> Result<Vec<String>, RuntimeError> {
        self.inner.check(container)
    }
    fn create(&self, container: &mut Container) -> Result<(), RuntimeError> {
        self.inner.create(container)
    }
    fn start(&self, id: &ContainerId) -> Result<Started, RuntimeError> {
        self.inner.start(id)
    }
    fn signal(&self, id: &ContainerId, signal: i32) -> Result<(), RuntimeError> {
        self.inner.signal(id, signal)
    }
    fn rename(&self, id: &ContainerId, name: &str) -> Result<(), RuntimeError> {
        self.inner.rename(id, name)
    }
    fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        self.inner.remove(id)
    }
    fn usage(&self) -> Vec<ContainerUsage> {
        self.inner.usage()
    }
    fn images(&self) -> Vec<Image> {
        self.inner.images()
    }
    fn import_image(&self, import: &ImportImage, tar: OwnedFd) -> Result<Image, RuntimeError> {
        self.inner.import_image(import, tar)
    }
    fn tag_image(&self, id: &ImageId, tag: &str) -> Result<(), RuntimeError> {
        self.inner.tag_image(id, tag)
    }
    fn untag_image(&self, id: &ImageId, tag: &str) -> Result<(), RuntimeError> {
        self.inner.untag_image(id, tag)
    }
    fn remove_image(&self, id: &ImageId) -> Result<(), RuntimeError> {
        self.inner.remove_image(id)
    }
    fn freeze(&self, _: &ContainerId, frozen: bool) -> Result<(), RuntimeError> {
        hold(&self.asked).push(if frozen { "freeze" } else { "thaw" }.to_owned());
        Ok(())
    }
    fn read_archive(&self, _: &ContainerId, path: &str) -> Result<Tar, RuntimeError> {
        self.note(path).map(|()| self.tar())
    }
    fn write_archive(&self, _: &ContainerId, ask: &WriteArchive, _: OwnedFd) -> Result<(), RuntimeError> {
        self.note(&ask.path)
    }
    fn export(&self, _: &ContainerId) -> Result<Tar, RuntimeError> {
        self.note("export").map(|()| self.tar())
    }
    fn commit(&self, _: &ContainerId, _: &Commit) -> Result<Image, RuntimeError> {
        self.note("commit").map(|()| Image::default())
    }
}

struct Stage {
    place: PathBuf,
    runtime: Arc<Filed>,
    supervisor: Arc<Supervisor>,
    id: ContainerId,
}

impl Stage {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let place = std::env::temp_dir().join(format!("socketd-files-{}-{number}", std::process::id()));
        std::fs::create_dir(&place).expect("a fresh directory");
        let runtime = Arc::new(Filed::default());
        let registry = Registry::new(vec![Arc::<Filed>::clone(&runtime)]);
        let supervisor = Supervisor::begin(
            &place,
            [1; 32],
            journal::Options::default(),
            registry,
            Arc::default(),
        )
        .expect("it begins");
        let create = Create {
            name: "cc".to_owned(),
            image_id: IMAGE,
            ..Create::default()
        };
        let id = supervisor.create(create).expect("it is made").id;
        Self {
            place,
            runtime,
            supervisor,
            id,
        }
    }

    /// What was told since the container was made.
    fn told(&self) -> Vec<Event> {
        let batch = self.supervisor.ledger().read(0, Time::NEVER, 100, 1 << 20);
        let events = batch.expect("it is read").events;
        let actions = [Action::Create, Action::Start, Action::Connect];
        let ours = events
            .into_iter()
            .filter(|event| !actions.contains(&event.action));
        ours.collect()
    }

    fn asked(&self) -> Vec<String> {
        hold(&self.runtime.asked).clone()
    }

    fn write(&self) -> Result<(), Refusal> {
        let ask = WriteArchive {
            reference: "cc".to_owned(),
            path: "/in".to_owned(),
            ..WriteArchive::default()
        };
        let tar = std::io::pipe().expect("a pipe").0.into();
        self.supervisor.write_archive(&ask, tar)
    }

    fn commit(&self, pause: bool) -> Result<Image, Refusal> {
        self.supervisor.commit(&Commit {
            reference: "cc".to_owned(),
            tag: "made:here".to_owned(),
            comment: "why".to_owned(),
            pause,
            ..Commit::default()
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.place);
    }
}

fn path() -> ContainerPath {
    ContainerPath {
        reference: "cc".to_owned(),
        path: "/out".to_owned(),
    }
}

#[test]
fn each_act_is_told_with_its_path() {
    let stage = Stage::new();
    drop(stage.supervisor.read_archive(&path()).expect("it is read"));
    stage.write().expect("it is written");
    drop(stage.supervisor.export("cc").expect("it is exported"));
    let told = stage.told();
    let seen: Vec<_> = told
        .iter()
        .map(|event| (event.action, event.attribute(attribute::PATH)))
        .collect();
    assert_eq!(
        seen,
        [
            (Action::ReadArchive, Some("/out")),
            (Action::WriteArchive, Some("/in")),
            (Action::Export, None)
        ]
    );
}

#[test]
fn what_failed_is_not_told_and_names_the_container() {
    let stage = Stage::new();
    *hold(&stage.runtime.broken) = true;
    let refusal = stage
        .supervisor
        .read_archive(&path())
        .expect_err("nothing is there");
    assert_eq!(
        (refusal.code, refusal.holder),
        (RefusalCode::NoSuchPath, stage.id.to_string())
    );
    assert!(stage.write().is_err() && stage.commit(true).is_err());
    assert_eq!(stage.told(), []);
}

#[test]
fn a_commit_freezes_what_runs_and_always_thaws_it() {
    let stage = Stage::new();
    stage.commit(true).expect("it is made");
    assert_eq!(stage.asked(), ["commit"]);
    stage.supervisor.start("cc").expect("it starts");
    stage.commit(false).expect("it is made");
    stage.commit(true).expect("it is made");
    *hold(&stage.runtime.broken) = true;
    stage.commit(true).expect_err("it fails");
    assert_eq!(
        stage.asked(),
        [
            "commit", "commit", "freeze", "commit", "thaw", "freeze", "commit", "thaw"
        ]
    );
    let told = stage.told();
    let actions: Vec<_> = told.iter().map(|event| event.action).collect();
    assert_eq!(actions, [Action::Tag, Action::Commit].repeat(3));
    assert_eq!(told[1].attribute(attribute::COMMENT), Some("why"));
}

#[test]
fn writing_keeps_the_turn_of_a_container_that_does_not_run() {
    let stage = Stage::new();
    let turn = stage
        .supervisor
        .inventory()
        .with(&stage.id, |unit| Arc::clone(&unit.turn));
    let turn = turn.expect("it exists");
    let held = hold(&turn);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| stage.write());
        // Reading does not wait for it.
        drop(stage.supervisor.read_archive(&path()).expect("it is read"));
        assert_eq!(stage.asked(), ["/out"]);
        drop(held);
        writer.join().expect("no panic").expect("it is written");
    });
    assert_eq!(stage.asked(), ["/out", "/in"]);
}
