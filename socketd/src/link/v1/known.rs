//! What is remembered of earlier answers, because later ones leave it out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use wire::v1::names::{image_tag, image_tag_apart};
use wire::v1::{self, Inspect};
use wire::{Container, ContainerId, Image, ImageId, Summary, Time};

use super::identity;
use super::shape::{self, Beside};
use crate::limits::STOCK_CONTAINERS_MAX;

/// A list with the number of the state that it shows.
#[derive(Debug, Clone)]
pub(super) struct Numbered<T> {
    pub(super) revision: u64,
    pub(super) list: Arc<Vec<T>>,
}

/// How the bridge knows a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: ContainerId,
    pub(super) name: String,
    /// Empty before its first start.
    pub(super) uuid: String,
}

/// What is remembered.
#[derive(Debug)]
pub(super) struct Known {
    containers: Numbered<Summary>,
    images: Numbered<Image>,
    entries: Vec<Entry>,
    /// By container, its first process and when that was first said to have started. The bridge
    /// computes the time anew for every answer, and it comes out a second earlier or later.
    started: HashMap<ContainerId, (i32, i64)>,
    /// By path, what an image is called.
    tags: BTreeMap<String, (ImageId, String)>,
    /// Whether the log knows that the bridge fails to list all containers.
    pub(super) told_of_failure: bool,
}

impl Known {
    /// Nothing. Revisions begin at the time of day, so that no earlier process gave them.
    pub(super) fn new() -> Self {
        let revision = Time::since_epoch(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
            .0
            .max(1);
        Self {
            containers: Numbered {
                revision,
                list: Arc::default(),
            },
            images: Numbered {
                revision,
                list: Arc::default(),
            },
            entries: Vec::new(),
            started: HashMap::new(),
            tags: BTreeMap::new(),
            told_of_failure: false,
        }
    }

    /// Containers as last listed, as the bridge knows them.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes a whole list, and numbers it anew if it shows anything new.
    pub(super) fn adopt(&mut self, mut listed: Vec<v1::Container>) -> Numbered<Summary> {
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        listed.truncate(STOCK_CONTAINERS_MAX);
        self.tags = tags(listed.iter().map(|one| (one.name.as_str(), one.image.as_str())));
        let listed: Vec<Inspect> = listed.into_iter().map(shape::sparse).collect();
        let mut seen = BTreeSet::new();
        // Two containers of one identifier cannot be told apart by anybody who asks.
        let listed: Vec<_> = listed
            .into_iter()
            .filter(|one| seen.insert(shape::id(one)))
            .collect();
        self.started.retain(|id, _| seen.contains(id));
        self.entries = listed
            .iter()
            .map(|one| Entry {
                id: shape::id(one),
                name: one.name.clone(),
                uuid: one.uuid.clone(),
            })
            .collect();
        let mut summaries: Vec<_> = listed.iter().map(|one| self.container(one).summary()).collect();
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.created_at));
        self.containers.renew(summaries);
        self.containers.clone()
    }

    /// Takes a whole list of images, and numbers it anew if it shows anything new.
    pub(super) fn adopt_images(&mut self, mut listed: Vec<v1::Image>) -> Numbered<Image> {
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        self.tags = tags(listed.iter().map(|one| (one.name.as_str(), one.path.as_str())));
        self.images_of_containers()
    }

    /// What the containers that were listed last are made of.
    pub(super) fn images_of_containers(&mut self) -> Numbered<Image> {
        let images = self.tags.iter().map(|(path, (id, tag))| Image {
            id: *id,
            tags: vec![tag.clone()],
            rootfs_dir: path.clone(),
            ..Image::default()
        });
        let images = images.collect();
        self.images.renew(images);
        self.images.clone()
    }

    /// A container with what is remembered of it.
    pub(super) fn container(&mut self, inspect: &Inspect) -> Container {
        let started_at_s = self.started_at_s(shape::id(inspect), inspect.pid, inspect.started_at_s);
        let (image_id, tag) = match self.tags.get(&inspect.image) {
            Some(known) => known.clone(),
            None => (identity::image(&inspect.image), image_tag(&inspect.name)),
        };
        shape::container(
            inspect,
            Beside {
                image_id,
                tag,
                started_at_s,
            },
        )
    }

    /// What an image is called by the container that is made of it, for an event.
    pub(super) fn image_of(&self, id: ContainerId) -> Option<String> {
        let mut all = self.containers.list.iter();
        all.find(|summary| summary.id == id)
            .map(|summary| summary.image.clone())
    }

    /// The time first said of this process; of a container that does not run, of its last.
    fn started_at_s(&mut self, id: ContainerId, pid: i32, said_s: i64) -> i64 {
        match self.started.get(&id) {
            Some((_, first_s)) if pid == 0 => *first_s,
            Some((known, first_s)) if *known == pid && *first_s != 0 => *first_s,
            _ => {
                if pid != 0 && self.started.len() < STOCK_CONTAINERS_MAX {
                    self.started.insert(id, (pid, said_s));
                }
                said_s
            }
        }
    }
}

