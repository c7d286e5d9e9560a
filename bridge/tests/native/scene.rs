//! A runtime in a directory of its own, and what containers of it say.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use bridge::ceiling::Powers;
use bridge::runtime::native::{NativeOptions, NativeRuntime};
use bridge::runtime::{Change, Found, Runtime, RuntimeError, Started};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use wire::container::Exit;
use wire::request::ImportImage;
use wire::spec::{NetworkMode, Spec};
use wire::{Container, ContainerId, ImageId, Time};

/// Nothing here takes longer unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What a container that ended left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) output: String,
    pub(crate) error: String,
}

pub(crate) struct Scene {
    pub(crate) dir: PathBuf,
    pub(crate) runtime: NativeRuntime,
    changes: Receiver<Change>,
    pub(crate) found: Vec<Found>,
    pub(crate) image: ImageId,
    options: NativeOptions,
    powers: Powers,
    made: Vec<ContainerId>,
    early: HashMap<ContainerId, (Exit, Time)>,
    ended: HashMap<String, Exit>,
}

fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The tar of an image: busybox under each of its names, users, a few things to trip over.
fn image_tar(path: &Path, more: &[(&str, &str)]) {
    let mut tar = tar::Builder::new(File::create(path).unwrap());
    let mut entry = |name: &str, kind: tar::EntryType, mode: u32, body: &[u8], link: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(body.len() as u64);
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        tar.append_data(&mut header, name, body).unwrap();
    };
    let busybox = fs::read("/bin/busybox").expect("busybox-static is needed: apt-get install busybox-static");
    for directory in ["bin/", "etc/", "home/", "home/ana/", "root/", "var/"] {
        entry(directory, tar::EntryType::Directory, 0o755, b"", "");
    }
    entry("bin/busybox", tar::EntryType::Regular, 0o755, &busybox, "");
    for name in [
        "sh", "cat", "echo", "id", "ls", "mkdir", "mknod", "mount", "umount", "sleep", "stat", "touch",
        "true", "false", "unshare", "chroot", "kill", "dd", "env", "pwd", "hostname", "ip", "grep", "wc",
        "head", "ps", "df", "chmod", "tail", "rm", "ln", "tty", "readlink", "su", "test", "printf", "dmesg",
        "awk", "stty", "yes",
    ] {
        entry(
            &format!("bin/{name}"),
            tar::EntryType::Symlink,
            0o777,
            b"",
            "busybox",
        );
    }
    entry(
        "etc/passwd",
        tar::EntryType::Regular,
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nana:x:1000:100::/home/ana:/bin/sh\n",
        "",
    );
    entry(
        "etc/group",
        tar::EntryType::Regular,
        0o644,
        b"root:x:0:\nwheel:x:10:ana\nusers:x:100:\n",
        "",
    );
    entry("etc/plain", tar::EntryType::Regular, 0o644, b"no program\n", "");
    entry("bin/garbage", tar::EntryType::Regular, 0o755, b"\0\0\0\0", "");
    entry(
        "bin/orphan",
        tar::EntryType::Regular,
        0o755,
        b"#!/no/interpreter\n",
        "",
    );
    for (name, target) in more {
        entry(name, tar::EntryType::Symlink, 0o777, b"", target);
    }
    tar.into_inner().unwrap().flush().unwrap();
}

/// Where tests may make what they like: cargo's folder for it, but in a world where that cannot be written.
pub(crate) fn room() -> PathBuf {
    std::env::var_os("SOCKETD_ROOM").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
}

/// Gives each of two names what the other has, at once.
pub(crate) fn exchange(one: &Path, other: &Path) {
    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
}

/// Whether the kernel can do that. One before 3.15 refuses it to everybody; then it is said that nobody can try it.
pub(crate) fn exchanges() -> bool {
    let flags = RenameFlags::RENAME_EXCHANGE;
    match renameat2(AT_FDCWD, "/nothing/here", AT_FDCWD, "/nothing/there", flags) {
        Err(Errno::ENOENT) => true,
        refused => {
            assert!(
                matches!(refused, Err(Errno::EINVAL | Errno::ENOSYS)),
                "{refused:?}"
            );
            let _ = std::io::stderr()
                .write_all(b"names cannot be exchanged on this kernel, not by containers either\n");
            false
        }
    }
}

/// What the kernel says of filters in a process that has none but those that these tests have.
pub(crate) fn own_filters() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    line.unwrap().trim().to_owned()
}

