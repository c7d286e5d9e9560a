//! A scripted runtime, for tests of what stands above a runtime. Nothing runs.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::time::Duration;

use wire::container::Exit;
use wire::exec::ExecStarted;
use wire::request::ImportImage;
use wire::response::ContainerUsage;
use wire::{Container, ContainerId, Image, ImageId, Time};

use super::{Also, Change, Condition, ExecOrder, ExecRun, Found, PastEvent, Runtime, RuntimeError, Started};
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
    /// Signals that wait for a frozen process.
    pending: Vec<(ContainerId, i32)>,
    /// Signals that a process takes no notice of.
    ignored: Vec<i32>,
    /// Whether the next start fails for want of the command.
    command_missing: bool,
    next_pid: u32,
    /// What the next further processes do.
    scripted: VecDeque<ScriptedExec>,
    /// Further processes that run: id, container, whether they take notice of signals.
    execs: Vec<(String, ContainerId, bool)>,
    /// Signals sent to further processes, in order.
    exec_signals: Vec<(String, i32)>,
    /// Whether limits cannot be changed.
    update_fails: bool,
    /// What the container of the next start is from then on.
    becomes: Option<Box<Container>>,
    /// Whether containers are ended by the runtime itself.
    ends_by_itself: bool,
    /// What it has kept of the time before.
    history: Vec<PastEvent>,
}

