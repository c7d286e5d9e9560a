//! A scripted runtime, for tests of what stands above a runtime. Nothing runs.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::mpsc::Sender;

use wire::container::Exit;
use wire::request::ImportImage;
use wire::response::ContainerUsage;
use wire::{Container, ContainerId, Image, ImageId, Time};

use super::{Change, Condition, Found, Runtime, RuntimeError, Started};
use crate::clock;
use crate::lock::hold;

/// The one image it has.
pub(crate) const IMAGE: ImageId = ImageId([7; 32]);

#[derive(Debug, Default)]
struct Script {
    containers: BTreeMap<ContainerId, Found>,
    changes: Option<Sender<Change>>,
    /// Signals sent, in order.
    signals: Vec<i32>,
    /// Signals that a process takes no notice of.
    ignored: Vec<i32>,
    /// Whether the next start fails for want of the command.
    command_missing: bool,
    next_pid: u32,
}

/// What the test decides and sees.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    script: Mutex<Script>,
}

impl Fake {
    /// Puts a container there, as if an earlier bridge had made it.
    pub(crate) fn put(&self, found: Found) {
        hold(&self.script).containers.insert(found.container.id, found);
    }

    /// What stands where, as a later bridge would find it.
    pub(crate) fn found(&self) -> Vec<Found> {
        hold(&self.script).containers.values().cloned().collect()
    }

    /// Ends a container's process.
    pub(crate) fn end(&self, id: &ContainerId, exit: Exit) {
        self.end_at(id, exit, clock::now());
    }

    /// Ends a container's process at a given time.
    pub(crate) fn end_at(&self, id: &ContainerId, exit: Exit, finished_at: Time) {
        let mut script = hold(&self.script);
        let found = script.containers.get_mut(id).expect("the container exists");
        let started_at = match found.condition {
            Condition::Running { started_at, .. } => started_at,
            // It ended by itself before a signal reached it.
            Condition::Created | Condition::Exited { .. } => return,
        };
        found.condition = Condition::Exited {
            exit: exit.clone(),
            started_at,
            finished_at,
        };
        if let Some(changes) = &script.changes {
            changes
                .send(Change::Exited {
                    id: *id,
                    exit,
                    finished_at,
                })
                .expect("somebody follows");
        }
    }

    /// From now on processes take no notice of a signal.
    pub(crate) fn ignore(&self, signal: i32) {
        hold(&self.script).ignored.push(signal);
    }

    /// The next start fails.
    pub(crate) fn lose_command(&self) {
        hold(&self.script).command_missing = true;
    }

    /// Signals sent so far.
    pub(crate) fn signals(&self) -> Vec<i32> {
        hold(&self.script).signals.clone()
    }
}

impl Runtime for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn begin(&self, changes: Sender<Change>) -> Result<Vec<Found>, RuntimeError> {
        hold(&self.script).changes = Some(changes);
        Ok(self.found())
    }

    fn check(&self, _: &Container) -> Result<Vec<String>, RuntimeError> {
        Ok(Vec::new())
    }

    fn create(&self, container: &mut Container) -> Result<(), RuntimeError> {
        self.put(Found {
            container: container.clone(),
            condition: Condition::Created,
        });
        Ok(())
    }

    fn start(&self, id: &ContainerId) -> Result<Started, RuntimeError> {
        let mut script = hold(&self.script);
        if std::mem::take(&mut script.command_missing) {
            let (command, reason) = ("/nothere".to_owned(), "no such file".to_owned());
            return Err(RuntimeError::CommandNotFound { command, reason });
        }
        script.next_pid += 1;
        let started = Started {
            pid: script.next_pid,
            started_at: clock::now(),
        };
        let found = script
            .containers
            .get_mut(id)
            .ok_or(RuntimeError::NoSuchContainer(*id))?;
        found.condition = Condition::Running {
            pid: started.pid,
            started_at: started.started_at,
        };
        Ok(started)
    }

    fn signal(&self, id: &ContainerId, signal: i32) -> Result<(), RuntimeError> {
        let ignored = {
            let mut script = hold(&self.script);
            script.signals.push(signal);
            script.ignored.contains(&signal)
        };
        if !ignored {
            self.end(
                id,
                Exit {
                    code: 128 + signal.unsigned_abs(),
                    ..Exit::default()
                },
            );
        }
        Ok(())
    }

    fn rename(&self, id: &ContainerId, name: &str) -> Result<(), RuntimeError> {
        let mut script = hold(&self.script);
        let found = script
            .containers
            .get_mut(id)
            .ok_or(RuntimeError::NoSuchContainer(*id))?;
        found.container.name = name.to_owned();
        Ok(())
    }

    fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        hold(&self.script).containers.remove(id);
        Ok(())
    }

    fn usage(&self) -> Vec<ContainerUsage> {
        Vec::new()
    }

    fn images(&self) -> Vec<Image> {
        vec![Image {
            id: IMAGE,
            tags: vec!["bb:latest".to_owned()],
            ..Image::default()
        }]
    }

    fn import_image(&self, _: &ImportImage, _: OwnedFd) -> Result<Image, RuntimeError> {
        Err(RuntimeError::Unsupported("scripted".to_owned()))
    }

    fn tag_image(&self, _: &ImageId, _: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn untag_image(&self, _: &ImageId, _: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn remove_image(&self, _: &ImageId) -> Result<(), RuntimeError> {
        Ok(())
    }
}
