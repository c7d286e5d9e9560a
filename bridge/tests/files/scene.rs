//! A runtime in a directory of its own, and what tars of its containers hold.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use bridge::runtime::native::{NativeOptions, NativeRuntime};
use bridge::runtime::{Change, Runtime, RuntimeError, Tar};
use wire::files::{ChangeKind, WriteArchive};
use wire::request::ImportImage;
use wire::spec::{Mount, MountKind, NetworkMode, Spec};
use wire::{Container, ContainerId, ImageId};

/// Nothing here takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) dir: PathBuf,
    pub(crate) runtime: NativeRuntime,
    changes: Receiver<Change>,
    pub(crate) image: ImageId,
    made: Vec<ContainerId>,
}

/// An entry of a tar: its kind, its link or data, and the rest of what its header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    pub(crate) link: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
}

pub(crate) type Entries = BTreeMap<Vec<u8>, Entry>;

fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(false)
    }

    /// `demo`: containers are made of the machine's own files.
    pub(crate) fn with(demo: bool) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "real containers need root: run with sudo"
        );
        let name = format!("files-{}-{}", std::process::id(), unique());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let native = dir.join("state/bridge/native");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&native)
            .unwrap();
        let options = NativeOptions {
            demo,
            shim: PathBuf::from(env!("CARGO_BIN_EXE_socketd-bridge")),
        };
        let runtime = NativeRuntime::open(&native, options).unwrap();
        let (sender, changes) = mpsc::channel();
        runtime.begin(sender).unwrap();
        let image = if demo {
            runtime.images()[0].id
        } else {
            let tar = sender_of(image_tar());
            runtime.import_image(&ImportImage::default(), tar).unwrap().id
        };
        Self {
            dir,
            runtime,
            changes,
            image,
            made: Vec::new(),
        }
    }

    pub(crate) fn shell(script: &str) -> Spec {
        let mut spec = Spec::default();
        spec.process.command = ["sh", "-c", script].map(str::to_owned).to_vec();
        spec.network.mode = NetworkMode::None;
        spec
    }

    pub(crate) fn create(&mut self, spec: Spec) -> ContainerId {
        self.create_from(self.image, spec)
    }

    pub(crate) fn create_from(&mut self, image_id: ImageId, spec: Spec) -> ContainerId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&unique().to_le_bytes());
        bytes[8..12].copy_from_slice(&std::process::id().to_le_bytes());
        bytes[12..16].copy_from_slice(b"file");
        let mut container = Container {
            id: ContainerId(bytes),
            name: "test".to_owned(),
            image_id,
            spec,
            ..Container::default()
        };
        self.runtime.check(&container).unwrap();
        self.runtime.create(&mut container).unwrap();
        self.made.push(container.id);
        container.id
    }

    /// A container whose script has run to its end.
    pub(crate) fn ended(&mut self, spec: Spec) -> ContainerId {
        let id = self.create(spec);
        self.runtime.start(&id).unwrap();
        self.await_end(&id);
        id
    }

    /// A container whose script has run up to its last line, which never ends.
    pub(crate) fn running(&mut self, mut spec: Spec) -> ContainerId {
        let script = spec.process.command.pop().unwrap();
        spec.process
            .command
            .push(format!("{script}\necho ready; exec sleep 1000000"));
        let id = self.create(spec);
        self.runtime.start(&id).unwrap();
        self.await_output(&id, b"ready");
        id
    }

    /// Waits until a container has written something.
    pub(crate) fn await_output(&self, id: &ContainerId, words: &[u8]) {
        let path = self.directory(id).join("log");
        let inotify = nix::sys::inotify::Inotify::init(nix::sys::inotify::InitFlags::IN_CLOEXEC).unwrap();
        inotify
            .add_watch(&path, nix::sys::inotify::AddWatchFlags::IN_MODIFY)
            .unwrap();
        while !fs::read(&path)
            .unwrap()
            .windows(words.len())
            .any(|part| part == words)
        {
            inotify.read_events().unwrap();
        }
    }

    pub(crate) fn await_end(&self, id: &ContainerId) {
        loop {
            let change = self.changes.recv_timeout(DEADLINE).expect("the end is told");
            if matches!(change, Change::Exited { id: ended, .. } if ended == *id) {
                return;
            }
        }
    }

    pub(crate) fn directory(&self, id: &ContainerId) -> PathBuf {
        self.dir
            .join("state/bridge/native/containers")
            .join(id.hex().as_str())
    }

    /// What of a container's own layer is at a path.
    pub(crate) fn upper(&self, id: &ContainerId, path: &str) -> PathBuf {
        self.directory(id).join("upper").join(path)
    }

    pub(crate) fn read(&self, id: &ContainerId, path: &str) -> Result<Entries, RuntimeError> {
        let Tar { stream, end, .. } = self.runtime.read_archive(id, path)?;
        let mut bytes = Vec::new();
        File::from(stream).read_to_end(&mut bytes).unwrap();
        end().map(|()| entries(&bytes))
    }

    pub(crate) fn write(&self, id: &ContainerId, path: &str, tar: Vec<u8>) -> Result<(), RuntimeError> {
        let ask = WriteArchive {
            path: path.to_owned(),
            keep_owners: true,
            ..WriteArchive::default()
        };
        self.runtime.write_archive(id, &ask, sender_of(tar))
    }

    /// What differs from the image, as `C /path`.
    pub(crate) fn diff(&self, id: &ContainerId) -> Vec<String> {
        let changes = self.runtime.changes(id).unwrap();
        changes
            .into_iter()
            .map(|change| {
                let letter = match change.kind {
                    ChangeKind::Modified => "C",
                    ChangeKind::Added => "A",
                    ChangeKind::Deleted => "D",
                    ChangeKind::Unknown(number) => panic!("change of kind {number}"),
                };
                format!("{letter} {}", change.path)
            })
            .collect()
    }

    /// Fails unless every packer that was started from here is gone.
    pub(crate) fn assert_no_packers() {
        assert_eq!(packers(), Vec::<String>::new(), "packers are left");
    }
}

