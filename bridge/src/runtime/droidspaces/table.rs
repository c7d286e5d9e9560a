//! Every container of the workspace, and what its changes mean.
//!
//! Held by one lock while files are looked at and changes are told, so that they are told in the order
//! in which they were seen. Nothing here waits.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::libc;
use wire::{Container, ContainerId, Time};

use super::entry::{Ended, Ending, Entry, Facts, exit, named};
use super::identity;
use super::images::Images;
use super::limits::{BOOT_TICK, REBOOT_MAX, SETTLE_MAX, SETTLE_TICK};
use super::living::{Claim, Run, claim, time_of};
use super::lock_file::is_locked;
use super::measure::Measurer;
use super::monitor_log::{self, Mark};
use super::notes::{Notes, RunNote};
use super::workspace::Workspace;
use crate::clock;
use crate::runtime::{Change, Condition, Found, Started};
use crate::sys::pidfd;

/// What a container's first process ends by when it starts again from within: the kernel's answer to
/// `reboot` in a process namespace.
const REBOOT_EXIT: u32 = 128 + 1;

/// Who wants to know which runs there are.
pub(super) trait Follower {
    /// A run began; its end is to be told by this number.
    fn follow(&self, token: u64, run: &Run);
    /// A run is over.
    fn let_go(&self, token: u64, run: &Run);
    /// The run of the container of this safe name has begun, and everybody was told.
    fn begun(&self, safe_name: &str, run: &Run);
    /// It is over, and everybody was told.
    fn over(&self, id: &ContainerId, safe_name: &str);
}

/// Every container.
#[derive(Debug)]
pub(super) struct Table {
    workspace: Workspace,
    notes: Notes,
    /// Runs that an earlier bridge noted.
    noted: Vec<RunNote>,
    changes: Sender<Change>,
    entries: BTreeMap<String, Entry>,
    images: Images,
    measurer: Measurer,
    next_token: u64,
}

