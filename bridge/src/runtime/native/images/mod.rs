//! The images of the embedded runtime: root file systems on disk, each with a record.
//!
//! Three directories: `incoming` for imports at work, `store` with one directory per image, called
//! by its id, and `removing` for what is on its way out. An image appears in `store` by one rename
//! and leaves it by one, so it is there whole or not at all, whenever the power goes. Nothing here
//! knows containers: whether an image is in use is decided above.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::fsync;
use wire::files::Commit;
use wire::request::ImportImage;
use wire::{Image, ImageId, Time};

use super::super::RuntimeError;
use crate::host::architecture;

mod host;
mod import;
mod names;
mod record;

use import::{Staging, remove_or_log};
use names::without_tag;

/// Name of an image's root file system, below its directory.
const ROOTFS: &str = "rootfs";

/// Most imports at work at one time. Stops senders that stall from collecting processes.
pub const IMPORTS_AT_ONCE_MAX: usize = 4;

/// Most images. Stops a loop of imports from making every list slow.
pub const IMAGES_MAX: usize = 4096;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Whether the machine's own root file system is offered as `host:latest`.
    pub demo: bool,
    /// The program that unpacks when called with `unpack`: absolute, in production `/proc/self/exe`.
    pub unpacker: PathBuf,
}

/// Where an image's root file system is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rootfs {
    /// In this directory; never to be written to.
    Directory(PathBuf),
    /// It is the machine's own.
    Host,
}

