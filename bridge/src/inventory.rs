//! What exists now: every container and image, in memory, with a revision number.
//!
//! Every read of a client is answered from here; nothing scans a directory or `/proc` for it.
//! Knows neither sockets nor the journal: `supervise` tells it what became of whom.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wire::container::Summary;
use wire::record::Value;
use wire::spec::Spec;
use wire::{Container, ContainerId, Image, Refusal, RefusalCode, State};

use crate::clock;
use crate::limits::{CONTAINERS_MAX, SPECS_BYTES_MAX};
use crate::lock::hold;
use crate::runtime::Also;
use crate::supervise::Backoff;

/// One container, and what only the bridge needs to know about it.
#[derive(Debug)]
pub(crate) struct Unit {
    /// What it is, as clients see it.
    pub(crate) container: Container,
    /// Whether it was last stopped or killed on purpose.
    pub(crate) stopped_by_hand: bool,
    /// How long the restart policy waits next.
    pub(crate) backoff: Backoff,
    /// Held by whoever changes this container; ends are reported under it too, so that no `die`
    /// overtakes its `start`.
    pub(crate) turn: Arc<Mutex<()>>,
    /// What else leads to it.
    pub(crate) also: Also,
    /// As clients list it; made anew at every change.
    summary: Arc<Summary>,
    /// How long its spec was on the wire when it came.
    spec_bytes: usize,
}

#[derive(Debug, Default)]
struct Contents {
    units: BTreeMap<ContainerId, Unit>,
    /// Of all of them together.
    spec_bytes: usize,
    /// Also names of containers that are still being made.
    names: HashMap<String, ContainerId>,
    /// Ids that containers had before they got the one they have.
    also_ids: BTreeMap<ContainerId, ContainerId>,
    /// Other spellings of names.
    also_names: HashMap<String, ContainerId>,
    images: Vec<Arc<Image>>,
}

impl Contents {
    /// The id that a container has now.
    fn key(&self, id: &ContainerId) -> ContainerId {
        match self.units.contains_key(id) {
            true => *id,
            false => self.also_ids.get(id).copied().unwrap_or(*id),
        }
    }

    fn unit(&self, id: &ContainerId) -> Option<&Unit> {
        self.units.get(&self.key(id))
    }

    fn put(&mut self, unit: Unit) {
        let id = unit.container.id;
        self.names.insert(unit.container.name.clone(), id);
        for former in &unit.also.ids {
            self.also_ids.insert(*former, id);
        }
        for name in &unit.also.names {
            // A second one of the same spelling is reached by its own.
            self.also_names.entry(name.clone()).or_insert(id);
        }
        self.spec_bytes = self.spec_bytes.saturating_add(unit.spec_bytes);
        if let Some(former) = self.units.insert(id, unit) {
            self.spec_bytes = self.spec_bytes.saturating_sub(former.spec_bytes);
        }
    }

    fn take(&mut self, id: &ContainerId) -> Option<Unit> {
        let id = self.key(id);
        let unit = self.units.remove(&id)?;
        self.spec_bytes = self.spec_bytes.saturating_sub(unit.spec_bytes);
        self.names.remove(&unit.container.name);
        self.also_ids.retain(|_, leads_to| *leads_to != id);
        self.also_names.retain(|_, leads_to| *leads_to != id);
        Some(unit)
    }
}

/// What exists now.
#[derive(Debug)]
pub(crate) struct Inventory {
    contents: Mutex<Contents>,
    changed: Condvar,
    /// Raised by every change. Starts at the time of day, so that no revision of an earlier run
    /// of the bridge is ever met again.
    revision: AtomicU64,
    images_revision: AtomicU64,
}

/// The list of something at one revision.
#[derive(Debug)]
pub(crate) struct Listing<T> {
    pub(crate) revision: u64,
    pub(crate) items: Vec<Arc<T>>,
}