/// Children of this process that are packers of the calling test: told by the thread that started them.
pub(crate) fn packers() -> Vec<String> {
    let thread = nix::unistd::gettid();
    let children = fs::read_to_string(format!("/proc/self/task/{thread}/children")).unwrap();
    let of = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    children
        .split_whitespace()
        .filter(|pid| of(pid).contains("pack"))
        .map(str::to_owned)
        .collect()
}

/// The whole of a tar, which must have come to its end.
pub(crate) fn whole(tar: Tar) -> Vec<u8> {
    let Tar { stream, end, .. } = tar;
    let mut bytes = Vec::new();
    File::from(stream).read_to_end(&mut bytes).unwrap();
    end().unwrap();
    bytes
}

pub(crate) fn entries(bytes: &[u8]) -> Entries {
    let mut archive = tar::Archive::new(bytes);
    let mut found = Entries::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let xattrs = entry.pax_extensions().unwrap().into_iter().flatten();
        let xattrs = xattrs
            .map(|record| record.unwrap())
            .filter_map(|record| {
                let name = record.key().unwrap().strip_prefix("SCHILY.xattr.")?;
                Some((name.to_owned(), record.value_bytes().to_vec()))
            })
            .collect();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        let header = entry.header();
        let value = Entry {
            kind: header.entry_type().as_byte(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: header.mtime().unwrap(),
            link: entry.link_name_bytes().unwrap_or_default().into_owned(),
            data,
            xattrs,
        };
        let name = entry.path_bytes().into_owned();
        assert_eq!(
            found.insert(name.clone(), value),
            None,
            "{} twice",
            name.escape_ascii()
        );
    }
    found
}