impl Table {
    pub(super) fn new(
        workspace: Workspace,
        notes: Notes,
        changes: Sender<Change>,
        measurer: Measurer,
    ) -> Self {
        Self {
            noted: notes.runs(),
            workspace,
            notes,
            changes,
            entries: BTreeMap::new(),
            images: Images::default(),
            measurer,
            next_token: 0,
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub(super) fn images(&mut self) -> &mut Images {
        &mut self.images
    }

    /// The container with this id, or the id it had.
    pub(super) fn find(&self, id: &ContainerId) -> Option<&Entry> {
        let own = self.entries.values().find(|entry| entry.id == *id);
        own.or_else(|| self.entries.values().find(|entry| entry.former == *id))
    }

    pub(super) fn entry(&self, directory: &str) -> Option<&Entry> {
        self.entries.get(directory)
    }

    pub(super) fn container(&self, entry: &Entry) -> Container {
        let is_image = self
            .images
            .find(&entry.image)
            .is_some_and(|rootfs| rootfs.is_image);
        entry.container(&self.workspace, is_image)
    }

    fn tell(&self, change: Change) {
        if self.changes.send(change).is_err() {
            tracing::error!("nobody follows the changes of containers");
        }
    }

    /// Everything there is, at the start.
    pub(super) fn begin(&mut self, follower: &dyn Follower) -> Vec<Found> {
        for directory in self.workspace.directories() {
            if let Some(facts) = Facts::read(&self.workspace, &directory) {
                self.insert(&directory, facts);
            }
        }
        self.name_images();
        let directories: Vec<String> = self.entries.keys().cloned().collect();
        for directory in &directories {
            if let Some(run) = self.new_run(directory) {
                self.begin_run(directory, run, follower);
            }
        }
        let found = directories
            .iter()
            .filter_map(|directory| self.found(directory))
            .collect();
        self.noted.clear();
        self.keep_notes();
        found
    }

    fn insert(&mut self, directory: &str, facts: Facts) {
        let former = identity::of_directory(directory);
        let id = self.own_id(directory, &facts.config.uuid).unwrap_or(former);
        let entry = Entry {
            directory: directory.to_owned(),
            image: identity::of_rootfs(&facts.config.rootfs_path),
            tag: String::new(),
            facts,
            id,
            former,
            made_at: self.workspace.made_at(directory),
            run: None,
            token: 0,
            mark: Mark::default(),
            ending: None,
            ended: None,
            oom_kills: 0,
            stranger: None,
            booting: None,
            turn: std::sync::Arc::default(),
        };
        self.entries.insert(directory.to_owned(), entry);
    }

    /// The id that a UUID gives, unless another container has it already: a copied configuration.
    fn own_id(&self, directory: &str, uuid: &str) -> Option<ContainerId> {
        let id = identity::of_uuid(uuid)?;
        let holder = self
            .entries
            .values()
            .find(|entry| entry.id == id && entry.directory != directory);
        if let Some(holder) = holder {
            tracing::warn!(
                directory,
                other = holder.directory,
                "two containers have the same UUID"
            );
            return None;
        }
        Some(id)
    }

    fn found(&self, directory: &str) -> Option<Found> {
        let entry = self.entries.get(directory)?;
        let condition = match &entry.run {
            Some(run) => Condition::Running {
                pid: run.pid,
                started_at: run.started_at,
                frozen: false,
            },
            // The runtime gives a container its UUID when it first starts it.
            None if entry.facts.config.uuid.is_empty() => Condition::Created,
            None => {
                let log = self.workspace.monitor_log(&entry.safe_name());
                let (code, finished_at) = monitor_log::last_end(&log).unzip();
                Condition::Exited {
                    exit: exit(code, false),
                    started_at: Time::NEVER,
                    finished_at: finished_at.unwrap_or(Time::NEVER),
                }
            }
        };
        Some(Found {
            container: self.container(entry),
            condition,
            also: entry.also(),
        })
    }

    /// Looks at a container again: whether it is there, what it is to be, whether it runs.
    pub(super) fn look(&mut self, directory: &str, follower: &dyn Follower) {
        let facts = Facts::read(&self.workspace, directory);
        match (facts, self.entries.contains_key(directory)) {
            (None, false) => return,
            (None, true) => {
                self.remove(directory, follower);
                return;
            }
            (Some(facts), false) => {
                self.insert(directory, facts);
                self.name_images();
                if let Some(run) = self.new_run(directory) {
                    self.begin_run(directory, run, follower);
                    self.keep_notes();
                }
                if let Some(found) = self.found(directory) {
                    self.tell(Change::Appeared(Box::new(found)));
                }
            }
            (Some(facts), true) => {
                self.alter(directory, facts);
                self.look_at_run(directory, follower);
            }
        }
    }

    fn remove(&mut self, directory: &str, follower: &dyn Follower) {
        let Some(entry) = self.entries.remove(directory) else {
            return;
        };
        if let Some(run) = &entry.run {
            follower.let_go(entry.token, run);
            follower.over(&entry.id, &entry.safe_name());
        }
        self.tell(Change::Vanished { id: entry.id });
        self.name_images();
        self.keep_notes();
    }

    fn alter(&mut self, directory: &str, facts: Facts) {
        let id = self.own_id(directory, &facts.config.uuid);
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        if entry.facts == facts {
            return;
        }
        let before = entry.id;
        let names_changed = named(&entry.facts.config, directory) != named(&facts.config, directory);
        let image = identity::of_rootfs(&facts.config.rootfs_path);
        let images_changed = names_changed || entry.image != image;
        entry.id = id.unwrap_or(entry.former);
        entry.image = image;
        entry.facts = facts;
        if images_changed {
            self.name_images();
        }
        self.tell_altered(directory, before);
    }

    fn tell_altered(&self, directory: &str, id: ContainerId) {
        if let Some(entry) = self.entries.get(directory) {
            self.tell(Change::Altered {
                id,
                container: Box::new(self.container(entry)),
                also: entry.also(),
            });
        }
    }

    /// Gives every root file system its name, and tells whom that changes.
    fn name_images(&mut self) {
        let named = self.entries.values().map(|entry| {
            let path = entry.facts.config.rootfs_path.clone();
            (entry.image, path, entry.name().to_owned())
        });
        if self.images.set(named) {
            self.tell(Change::ImagesChanged);
            self.measurer.wake();
        }
        let mut renamed = Vec::new();
        for entry in self.entries.values_mut() {
            let tag = self.images.find(&entry.image).map(|rootfs| rootfs.tag.clone());
            let tag = tag.unwrap_or_default();
            // One that was just found has no name yet, and is told of as a whole.
            if !entry.tag.is_empty() && entry.tag != tag {
                renamed.push((entry.directory.clone(), entry.id));
            }
            entry.tag = tag;
        }
        for (directory, id) in renamed {
            self.tell_altered(&directory, id);
        }
    }

    /// What its pidfile leads to, where that is another run than the one that is known.
    fn new_run(&mut self, directory: &str) -> Option<Run> {
        let entry = self.entries.get_mut(directory)?;
        let pidfile = self.workspace.sidecar(&entry.safe_name(), "pid");
        let (pid, ticks) = match claim(&pidfile, &entry.facts.config.uuid) {
            Claim::Nobody => {
                entry.booting = None;
                return None;
            }
            // A run that was known as its own stays that, whatever it has made of its mark since.
            Claim::Stranger { pid, ticks, .. }
                if noted_as(&self.noted, pid, ticks).is_some_and(|note| note.id == entry.id) =>
            {
                (pid, ticks)
            }
            Claim::Stranger { pid, why, .. } => {
                entry.doubt(pid, why);
                return None;
            }
            Claim::Lives { pid, ticks } => (pid, ticks),
        };
        if entry
            .run
            .as_ref()
            .is_some_and(|run| (run.pid, run.ticks) == (pid, ticks))
        {
            return None;
        }
        let id = entry.id;
        let noted = noted_as(&self.noted, pid, ticks);
        let started_at = noted.map_or_else(|| time_of(ticks), |note| note.started_at);
        // One process is one container's: a mark that another forged does not make it two, nor the other's.
        let taken = self.entries.values().any(|other| {
            let runs = |run: &Run| (run.pid, run.ticks) == (pid, ticks);
            let ran = noted.is_some_and(|note| note.id == other.id && other.id != id);
            ran || other.run.as_ref().is_some_and(runs)
        });
        if taken {
            if let Some(entry) = self.entries.get_mut(directory) {
                entry.doubt(pid, "it is another container's");
            }
            return None;
        }
        Some(Run {
            pid,
            ticks,
            started_at,
            handle: pidfd::open(pid).ok(),
        })
    }

    fn begin_run(&mut self, directory: &str, run: Run, follower: &dyn Follower) {
        self.next_token += 1;
        let token = self.next_token;
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        let safe = entry.safe_name();
        follower.follow(token, &run);
        entry.mark = Mark::end_of(&self.workspace.monitor_log(&safe));
        entry.oom_kills = self.workspace.oom_kills(&safe);
        follower.begun(&safe, &run);
        entry.token = token;
        entry.run = Some(run);
        entry.stranger = None;
        entry.booting = None;
    }

    /// Whether it runs, and whether as before.
    pub(super) fn look_at_run(&mut self, directory: &str, follower: &dyn Follower) {
        let fresh = self.new_run(directory);
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        if entry
            .run
            .as_ref()
            .is_some_and(|run| fresh.is_some() || !run.lives())
        {
            self.begin_ending(directory, follower);
        }
        let Some(run) = fresh else { return };
        let again = self.is_again(directory);
        self.settle(directory, again.then_some(REBOOT_EXIT), true, follower);
        let started = Started {
            pid: run.pid,
            started_at: run.started_at,
            became: None,
        };
        self.begin_run(directory, run, follower);
        self.keep_notes();
        if let Some(entry) = self.entries.get(directory) {
            self.tell(Change::Started {
                id: entry.id,
                started,
                again,
            });
        }
    }

    /// Whether a start is the second half of one that began with the last end: the monitor noted no end,
    /// and nobody from outside holds the container's lock.
    fn is_again(&self, directory: &str) -> bool {
        let Some(entry) = self.entries.get(directory) else {
            return false;
        };
        let from_within = |ended: Ended| !ended.by_others && ended.at.elapsed() < REBOOT_MAX;
        let possible = match &entry.ending {
            Some(ending) => !ending.locked,
            None => entry.ended.is_some_and(from_within),
        };
        if !possible {
            return false;
        }
        let safe = entry.safe_name();
        let noted = entry
            .mark
            .exit_since(&self.workspace.monitor_log(&safe))
            .is_some();
        !noted && !is_locked(&self.workspace.note(&safe, "lock"))
    }

    /// A run was seen to end; by its number.
    pub(super) fn run_ended(&mut self, token: u64, follower: &dyn Follower) {
        let of_it = |entry: &&Entry| entry.token == token && entry.run.is_some();
        let directory = self
            .entries
            .values()
            .find(of_it)
            .map(|entry| entry.directory.clone());
        if let Some(directory) = directory {
            self.begin_ending(&directory, follower);
            self.settle_or_wait(&directory, follower);
        }
    }

    fn begin_ending(&mut self, directory: &str, follower: &dyn Follower) {
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        let Some(run) = entry.run.take() else { return };
        follower.let_go(entry.token, &run);
        let safe = entry.safe_name();
        entry.ending = Some(Ending {
            oom: self.workspace.oom_kills(&safe) > entry.oom_kills,
            locked: is_locked(&self.workspace.note(&safe, "lock")),
            at: clock::now(),
            deadline: Instant::now() + SETTLE_MAX,
        });
        let image = entry.image;
        // What ran has written.
        self.images.measure_again(image);
        self.measurer.wake();
        self.keep_notes();
    }

    /// Tells an end whose reason is known, or that has waited long enough for it.
    fn settle_or_wait(&mut self, directory: &str, follower: &dyn Follower) {
        self.settle(directory, None, false, follower);
        let waits = self
            .entries
            .get(directory)
            .is_some_and(|entry| entry.ending.is_some());
        if waits {
            self.look_at_run(directory, follower);
        }
        let late = |ending: &Ending| ending.deadline <= Instant::now();
        let late = self
            .entries
            .get(directory)
            .and_then(|entry| entry.ending.as_ref())
            .is_some_and(late);
        if late {
            self.settle(directory, None, true, follower);
        }
    }

    /// Tells an end if its reason is noted, or `known`; `now`: in any case.
    fn settle(&mut self, directory: &str, known: Option<u32>, now: bool, follower: &dyn Follower) {
        let Some(entry) = self.entries.get_mut(directory) else {
            return;
        };
        let Some(ending) = &entry.ending else { return };
        let log = self.workspace.monitor_log(&entry.safe_name());
        let noted = entry.mark.exit_since(&log);
        if noted.is_none() && !now {
            return;
        }
        let change = Change::Exited {
            id: entry.id,
            exit: exit(noted.or(known), ending.oom),
            finished_at: ending.at,
        };
        entry.ended = Some(Ended {
            at: Instant::now(),
            by_others: noted.is_some() || ending.locked,
        });
        entry.ending = None;
        let (id, safe) = (entry.id, entry.safe_name());
        self.tell(change);
        follower.over(&id, &safe);
    }

    /// Tells every end and every begin that can be told. How long until it should be tried again; none where nothing waits.
    pub(super) fn settle_all(&mut self, follower: &dyn Follower) -> Option<Duration> {
        let waiting = self.entries.values().filter(|entry| entry.ending.is_some());
        let waiting: Vec<String> = waiting.map(|entry| entry.directory.clone()).collect();
        for directory in &waiting {
            self.settle_or_wait(directory, follower);
        }
        let booting = self.entries.values().filter(|entry| entry.booting.is_some());
        let booting: Vec<String> = booting.map(|entry| entry.directory.clone()).collect();
        for directory in &booting {
            self.look_at_run(directory, follower);
        }
        let any = |waits: fn(&Entry) -> bool| self.entries.values().any(waits);
        if any(|entry| entry.ending.is_some()) {
            Some(SETTLE_TICK)
        } else {
            any(|entry| entry.booting.is_some()).then_some(BOOT_TICK)
        }
    }

    /// Looks after the runs whose end the kernel does not tell. Whether there are any.
    pub(super) fn look_after(&mut self, follower: &dyn Follower) -> bool {
        let untold = |entry: &&Entry| entry.run.as_ref().is_some_and(|run| run.handle.is_none());
        let directories: Vec<String> = self
            .entries
            .values()
            .filter(untold)
            .map(|entry| entry.directory.clone())
            .collect();
        for directory in &directories {
            self.look_at_run(directory, follower);
            self.settle_or_wait(directory, follower);
        }
        self.entries.values().any(|entry| untold(&entry))
    }

    /// Looks at everything again.
    pub(super) fn look_at_all(&mut self, follower: &dyn Follower) {
        let mut directories = self.workspace.directories();
        directories.extend(self.entries.keys().cloned());
        directories.sort_unstable();
        directories.dedup();
        for directory in directories {
            self.look(&directory, follower);
        }
    }

    /// Directories of the containers whose files have this safe name.
    pub(super) fn with_safe_name(&self, safe_name: &str) -> Vec<String> {
        let of_it = self
            .entries
            .values()
            .filter(|entry| entry.safe_name() == safe_name);
        of_it.map(|entry| entry.directory.clone()).collect()
    }

    fn keep_notes(&self) {
        let runs = self.entries.values();
        self.notes
            .keep(runs.filter_map(|entry| entry.run.as_ref().map(|run| (entry.id, run))));
    }

    /// Sends a signal to a run.
    pub(super) fn signal(&self, id: &ContainerId, signal: i32) -> std::io::Result<()> {
        match self.find(id).and_then(|entry| entry.run.as_ref()) {
            Some(run) => pidfd::signal(run.pid, run.ticks, signal),
            None => Err(std::io::Error::from_raw_os_error(libc::ESRCH)),
        }
    }
}

/// What an earlier bridge noted of this process.
fn noted_as(noted: &[RunNote], pid: u32, ticks: u64) -> Option<&RunNote> {
    noted.iter().find(|note| (note.pid, note.ticks) == (pid, ticks))
}
