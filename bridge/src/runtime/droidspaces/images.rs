//! Root file systems as images: one for each, however many containers stand on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use wire::v1::names::{image_tag, image_tag_apart};
use wire::{Image, ImageId};

use super::workspace::made_at;
use crate::host::architecture;
use crate::tree;

/// Size of the blocks that `st_blocks` counts, in bytes, whatever the file system's are.
const BLOCK_BYTES: u64 = 512;

/// A root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rootfs {
    /// A directory, or a file or block device that holds a file system.
    pub(super) path: String,
    /// Whether it is the latter.
    pub(super) is_image: bool,
    /// What it is called.
    pub(super) tag: String,
}

/// Every root file system that a container names, by its id.
#[derive(Debug, Default)]
pub(super) struct Images {
    known: BTreeMap<ImageId, Rootfs>,
    /// Bytes, as they were last measured.
    sizes: HashMap<ImageId, u64>,
    /// What is to be measured: it is new, or somebody may have written to it.
    due: BTreeSet<ImageId>,
}

impl Images {
    /// Replaces what is known by these paths and the names of the first containers that have them.
    /// Whether anything is another than before.
    pub(super) fn set(&mut self, named: impl Iterator<Item = (ImageId, String, String)>) -> bool {
        let (mut known, mut tags) = (BTreeMap::new(), HashMap::new());
        for (id, path, name) in named {
            if known.contains_key(&id) {
                continue;
            }
            let mut tag = image_tag(&name);
            if tags.get(&tag).is_some_and(|holder| *holder != id) {
                let digits = id.hex();
                tag = image_tag_apart(&name, digits.as_str().get(..6).unwrap_or_default());
            }
            tags.insert(tag.clone(), id);
            let is_image = is_image(&path);
            known.insert(id, Rootfs { path, is_image, tag });
        }
        let changed = known != self.known;
        self.due
            .extend(known.keys().filter(|id| !self.known.contains_key(id)));
        self.known = known;
        self.sizes.retain(|id, _| self.known.contains_key(id));
        self.due.retain(|id| self.known.contains_key(id));
        changed
    }

    /// What is called this.
    pub(super) fn find(&self, id: &ImageId) -> Option<&Rootfs> {
        self.known.get(id)
    }

    /// The next root file system to be measured.
    pub(super) fn take_due(&mut self) -> Option<(ImageId, Rootfs)> {
        let id = self.due.pop_first()?;
        self.known.get(&id).map(|rootfs| (id, rootfs.clone()))
    }

    /// Notes a size; whether it is another than before.
    pub(super) fn measured(&mut self, id: ImageId, bytes: u64) -> bool {
        self.known.contains_key(&id) && self.sizes.insert(id, bytes) != Some(bytes)
    }

    /// Has a root file system measured again.
    pub(super) fn measure_again(&mut self, id: ImageId) {
        self.due.insert(id);
    }

    /// The size of one, in bytes; zero before it was measured.
    pub(super) fn size(&self, id: &ImageId) -> u64 {
        self.sizes.get(id).copied().unwrap_or(0)
    }

    /// All of them, as clients see them.
    pub(super) fn list(&self) -> Vec<Image> {
        let images = self.known.iter().map(|(id, rootfs)| Image {
            id: *id,
            created_at: made_at(Path::new(&rootfs.path)),
            size_bytes: self.size(id),
            architecture: architecture().to_owned(),
            comment: "a root file system of this host".to_owned(),
            tags: vec![rootfs.tag.clone()],
            rootfs_dir: rootfs.path.clone(),
            ..Image::default()
        });
        images.collect()
    }
}

/// Whether a root file system is a file or device that holds one.
pub(super) fn is_image(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|about| about.is_file() || about.file_type().is_block_device())
}

/// The bytes that a root file system takes: of a tree those of its files, of an image those that are
/// not holes.
pub(super) fn measure(rootfs: &Rootfs) -> u64 {
    let path = Path::new(&rootfs.path);
    if !rootfs.is_image {
        return tree::directory_bytes(path);
    }
    fs::metadata(path).map_or(0, |about| about.blocks().saturating_mul(BLOCK_BYTES))
}

#[cfg(test)]
mod tests {
    use super::super::identity::of_rootfs;
    use super::*;

    #[test]
    fn one_for_each_root_file_system() {
        let mut images = Images::default();
        let named = |path: &str, name: &str| (of_rootfs(path), path.to_owned(), name.to_owned());
        let all = [
            named("/a", "Media Box"),
            named("/b", "media-box"),
            named("/a", "other"),
        ];
        assert!(images.set(all.clone().into_iter()));
        assert!(!images.set(all.into_iter()));
        let tag = |path: &str| images.find(&of_rootfs(path)).map(|rootfs| rootfs.tag.clone());
        assert_eq!(tag("/a").as_deref(), Some("droidspaces/media-box:latest"));
        let digits = of_rootfs("/b").to_string();
        let apart = format!("droidspaces/media-box-{}:latest", &digits[..6]);
        assert_eq!(tag("/b"), Some(apart));
        assert_eq!(images.list().len(), 2);
        let due = std::iter::from_fn(|| images.take_due()).count();
        assert_eq!(due, 2);
        images.measure_again(of_rootfs("/a"));
        assert!(images.take_due().is_some_and(|(id, _)| id == of_rootfs("/a")));
        assert!(images.measured(of_rootfs("/a"), 5));
        assert!(!images.measured(of_rootfs("/a"), 5));
        assert!(!images.measured(of_rootfs("/gone"), 5));
        assert_eq!(images.size(&of_rootfs("/a")), 5);
    }
}