impl Inventory {
    pub(crate) fn new() -> Self {
        let start = clock::now().0;
        Self {
            contents: Mutex::default(),
            changed: Condvar::new(),
            revision: AtomicU64::new(start),
            images_revision: AtomicU64::new(start),
        }
    }

    /// Containers, newest first; none if the list is still the one with revision `than`.
    pub(crate) fn containers_if_newer(&self, than: u64) -> Option<Listing<Summary>> {
        if self.revision.load(Ordering::Acquire) == than {
            return None;
        }
        let contents = hold(&self.contents);
        let revision = self.revision.load(Ordering::Acquire);
        let mut items: Vec<_> = contents
            .units
            .values()
            .map(|unit| Arc::clone(&unit.summary))
            .collect();
        drop(contents);
        items.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        Some(Listing { revision, items })
    }

    /// Images, newest first; none if the list is still the one with revision `than`.
    pub(crate) fn images_if_newer(&self, than: u64) -> Option<Listing<Image>> {
        if self.images_revision.load(Ordering::Acquire) == than {
            return None;
        }
        let contents = hold(&self.contents);
        let revision = self.images_revision.load(Ordering::Acquire);
        Some(Listing {
            revision,
            items: contents.images.clone(),
        })
    }

    /// Replaces the list of images. Makes the list of containers new too.
    pub(crate) fn set_images(&self, images: Vec<Image>) {
        let mut images: Vec<_> = images.into_iter().map(Arc::new).collect();
        images.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        let mut contents = hold(&self.contents);
        contents.images = images;
        self.images_revision.fetch_add(1, Ordering::AcqRel);
        // How a container is shown depends on the names its image has.
        self.announce();
    }

    /// Finds the one container that is meant: by full id, name, or a prefix of the id.
    pub(crate) fn resolve(&self, reference: &str) -> Result<ContainerId, Refusal> {
        let contents = hold(&self.contents);
        if let Some(unit) = ContainerId::from_hex(reference).and_then(|id| contents.unit(&id)) {
            return Ok(unit.container.id);
        }
        for names in [&contents.names, &contents.also_names] {
            if let Some(id) = names.get(reference)
                && contents.units.contains_key(id)
            {
                return Ok(*id);
            }
        }
        if reference.is_empty() {
            return Err(Refusal::about(RefusalCode::NoSuchContainer, reference));
        }
        let begins = |id: &ContainerId| id.hex().as_str().starts_with(reference);
        let own = contents.units.keys().filter(|id| begins(id));
        let former = contents.also_ids.iter().filter(|(id, _)| begins(id));
        let mut matches = own.chain(former.map(|(_, id)| id));
        let Some(first) = matches.next() else {
            return Err(Refusal::about(RefusalCode::NoSuchContainer, reference));
        };
        // One that was called so before and is called so now is the same one.
        match matches.all(|id| id == first) {
            true => Ok(*first),
            false => Err(Refusal::about(RefusalCode::AmbiguousContainer, reference)),
        }
    }

    /// Looks at one container.
    pub(crate) fn with<T>(&self, id: &ContainerId, look: impl FnOnce(&Unit) -> T) -> Result<T, Refusal> {
        let contents = hold(&self.contents);
        contents.unit(id).map(look).ok_or_else(|| no_such(id))
    }

    /// Looks at every container.
    pub(crate) fn each(&self, look: impl FnMut(&Unit)) {
        hold(&self.contents).units.values().for_each(look);
    }

    /// Changes one container, if it is still there.
    pub(crate) fn change(&self, id: &ContainerId, change: impl FnOnce(&mut Unit)) {
        let mut contents = hold(&self.contents);
        let key = contents.key(id);
        let Some(unit) = contents.units.get_mut(&key) else {
            return;
        };
        let before = unit.container.state.clone();
        change(unit);
        // Hundreds may wait for the end of one container: what does not show wakes none of them, and makes
        // no list new.
        let stands = unit.container.state == before;
        let summary = unit.container.summary();
        if stands && summary == *unit.summary {
            return;
        }
        unit.summary = Arc::new(summary);
        self.announce();
    }