impl<T: PartialEq> Numbered<T> {
    fn renew(&mut self, list: Vec<T>) {
        if *self.list != list {
            self.revision = self.revision.saturating_add(1);
            self.list = Arc::new(list);
        }
    }
}

/// What images are called, by path. An image is called after the first container made of it; where
/// another image is called so already, the later one is told apart by its identifier.
fn tags<'a>(containers: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, (ImageId, String)> {
    let mut tags = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (name, path) in containers {
        if tags.contains_key(path) {
            continue;
        }
        let id = identity::image(path);
        let mut tag = image_tag(name);
        if taken.contains(&tag) {
            let digits = id.hex();
            tag = image_tag_apart(name, digits.as_str().get(..6).unwrap_or_default());
        }
        taken.insert(tag.clone());
        tags.insert(path.to_owned(), (id, tag));
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, image: &str, pid: i32, started_at_s: i64) -> v1::Container {
        v1::Container {
            name: name.to_owned(),
            image: image.to_owned(),
            pid,
            started_at_s,
            ..v1::Container::default()
        }
    }

    #[test]
    fn a_list_gets_a_new_number_only_when_it_shows_something_new() {
        let mut known = Known::new();
        let first = known.adopt(vec![listed("a", "/a", 7, 1000)]);
        assert_ne!(first.revision, 0);
        // The bridge computes the time anew, and gets another one.
        for jittered in [999, 1001, 1000] {
            let again = known.adopt(vec![listed("a", "/a", 7, jittered)]);
            assert_eq!(again.revision, first.revision);
            assert_eq!(again.list[0].state.started_at.seconds(), 1000);
        }
        let restarted = known.adopt(vec![listed("a", "/a", 8, 1001)]);
        assert_eq!(restarted.revision, first.revision + 1);
        assert_eq!(restarted.list[0].state.started_at.seconds(), 1001);
        let stopped = known.adopt(vec![listed("a", "/a", 0, 0)]);
        assert_eq!(stopped.revision, first.revision + 2);
        // When it was made is still what it was.
        assert_eq!(stopped.list[0].created_at.seconds(), 1001);
        let order = known.adopt(vec![listed("b", "/b", 0, 0), listed("a", "/a", 0, 0)]);
        let same = known.adopt(vec![listed("a", "/a", 0, 0), listed("b", "/b", 0, 0)]);
        assert_eq!(order.revision, same.revision);
    }

    #[test]
    fn images_are_one_a_path_and_called_apart() {
        let image = |name: &str, path: &str| v1::Image {
            name: name.to_owned(),
            path: path.to_owned(),
            ..v1::Image::default()
        };
        let mut known = Known::new();
        let images = known.adopt_images(vec![
            image("b", "/one"),
            image("a", "/one"),
            image("X Y", "/two"),
            image("x-y", "/three"),
        ]);
        let tags: Vec<_> = images.list.iter().map(|image| image.tags[0].as_str()).collect();
        let three = &identity::image("/three").to_string()[..6];
        let apart = tags.iter().filter(|tag| tag.contains(three)).count();
        assert_eq!((tags.len(), apart), (3, 1), "{tags:?}");
        assert!(tags.contains(&image_tag("a").as_str()) && tags.contains(&image_tag("X Y").as_str()));
    }
}
