//! Every container of the workspace, and what its changes mean.
//!
//! Held by one lock while files are looked at and changes are told, so that they are told in the order
//! in which they were seen. Nothing here waits.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use nix::libc;
use wire::{Container, ContainerId, Time};

use super::entry::{Entry, Facts, exit, named};
use super::identity;
use super::images::Images;
use super::living::Run;
use super::measure::Measurer;
use super::monitor_log::{self, Mark};
use super::notes::{Notes, RunNote};
use super::workspace::Workspace;
use crate::runtime::{Change, Condition, Found};
use crate::sys::pidfd;

mod runs;

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
            since_boot_ns: 0,
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
                since_boot_ns: run.since_boot_ns,
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
            (None, false) => {}
            (None, true) => self.remove(directory, follower),
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
        }
        if entry.run.is_some() || entry.ending.is_some() {
            follower.over(&entry.id, &entry.safe_name());
        }
        self.tell(Change::Vanished { id: entry.id });
        self.name_images();
        self.keep_notes();
    }

    /// True where it is another than before.
    fn alter(&mut self, directory: &str, mut facts: Facts) -> bool {
        // Who runs stays who it is: a second start that found it running may have given it another UUID, which
        // is its own from its end on. It has not ended before that is told.
        let stays = |entry: &&Entry| entry.run.is_some() || entry.ending.is_some();
        if let Some(entry) = self.entries.get(directory).filter(stays) {
            facts.config.uuid.clone_from(&entry.facts.config.uuid);
        }
        let id = self.own_id(directory, &facts.config.uuid);
        let Some(entry) = self.entries.get_mut(directory) else {
            return false;
        };
        if entry.facts == facts {
            return false;
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
        true
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