pub(crate) fn options() -> NativeOptions {
    NativeOptions {
        demo: false,
        shim: PathBuf::from(env!("CARGO_BIN_EXE_socketd-bridge")),
    }
}

/// A runtime, its first list, and where it tells of ends.
fn open(
    dir: &Path,
    options: NativeOptions,
    powers: &Powers,
) -> (NativeRuntime, Vec<Found>, Receiver<Change>) {
    let runtime = NativeRuntime::open(&dir.join("state/bridge/native"), options).unwrap();
    let runtime = runtime.under(powers.clone());
    let (sender, changes) = mpsc::channel();
    let found = runtime.begin(sender).unwrap();
    (runtime, found, changes)
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(options(), &[])
    }

    /// With further symbolic links in the image.
    pub(crate) fn with(options: NativeOptions, links: &[(&str, &str)]) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the tests of the embedded runtime make real containers and need root: run them with sudo"
        );
        let name = format!("native-{}-{}", std::process::id(), unique());
        let dir = room().join(name);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir.join("state/bridge/native"))
            .unwrap();
        let powers = Powers::default();
        let (runtime, found, changes) = open(&dir, options.clone(), &powers);
        let tar = dir.join("image.tar");
        image_tar(&tar, links);
        let image = runtime
            .import_image(&ImportImage::default(), File::open(&tar).unwrap().into())
            .unwrap()
            .id;
        Self {
            dir,
            runtime,
            changes,
            found,
            image,
            options,
            powers,
            made: Vec::new(),
            early: HashMap::new(),
            ended: HashMap::new(),
        }
    }

    /// As if the bridge had been killed and started again.
    pub(crate) fn restart(&mut self) {
        self.restart_after(|| {});
    }

    /// The same, with something happening in between.
    pub(crate) fn restart_after(&mut self, meanwhile: impl FnOnce()) {
        // The old one goes first, as it would; any runtime will do to stand in for it.
        let spare = self.dir.join("spare");
        fs::create_dir_all(spare.join("state/bridge/native")).unwrap();
        let (runtime, _, _) = open(&spare, options(), &Powers::default());
        drop(std::mem::replace(&mut self.runtime, runtime));
        meanwhile();
        let (runtime, found, changes) = open(&self.dir, self.options.clone(), &self.powers);
        self.runtime = runtime;
        self.found = found;
        self.changes = changes;
    }

    /// As if the bridge had been started again under another ceiling.
    pub(crate) fn restart_under(&mut self, powers: Powers) {
        self.powers = powers;
        self.restart();
    }

    /// A specification that runs a script.
    pub(crate) fn shell(script: &str) -> Spec {
        Self::command(&["sh", "-c", script])
    }

    pub(crate) fn command(arguments: &[&str]) -> Spec {
        let mut spec = Spec::default();
        spec.process.command = arguments.iter().map(|&argument| argument.to_owned()).collect();
        spec.network.mode = NetworkMode::None;
        spec
    }

    pub(crate) fn try_create(&mut self, spec: Spec) -> Result<ContainerId, RuntimeError> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&unique().to_le_bytes());
        bytes[8..12].copy_from_slice(&std::process::id().to_le_bytes());
        let mut container = Container {
            id: ContainerId(bytes),
            name: "test".to_owned(),
            image_id: self.image,
            spec,
            ..Container::default()
        };
        self.runtime.check(&container)?;
        self.runtime.create(&mut container)?;
        self.made.push(container.id);
        Ok(container.id)
    }

    pub(crate) fn create(&mut self, spec: Spec) -> ContainerId {
        self.try_create(spec).unwrap()
    }

    pub(crate) fn start(&mut self, spec: Spec) -> (ContainerId, Started) {
        let id = self.create(spec);
        let started = self.runtime.start(&id).unwrap();
        (id, started)
    }

    /// Waits for the end of one container.
    pub(crate) fn end(&mut self, id: &ContainerId) -> Exit {
        loop {
            if let Some((exit, _)) = self.early.remove(id) {
                return exit;
            }
            self.take_change();
        }
    }

    fn take_change(&mut self) {
        match self.changes.recv_timeout(DEADLINE).expect("the end is told") {
            Change::Exited {
                id,
                exit,
                finished_at,
                ..
            } => drop(self.early.insert(id, (exit, finished_at))),
            Change::ExecEnded {
                container,
                exec,
                exit,
                ..
            } => {
                // A process of a container ends before the container does.
                assert!(!self.early.contains_key(&container));
                self.ended.insert(exec, exit);
            }
            other => panic!("nobody else has a hand in these: {other:?}"),
        }
    }

    /// Waits for the end of one further process.
    pub(crate) fn exec_end(&mut self, exec: &str) -> Exit {
        while !self.ended.contains_key(exec) {
            self.take_change();
        }
        self.ended.remove(exec).unwrap()
    }

    /// Waits for words in what a container wrote.
    pub(crate) fn await_output(&self, id: &ContainerId, words: &str) {
        let deadline = std::time::Instant::now() + DEADLINE;
        let path = self.directory(id).join("log");
        let inotify = nix::sys::inotify::Inotify::init(nix::sys::inotify::InitFlags::IN_CLOEXEC).unwrap();
        inotify
            .add_watch(&path, nix::sys::inotify::AddWatchFlags::IN_MODIFY)
            .unwrap();
        while !self.log(id).0.contains(words) {
            assert!(
                std::time::Instant::now() < deadline,
                "{words:?} is written; got {:?}",
                self.log(id)
            );
            inotify.read_events().unwrap();
        }
    }

    pub(crate) fn run(&mut self, spec: Spec) -> Outcome {
        let (id, _) = self.start(spec);
        let exit = self.end(&id);
        let (output, error) = self.log(&id);
        Outcome { exit, output, error }
    }

    /// Standard output of a script that must end well.
    pub(crate) fn output(&mut self, spec: Spec) -> String {
        let outcome = self.run(spec);
        assert_eq!(outcome.exit.code, 0, "{outcome:?}");
        outcome.output
    }

    /// Why a container cannot be started.
    pub(crate) fn failure(&mut self, spec: Spec) -> RuntimeError {
        let id = self.create(spec);
        self.runtime.start(&id).expect_err("it must not start")
    }

    pub(crate) fn directory(&self, id: &ContainerId) -> PathBuf {
        self.dir
            .join("state/bridge/native/containers")
            .join(id.hex().as_str())
    }

    /// Standard output and standard error, as logged.
    pub(crate) fn log(&self, id: &ContainerId) -> (String, String) {
        let bytes = fs::read(self.directory(id).join("log")).unwrap_or_default();
        let mut texts = [Vec::new(), Vec::new()];
        let mut rest = bytes.get(wire::log::FILE_HEADER_BYTES..).unwrap_or_default();
        while rest.len() >= 20 {
            let length = u32::from_le_bytes(rest[12..16].try_into().unwrap()) as usize;
            texts[usize::from(rest[8] - 1)].extend_from_slice(&rest[16..16 + length]);
            rest = &rest[20 + length..];
        }
        let [output, error] = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
        (output, error)
    }

    /// Every directory of control groups that bears a container's id.
    pub(crate) fn groups(id: &ContainerId) -> Vec<PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        mounts
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let place = fields.next()?;
                fields
                    .next()?
                    .starts_with("cgroup")
                    .then(|| Path::new(place).join("socketd").join(id.hex().as_str()))
            })
            .filter(|path| path.exists())
            .collect()
    }
}

impl Scene {
    /// Lets a container run on that a test which failed left frozen: it would not hear that it is to end. Past the
    /// runtime, which may be what failed.
    fn thaw(id: &ContainerId) {
        for group in Self::groups(id) {
            for (file, word) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
                let file = group.join(file);
                if file.exists() {
                    // It may have ended meanwhile.
                    let _ = fs::write(file, word);
                }
            }
        }
    }
}

impl Drop for Scene {
    /// Leaves nothing, whatever happened.
    fn drop(&mut self) {
        for id in std::mem::take(&mut self.made) {
            Self::thaw(&id);
            if self.runtime.signal(&id, 9).is_ok() && !std::thread::panicking() {
                self.end(&id);
            } else if self.runtime.signal(&id, 9).is_ok() {
                let _ = self.changes.recv_timeout(DEADLINE);
            }
            let _ = self.runtime.remove(&id);
            if !std::thread::panicking() {
                assert_eq!(
                    Self::groups(&id),
                    Vec::<PathBuf>::new(),
                    "control groups are left"
                );
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
        if !std::thread::panicking() {
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
            assert!(!mounts.contains(self.dir.to_str().unwrap()), "mounts are left");
            assert!(!self.dir.exists(), "files are left");
        }
    }
}