/// The images there are.
pub struct Store {
    options: StoreOptions,
    dir: PathBuf,
    incoming: OwnedFd,
    store: OwnedFd,
    removing: OwnedFd,
    importing: AtomicUsize,
    /// Held by whoever changes the disk; readers never wait for it.
    change: Mutex<()>,
    images: Mutex<BTreeMap<ImageId, Image>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, making it if there is none, and removes what a crash left.
    /// A broken image is logged and left out, and left alone on the disk.
    ///
    /// # Errors
    /// What the system said when the directories could not be made or read.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, RuntimeError> {
        let opened = || -> io::Result<Self> {
            open_private(dir)?;
            let store = Self {
                options,
                dir: dir.to_owned(),
                incoming: open_private(&dir.join("incoming"))?,
                store: open_private(&dir.join("store"))?,
                removing: open_private(&dir.join("removing"))?,
                importing: AtomicUsize::new(0),
                change: Mutex::new(()),
                images: Mutex::new(BTreeMap::new()),
            };
            import::sweep(&store.incoming, &dir.join("incoming"))?;
            import::sweep(&store.removing, &dir.join("removing"))?;
            let images = store.load()?;
            *store.images() = images;
            Ok(store)
        };
        opened().map_err(RuntimeError::system("open the image store"))
    }

    /// Every image, by id.
    #[must_use]
    pub fn list(&self) -> Vec<Image> {
        self.images().values().cloned().collect()
    }

    /// Where the root file system of an image is.
    #[must_use]
    pub fn rootfs(&self, id: &ImageId) -> Option<Rootfs> {
        let images = self.images();
        let image = images.get(id)?;
        Some(if self.is_host(image) {
            Rootfs::Host
        } else {
            Rootfs::Directory(PathBuf::from(&image.rootfs_dir))
        })
    }

    /// Reads a tar (plain, gzip, xz or zstd) to its end and makes an image of it, durably.
    ///
    /// # Errors
    /// [`RuntimeError::InvalidArchive`], [`RuntimeError::InvalidSpec`] for an impossible name,
    /// [`RuntimeError::Unsupported`] for the demo image's name, or what the system said. EBUSY when
    /// [`IMPORTS_AT_ONCE_MAX`] are at work. Nothing is left behind.
    pub fn import(&self, import: &ImportImage, tar: OwnedFd) -> Result<Image, RuntimeError> {
        let image = Image {
            comment: import.comment.clone(),
            config: import.config.clone(),
            ..Image::default()
        };
        self.keep(image, &import.tag, tar)
    }

    /// The same of a container's files, as they come out of a packer.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn commit(&self, commit: &Commit, tar: OwnedFd) -> Result<Image, RuntimeError> {
        let image = Image {
            comment: commit.comment.clone(),
            author: commit.author.clone(),
            config: commit.config.clone(),
            ..Image::default()
        };
        self.keep(image, &commit.tag, tar)
    }

    fn keep(&self, image: Image, tag: &str, tar: OwnedFd) -> Result<Image, RuntimeError> {
        if !tag.is_empty() {
            self.check_tag(tag)?;
        }
        let _turn = Turn::take(&self.importing)?;
        let staging =
            Staging::make(self.incoming.as_fd()).map_err(RuntimeError::system("begin an import"))?;
        let rootfs = self.dir.join("incoming").join(staging.name()).join(ROOTFS);
        let report = import::unpack(&self.options.unpacker, &rootfs, tar)?;
        let mut image = Image {
            layer: report.layer,
            size_bytes: report.size_bytes,
            architecture: architecture().to_owned(),
            ..image
        };
        let _change = self.begin_change();
        self.name_new(&mut image, tag)?;
        tracing::info!(
            id = %image.id,
            entries = report.entries,
            bytes = report.size_bytes,
            xattrs_left_out = report.xattrs_left_out,
            "image imported"
        );
        self.shelve(&staging, &image)?;
        let loser = self.holder(tag).map(|loser| without_tag(loser, tag));
        if let Some(loser) = &loser
            && let Err(error) = self.write(loser)
        {
            self.discard(&image.id);
            return Err(error);
        }
        self.show([Some(image.clone()), loser]);
        Ok(image)
    }

    /// Removes an image with its files. It is gone, durably, before its files are.
    ///
    /// # Errors
    /// [`RuntimeError::NoSuchImage`], [`RuntimeError::Unsupported`] for the demo image, or what the
    /// system said. Where only files were left, the next start removes them.
    pub fn remove(&self, id: &ImageId) -> Result<(), RuntimeError> {
        let name = OsString::from(id.hex().as_str());
        {
            let _change = self.begin_change();
            self.changeable(id, "removed")?;
            // An earlier removal of the same image may have been unable to remove its files.
            remove_or_log(self.removing.as_fd(), &name);
            let renamed = renameat(&self.store, name.as_os_str(), &self.removing, name.as_os_str());
            renamed.map_err(RuntimeError::system("remove an image"))?;
            self.images().remove(id);
            fsync(&self.store).map_err(RuntimeError::system("remove an image"))?;
        }
        crate::tree::remove(self.removing.as_fd(), &name)
            .map_err(RuntimeError::system("remove an image's files"))
    }

    /// Fills in time, name and id of an image that is about to be shelved.
    fn name_new(&self, image: &mut Image, tag: &str) -> Result<(), RuntimeError> {
        if self.images().len() >= IMAGES_MAX {
            return Err(RuntimeError::Unsupported(format!(
                "there are {IMAGES_MAX} images, and no more can be kept"
            )));
        }
        image.created_at = now();
        image.id = record::image_id(image);
        // Two imports of the same archive within one tick of the clock.
        while self.images().contains_key(&image.id) {
            image.created_at.0 = image.created_at.0.saturating_add(1);
            image.id = record::image_id(image);
        }
        if !tag.is_empty() {
            image.tags = vec![tag.to_owned()];
            image.tagged_at = self.next_time();
        }
        image.rootfs_dir = self.rootfs_dir(&image.id);
        Ok(())
    }

    /// Moves a finished import into the store.
    fn shelve(&self, staging: &Staging<'_>, image: &Image) -> Result<(), RuntimeError> {
        let keep = RuntimeError::system::<io::Error>("keep an image");
        let name = OsString::from(image.id.hex().as_str());
        let moved = record::write(staging.dir.as_fd(), image).and_then(|()| {
            let (from, to) = (staging.name().as_os_str(), name.as_os_str());
            Ok(renameat(&self.incoming, from, &self.store, to)?)
        });
        moved.map_err(keep)?;
        fsync(&self.store).map_err(|errno| {
            self.discard(&image.id);
            RuntimeError::system("keep an image")(errno)
        })
    }

    /// Takes a shelved image away again that was never shown to anybody.
    fn discard(&self, id: &ImageId) {
        let name = OsString::from(id.hex().as_str());
        match renameat(&self.store, name.as_os_str(), &self.removing, name.as_os_str()) {
            Ok(()) => remove_or_log(self.removing.as_fd(), &name),
            Err(error) => tracing::warn!(%id, %error, "cannot take back an image"),
        }
    }

    /// Shows readers what is now on the disk, all of it at once.
    fn show(&self, changed: [Option<Image>; 2]) {
        let changed = changed.into_iter().flatten().map(|image| (image.id, image));
        self.images().extend(changed);
    }

    fn write(&self, image: &Image) -> Result<(), RuntimeError> {
        let dir = open_directory(&self.store, image.id.hex().as_str());
        dir.map_err(io::Error::from)
            .and_then(|dir| record::write(dir.as_fd(), image))
            .map_err(RuntimeError::system("write an image record"))
    }

    /// The image, unless it is the demo image, which cannot be `changed`.
    fn changeable(&self, id: &ImageId, changed: &str) -> Result<Image, RuntimeError> {
        let image = self
            .images()
            .get(id)
            .cloned()
            .ok_or(RuntimeError::NoSuchImage(*id))?;
        if self.is_host(&image) {
            return Err(RuntimeError::Unsupported(format!(
                "{} is the machine itself and cannot be {changed}",
                host::TAG
            )));
        }
        Ok(image)
    }

    fn is_host(&self, image: &Image) -> bool {
        self.options.demo && image.rootfs_dir == "/"
    }

    fn rootfs_dir(&self, id: &ImageId) -> String {
        let dir = self.dir.join("store").join(id.hex().as_str()).join(ROOTFS);
        dir.to_string_lossy().into_owned()
    }

    fn images(&self) -> MutexGuard<'_, BTreeMap<ImageId, Image>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_change(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads every image, and settles names that a crash left with two of them.
    fn load(&self) -> io::Result<BTreeMap<ImageId, Image>> {
        let mut images = BTreeMap::new();
        for entry in fs::read_dir(self.dir.join("store"))? {
            let name = entry?.file_name();
            let read = open_directory(&self.store, name.as_os_str())
                .map_err(|errno| record::RecordError::Io(errno.into()))
                .and_then(|dir| {
                    record::remove_unfinished(dir.as_fd());
                    open_directory(&dir, ROOTFS).map_err(|errno| record::RecordError::Io(errno.into()))?;
                    record::read(&dir, &name)
                });
            match read {
                Ok(mut image) => {
                    image.rootfs_dir = self.rootfs_dir(&image.id);
                    images.insert(image.id, image);
                }
                Err(error) => tracing::warn!(name = %name.display(), %error, "broken image left out"),
            }
        }
        self.settle_names(&mut images);
        if self.options.demo {
            let image = host::image();
            images.insert(image.id, image);
        }
        Ok(images)
    }
}

/// A place among the imports at work; dropped, it is free.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(importing: &'a AtomicUsize) -> Result<Self, RuntimeError> {
        let more = |at_work: usize| (at_work < IMPORTS_AT_ONCE_MAX).then_some(at_work + 1);
        importing
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .map(|_| Self(importing))
            .map_err(|_| RuntimeError::system("begin an import: too many at work")(Errno::EBUSY))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes a directory that is root's alone, with those above it, and opens it.
fn open_private(path: &Path) -> io::Result<OwnedFd> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = open(path, flags, Mode::empty())?;
    fchmod(&opened, Mode::S_IRWXU)?;
    Ok(opened)
}

fn open_directory<N: nix::NixPath + ?Sized>(dir: &OwnedFd, name: &N) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

fn now() -> Time {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Time::since_epoch(elapsed.unwrap_or_default())
}