    /// Keeps a name for a container that is being made or renamed.
    pub(crate) fn reserve(&self, name: &str, id: ContainerId) -> Result<(), Refusal> {
        let mut contents = hold(&self.contents);
        if let Some(holder) = contents.names.get(name) {
            return Err(Refusal::about(RefusalCode::NameInUse, name).held_by(holder.to_string()));
        }
        if contents.names.len() >= CONTAINERS_MAX {
            return Err(Refusal::about(RefusalCode::TooMany, "containers"));
        }
        contents.names.insert(name.to_owned(), id);
        Ok(())
    }

    /// Gives a reserved name back.
    pub(crate) fn release(&self, name: &str) {
        hold(&self.contents).names.remove(name);
    }

    /// A name that a container may have: the one that is wanted, unless another container has it.
    pub(crate) fn free_name(&self, wanted: &str, id: &ContainerId) -> String {
        let contents = hold(&self.contents);
        match contents.names.get(wanted) {
            Some(holder) if contents.key(holder) != contents.key(id) => {
                format!("{wanted}-{}", id.hex().short())
            }
            _ => wanted.to_owned(),
        }
    }

    /// Whether there are as many containers as there may be.
    pub(crate) fn is_full(&self) -> bool {
        hold(&self.contents).names.len() >= CONTAINERS_MAX
    }

    /// Whether what a container is asked to be may be kept as well.
    pub(crate) fn check_room(&self, spec: &Spec) -> Result<(), Refusal> {
        let kept = hold(&self.contents).spec_bytes;
        if kept.saturating_add(spec.encode().len()) > SPECS_BYTES_MAX {
            return Err(Refusal::about(RefusalCode::TooMany, "containers"));
        }
        Ok(())
    }

    /// Adds a container. Its name is taken with it.
    pub(crate) fn insert(&self, container: Container, stopped_by_hand: bool, also: Also) {
        let mut contents = hold(&self.contents);
        contents.put(Unit {
            summary: Arc::new(container.summary()),
            stopped_by_hand,
            backoff: Backoff::default(),
            turn: Arc::default(),
            also,
            spec_bytes: container.spec.encode().len(),
            container,
        });
        self.announce();
    }

    /// Puts a container in another's place that it has become, perhaps under another id and name:
    /// whoever holds the turn of the one holds that of the other.
    pub(crate) fn replace(&self, id: &ContainerId, container: Container, also: Also) {
        let mut contents = hold(&self.contents);
        if let Some(unit) = contents.take(id) {
            contents.put(Unit {
                summary: Arc::new(container.summary()),
                also,
                spec_bytes: container.spec.encode().len(),
                container,
                ..unit
            });
            self.announce();
        }
    }

    /// What else leads to a container.
    pub(crate) fn also(&self, id: &ContainerId) -> Also {
        let contents = hold(&self.contents);
        contents
            .unit(id)
            .map(|unit| unit.also.clone())
            .unwrap_or_default()
    }

    /// Forgets a container and its name.
    pub(crate) fn remove(&self, id: &ContainerId) {
        let mut contents = hold(&self.contents);
        if contents.take(id).is_some() {
            self.announce();
        }
    }

    /// Waits until a container is in one of the states that `done` accepts, or is gone.
    /// False when the time is over first; no time means for ever.
    pub(crate) fn wait_for(
        &self,
        id: &ContainerId,
        timeout: Option<Duration>,
        done: impl Fn(&State) -> bool,
    ) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut contents = hold(&self.contents);
        loop {
            if contents.unit(id).is_none_or(|unit| done(&unit.container.state)) {
                return true;
            }
            contents = match deadline {
                None => self
                    .changed
                    .wait(contents)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    let waited = self.changed.wait_timeout(contents, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Called with the contents held.
    fn announce(&self) {
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_all();
    }
}

fn no_such(id: &ContainerId) -> Refusal {
    Refusal::about(RefusalCode::NoSuchContainer, id.to_string())
}