/// What a further process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScriptedExec {
    /// It runs until it gets a signal.
    Stays,
    /// It runs, and takes no notice of SIGTERM.
    Stubborn,
    /// It writes this and ends at once with that code.
    Writes(&'static str, u32),
    /// Its command is not there.
    NotFound,
    /// It may not be executed.
    NotExecutable,
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
                    since_boot_ns: 0,
                })
                .expect("somebody follows");
        }
    }

    /// Tells something, as if somebody else had done it.
    pub(crate) fn tell(&self, change: Change) {
        let changes = hold(&self.script).changes.clone();
        changes
            .expect("the bridge has begun")
            .send(change)
            .expect("somebody follows");
    }

    /// The next start makes the container another one.
    pub(crate) fn become_at_start(&self, container: Container) {
        hold(&self.script).becomes = Some(Box::new(container));
    }

    /// From now on containers are ended by the runtime itself.
    pub(crate) fn end_by_itself(&self) {
        hold(&self.script).ends_by_itself = true;
    }

    /// What happened before the bridge.
    pub(crate) fn remember(&self, history: Vec<PastEvent>) {
        hold(&self.script).history = history;
    }

    /// From now on processes take no notice of a signal.
    pub(crate) fn ignore(&self, signal: i32) {
        hold(&self.script).ignored.push(signal);
    }

    /// The next start fails.
    pub(crate) fn lose_command(&self) {
        hold(&self.script).command_missing = true;
    }

    /// The next further process, after those scripted before, does this; one that nobody scripted stays.
    pub(crate) fn script(&self, exec: ScriptedExec) {
        hold(&self.script).scripted.push_back(exec);
    }

    /// Ends a further process.
    pub(crate) fn end_exec(&self, exec: &str, exit: Exit) {
        let mut script = hold(&self.script);
        let Some(place) = script.execs.iter().position(|(have, ..)| have == exec) else {
            return;
        };
        let (exec, container, _) = script.execs.remove(place);
        if let Some(changes) = &script.changes {
            changes
                .send(Change::ExecEnded {
                    container,
                    exec,
                    exit,
                    finished_at: clock::now(),
                })
                .expect("somebody follows");
        }
    }

    /// Signals sent to further processes so far.
    pub(crate) fn exec_signals(&self) -> Vec<(String, i32)> {
        hold(&self.script).exec_signals.clone()
    }

    /// From now on limits cannot be changed.
    pub(crate) fn refuse_updates(&self) {
        hold(&self.script).update_fails = true;
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

    fn history(&self) -> Vec<PastEvent> {
        hold(&self.script).history.clone()
    }

    fn history_is_kept(&self) {
        hold(&self.script).history.clear();
    }

    fn ends_by_itself(&self) -> bool {
        hold(&self.script).ends_by_itself
    }

    fn end(&self, id: &ContainerId, _: Duration) -> Result<(), RuntimeError> {
        self.end_at(
            id,
            Exit {
                code: 7,
                ..Exit::default()
            },
            clock::now(),
        );
        Ok(())
    }

    fn check(&self, _: &Container) -> Result<Vec<String>, RuntimeError> {
        Ok(Vec::new())
    }

    fn create(&self, container: &mut Container) -> Result<(), RuntimeError> {
        self.put(Found {
            container: container.clone(),
            condition: Condition::Created,
            also: Also::default(),
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
            since_boot_ns: 0,
            became: script.becomes.take(),
        };
        let found = script
            .containers
            .get_mut(id)
            .ok_or(RuntimeError::NoSuchContainer(*id))?;
        found.condition = Condition::Running {
            pid: started.pid,
            started_at: started.started_at,
            since_boot_ns: 0,
            frozen: false,
        };
        Ok(started.clone())
    }

    fn signal(&self, id: &ContainerId, signal: i32) -> Result<(), RuntimeError> {
        let ignored = {
            let mut script = hold(&self.script);
            script.signals.push(signal);
            let frozen = script
                .containers
                .get(id)
                .is_some_and(|found| matches!(found.condition, Condition::Running { frozen: true, .. }));
            if frozen {
                script.pending.push((*id, signal));
            }
            frozen || script.ignored.contains(&signal)
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

    fn resize(&self, _: &ContainerId, _: u16, _: u16) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn exec(&self, id: &ContainerId, order: ExecOrder<'_>) -> Result<ExecRun, RuntimeError> {
        let (scripted, pid) = {
            let mut script = hold(&self.script);
            script.next_pid += 1;
            (
                script.scripted.pop_front().unwrap_or(ScriptedExec::Stays),
                script.next_pid,
            )
        };
        let (command, reason) = (order.spec.arguments.join(" "), "scripted".to_owned());
        match scripted {
            ScriptedExec::NotFound => return Err(RuntimeError::CommandNotFound { command, reason }),
            ScriptedExec::NotExecutable => {
                return Err(RuntimeError::CommandNotExecutable { command, reason });
            }
            _ => {}
        }
        let listens = scripted != ScriptedExec::Stubborn;
        hold(&self.script).execs.push((order.id.to_owned(), *id, listens));
        let mut streams: Vec<OwnedFd> = Vec::new();
        if order.spec.attach_stdout && !order.detach {
            let (output, mut writer) = std::io::pipe().expect("a pipe");
            if let ScriptedExec::Writes(text, _) = scripted {
                writer.write_all(text.as_bytes()).expect("there is room");
            }
            streams.push(output.into());
        }
        if let ScriptedExec::Writes(_, code) = scripted {
            let exit = Exit {
                code,
                ..Exit::default()
            };
            self.end_exec(order.id, exit);
        }
        let started = ExecStarted {
            pid,
            output: !streams.is_empty(),
            ..ExecStarted::default()
        };
        Ok(ExecRun { started, streams })
    }

    fn signal_exec(&self, _: &ContainerId, exec: &str, signal: i32) -> Result<(), RuntimeError> {
        let ends = {
            let mut script = hold(&self.script);
            script.exec_signals.push((exec.to_owned(), signal));
            let mut execs = script.execs.iter();
            execs.any(|(have, _, listens)| have == exec && (*listens || signal == 9))
        };
        if ends {
            self.end_exec(
                exec,
                Exit {
                    code: 128 + signal.unsigned_abs(),
                    ..Exit::default()
                },
            );
        }
        Ok(())
    }

    fn freeze(&self, id: &ContainerId, to: bool) -> Result<(), RuntimeError> {
        let pending = {
            let mut script = hold(&self.script);
            let found = script.containers.get_mut(id);
            match found.map(|found| &mut found.condition) {
                Some(Condition::Running { frozen, .. }) => *frozen = to,
                _ => return Err(RuntimeError::NotRunning),
            }
            if to {
                Vec::new()
            } else {
                std::mem::take(&mut script.pending)
            }
        };
        for (id, signal) in pending {
            hold(&self.script).signals.pop();
            self.signal(&id, signal)?;
        }
        Ok(())
    }

    fn update(&self, container: &Container) -> Result<Vec<String>, RuntimeError> {
        let mut script = hold(&self.script);
        if script.update_fails {
            return Err(RuntimeError::InvalidSpec("scripted".to_owned()));
        }
        let found = script.containers.get_mut(&container.id);
        let found = found.ok_or(RuntimeError::NoSuchContainer(container.id))?;
        found.container.spec = container.spec.clone();
        Ok(vec!["scripted".to_owned()])
    }
}