/// The names in a tar.
pub(crate) fn names(entries: &Entries) -> Vec<String> {
    entries
        .keys()
        .map(|name| name.escape_ascii().to_string())
        .collect()
}

/// A pipe out of which `bytes` come, and then the end.
pub(crate) fn sender_of(bytes: Vec<u8>) -> OwnedFd {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // Whoever refuses the archive has not read all of it.
    thread::spawn(move || drop(writer.write_all(&bytes)));
    reader.into()
}

/// A tar in the making.
pub(crate) struct Making(tar::Builder<Vec<u8>>);

impl Making {
    pub(crate) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    pub(crate) fn entry(mut self, name: &[u8], kind: tar::EntryType, link: &str, data: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(if kind == tar::EntryType::Directory {
            0o755
        } else {
            0o640
        });
        header.set_uid(1234);
        header.set_gid(4321);
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        header.set_cksum();
        if link.is_empty() {
            self.0.append(&header, data).unwrap();
        } else {
            let name = std::str::from_utf8(name).unwrap();
            self.0.append_link(&mut header, name, link).unwrap();
        }
        self
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.entry(name.as_bytes(), tar::EntryType::Regular, "", data)
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.entry(name.as_bytes(), tar::EntryType::Directory, "", b"")
    }

    pub(crate) fn symlink(self, name: &str, text: &str) -> Self {
        self.entry(name.as_bytes(), tar::EntryType::Symlink, text, b"")
    }

    pub(crate) fn end(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// Busybox under some of its names, and files to change.
fn image_tar() -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").expect("busybox-static is needed: apt-get install busybox-static");
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind: tar::EntryType, mode: u32, link: &str, data: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        tar.append_data(&mut header, name, data).unwrap();
    };
    for name in [
        "bin/",
        "etc/",
        "data/",
        "data/full/",
        "data/full/below/",
        "data/plain/",
        "sub/",
    ] {
        add(name, tar::EntryType::Directory, 0o755, "", b"");
    }
    add("bin/busybox", tar::EntryType::Regular, 0o755, "", &busybox);
    for name in [
        "sh", "cat", "echo", "sleep", "mkdir", "mknod", "mkfifo", "ln", "rm", "mv", "chmod", "chown",
        "touch", "dd", "truncate", "ls", "nc", "true", "cp", "test", "readlink",
    ] {
        add(
            &format!("bin/{name}"),
            tar::EntryType::Symlink,
            0o777,
            "busybox",
            b"",
        );
    }
    add(
        "etc/passwd",
        tar::EntryType::Regular,
        0o644,
        "",
        b"root:x:0:0::/:/bin/sh\nana:x:1000:100::/:/bin/sh\n",
    );
    for name in [
        "data/one",
        "data/two",
        "data/full/a",
        "data/full/below/b",
        "data/plain/c",
    ] {
        add(name, tar::EntryType::Regular, 0o644, "", name.as_bytes());
    }
    tar.into_inner().unwrap()
}

pub(crate) fn bind(source: &Path, target: &str) -> Mount {
    Mount {
        kind: MountKind::Bind,
        source: source.to_str().unwrap().to_owned(),
        target: target.to_owned(),
        create_source: true,
        ..Mount::default()
    }
}

impl Drop for Scene {
    /// Leaves nothing, whatever happened.
    fn drop(&mut self) {
        for id in std::mem::take(&mut self.made) {
            if self.runtime.signal(&id, 9).is_ok() {
                if thread::panicking() {
                    let _ = self.changes.recv_timeout(DEADLINE);
                } else {
                    self.await_end(&id);
                }
            }
            let _ = self.runtime.remove(&id);
        }
        let _ = fs::remove_dir_all(&self.dir);
        if !thread::panicking() {
            Self::assert_no_packers();
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
            assert!(!mounts.contains(self.dir.to_str().unwrap()), "mounts are left");
            assert!(!self.dir.exists(), "files are left");
        }
    }
}
