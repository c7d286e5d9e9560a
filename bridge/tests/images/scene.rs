//! A store in a directory of its own, and archives to import into it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use bridge::runtime::RuntimeError;
use bridge::runtime::native::images::{Rootfs, Store, StoreOptions};
use bridge::tree;
use tar::{EntryType, Header};
use wire::Image;
use wire::request::ImportImage;

/// A directory for one test, with a store in it.
pub(crate) struct Scene(PathBuf);

impl Scene {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        assert!(
            nix::unistd::geteuid().is_root(),
            "the tests of the image store need root: run them with sudo"
        );
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("images-{}-{number}", process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    /// Where something in the store lies.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.join("images").join(below)
    }

    pub(crate) fn options(demo: bool) -> StoreOptions {
        StoreOptions {
            demo,
            unpacker: PathBuf::from(env!("CARGO_BIN_EXE_socketd-bridge")),
        }
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.0.join("images"), Self::options(false)).unwrap()
    }

    pub(crate) fn open_demo(&self) -> Store {
        Store::open(&self.0.join("images"), Self::options(true)).unwrap()
    }

    /// Every file system object below the store's directory.
    pub(crate) fn count(&self) -> usize {
        fn below(dir: &Path) -> usize {
            let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
            entries
                .map(|entry| {
                    1 + if entry.file_type().unwrap().is_dir() {
                        below(&entry.path())
                    } else {
                        0
                    }
                })
                .sum()
        }
        below(&self.0.join("images"))
    }

    /// Fails unless the store holds nothing but its three directories.
    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.count(), 3, "something was left behind in the store");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let parent = File::open(self.0.parent().unwrap()).unwrap();
        tree::remove(parent.as_fd(), self.0.file_name().unwrap()).unwrap();
    }
}

/// A pipe out of which `bytes` come, and then the end.
pub(crate) fn sender(bytes: Vec<u8>) -> OwnedFd {
    let (reader, mut writer) = io::pipe().unwrap();
    // The unpacker may refuse the archive before it has read all of it.
    thread::spawn(move || drop(writer.write_all(&bytes)));
    reader.into()
}

pub(crate) fn import(store: &Store, bytes: &[u8]) -> Result<Image, RuntimeError> {
    import_as(store, "", bytes)
}

pub(crate) fn import_as(store: &Store, tag: &str, bytes: &[u8]) -> Result<Image, RuntimeError> {
    let import = ImportImage {
        tag: tag.to_owned(),
        comment: "from a test".to_owned(),
        ..ImportImage::default()
    };
    store.import(&import, sender(bytes.to_vec()))
}

/// The root file system of an image.
pub(crate) fn rootfs(store: &Store, image: &Image) -> PathBuf {
    match store.rootfs(&image.id) {
        Some(Rootfs::Directory(path)) => path,
        other => panic!("{other:?} is no directory"),
    }
}

/// An archive in the making. Names and links go in byte by byte: what the `tar` crate would
/// refuse to write is what these tests are about.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn header(name: &[u8], kind: EntryType, size: usize) -> Header {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(size.try_into().unwrap());
        header.set_device_major(0).unwrap();
        header.set_device_minor(0).unwrap();
        header
    }

    /// Adds an entry; its checksum is set here.
    pub(crate) fn entry(mut self, mut header: Header, data: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        let header = Self::header(name.as_bytes(), EntryType::Regular, data.len());
        self.entry(header, data)
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        let mut header = Self::header(name.as_bytes(), EntryType::Directory, 0);
        header.set_mode(0o755);
        self.entry(header, b"")
    }

    pub(crate) fn link(self, kind: EntryType, name: &str, target: &str) -> Self {
        let mut header = Self::header(name.as_bytes(), kind, 0);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        self.entry(header, b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.link(EntryType::Symlink, name, target)
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.link(EntryType::Link, name, target)
    }

    pub(crate) fn device(self, name: &str, kind: EntryType, (major, minor): (u32, u32)) -> Self {
        let mut header = Self::header(name.as_bytes(), kind, 0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        self.entry(header, b"")
    }

    /// A PAX header for the entry that follows.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while rest + length.to_string().len() != length {
                length += 1;
            }
            data.extend_from_slice(format!("{length} {key}=").as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        let header = Self::header(b"pax", EntryType::XHeader, data.len());
        self.entry(header, &data)
    }

    /// The whole archive, ended as GNU tar ends it.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0.resize(self.0.len().next_multiple_of(10240), 0);
        self.0
    }
}

/// A small root file system as archives of real images have it.
pub(crate) fn small() -> Tar {
    Tar::default()
        .dir("./")
        .dir("usr/")
        .dir("usr/bin/")
        .symlink("bin", "usr/bin")
        .file("bin/sh", b"a shell")
        .hard_link("usr/bin/ash", "bin/sh")
        .file("/etc/passwd", b"root:x:0:0::/:/bin/sh\n")
}

/// Whether something is there, links not followed.
pub(crate) fn exists(path: impl AsRef<OsStr>) -> bool {
    fs::symlink_metadata(Path::new(&path)).is_ok()
}
