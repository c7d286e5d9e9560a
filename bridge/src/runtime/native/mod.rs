//! The embedded runtime: containers of our own making, on nothing but the kernel.
//!
//! This half lives in the bridge: it keeps the containers' directories, starts a shim for each that
//! is to run, and learns from one thread when one has ended. The other half, [`crate::shim`], makes
//! the container and outlives the bridge. It must know nothing of journals, sockets or clients.
//!
//! ```text
//! DIR/containers/ID/   one container; its files are named in crate::shim::record::file
//! DIR/removing/ID/     one that is being removed: it is no more, whatever happens
//! DIR/images/          the image store
//! DIR/skeleton/        empty mount points, the lowest layer of every root file system
//! DIR/mount, mount-lower   empty; each shim mounts on them, in a namespace of its own
//! DIR/shim             empty; see `program`
//! ```

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::Sender;

use nix::libc;
use wire::files::{Commit, LogFile, PathChange, PathStat, WriteArchive};
use wire::network::{NetworkInfo, NetworkKind};
use wire::reader::Unknown;
use wire::request::ImportImage;
use wire::response::ContainerUsage;
use wire::stats::{ProcessInfo, Stats};
use wire::{Container, ContainerId, Image, ImageId};

use super::stats::ticks_in_ns;
use super::{
    Also, Change, Condition, ExecOrder, ExecRun, Found, InputEnd, Runtime, RuntimeError, Started, Tar,
};
use crate::ceiling::Powers;
use crate::pack::task::Work;
use crate::shim::cgroup::{Groups, Layout};
use crate::shim::plan::Plan;
use crate::shim::record::{self, Order, Run, file};
use crate::sys::pidfd;
use crate::tree;

mod files;
mod folder;
pub mod images;
mod inside;
mod packer;
mod places;
mod processes;
mod program;
mod starter;
mod stats;
mod tune;
mod warnings;
mod watcher;

use images::{Rootfs, Store, StoreOptions};
use inside::WaitingBells;
use places::Places;
use watcher::{Watched, Watcher};

/// The name shown to users.
const NAME: &str = "native";

/// What differs between installations.
#[derive(Debug, Clone)]
pub struct NativeOptions {
    /// Whether the machine's own root is offered as an image.
    pub demo: bool,
    /// The program that is executed as `PROGRAM shim DIRECTORY`; `/proc/self/exe` in production.
    pub shim: PathBuf,
}

/// The embedded runtime.
#[derive(Debug)]
pub struct NativeRuntime {
    places: Places,
    program: program::Program,
    layout: Layout,
    store: Store,
    /// Who waits for containers that do not run.
    waiting: WaitingBells,
    /// None until [`Runtime::begin`] has said where ends are told.
    watcher: Mutex<Option<Watcher>>,
    packers: packer::Packers,
    /// What containers may be given at most.
    powers: Powers,
}

impl NativeRuntime {
    /// Opens what is in `dir`, which exists, is absolute, and only root can enter.
    ///
    /// # Errors
    /// What the operating system said; what the image store said.
    pub fn open(dir: &Path, options: NativeOptions) -> Result<Self, RuntimeError> {
        let places = Places::make(dir).map_err(RuntimeError::system("make the runtime's directories"))?;
        places
            .remove_leftovers()
            .map_err(RuntimeError::system("remove what was being removed"))?;
        Ok(Self {
            program: program::Program::open(&options.shim, &dir.join("shim"))
                .map_err(RuntimeError::system("open the shim's program"))?,
            layout: Layout::detect(),
            store: Store::open(
                &dir.join("images"),
                StoreOptions {
                    demo: options.demo,
                    unpacker: options.shim,
                },
            )?,
            waiting: WaitingBells::default(),
            watcher: Mutex::new(None),
            packers: packer::Packers::default(),
            places,
            powers: Powers::default(),
        })
    }

    /// The same, where containers may be given no more than this.
    #[must_use]
    pub fn under(self, powers: Powers) -> Self {
        Self { powers, ..self }
    }

    fn directory(&self, id: &ContainerId) -> PathBuf {
        self.places.containers.join(id.hex().as_str())
    }

    fn config(&self, id: &ContainerId) -> Result<Container, RuntimeError> {
        match record::read(&self.directory(id), file::CONFIG, Unknown::Refuse) {
            Ok(Some(container)) => Ok(container),
            Ok(None) => Err(RuntimeError::NoSuchContainer(*id)),
            Err(error) => Err(RuntimeError::System {
                attempt: "read the container's configuration",
                error: io::Error::other(error),
            }),
        }
    }

    /// The lock is held for a look or an insertion, nothing that can panic or wait.
    fn with_watcher<T>(&self, look: impl FnOnce(&Watcher) -> T) -> Option<T> {
        let guard = self
            .watcher
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        guard.as_ref().map(look)
    }

    /// What runs of a container that does.
    fn run(&self, id: &ContainerId) -> Result<Run, RuntimeError> {
        self.with_watcher(|watcher| watcher.run(id))
            .flatten()
            .ok_or(RuntimeError::NotRunning)
    }

    /// Where one container stands; one that runs is watched from here on.
    fn condition(&self, id: &ContainerId, watcher: &Watcher) -> io::Result<Condition> {
        let directory = self.directory(id);
        if let Some((alive, run)) = folder::living(&directory)? {
            let condition = Condition::Running {
                pid: run.pid,
                started_at: run.started_at,
                since_boot_ns: ticks_in_ns(run.started_ticks),
                frozen: Groups::of(&self.layout, id).frozen() == Some(true),
            };
            watcher.watch(Watched {
                id: *id,
                directory,
                run,
                alive,
                shim: None,
            })?;
            return Ok(condition);
        }
        folder::end_orphan(id, &directory);
        Ok(match folder::last_end(&directory) {
            None => Condition::Created,
            Some(end) => Condition::Exited {
                exit: end.exit,
                started_at: end.started_at,
                finished_at: end.finished_at,
            },
        })
    }

    fn found(&self, entry: &fs::DirEntry, watcher: &Watcher) -> Option<Found> {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(ContainerId::from_hex) else {
            tracing::warn!(entry = %entry.path().display(), "not a container's directory; left alone");
            return None;
        };
        if !entry.path().join(file::CONFIG).exists() {
            // The bridge ended while it was being made; nobody was told that it was.
            if let Err(error) = self.discard(&id) {
                tracing::warn!(container = %id, %error, "a half-made container cannot be removed");
            }
            return None;
        }
        let container = match self.config(&id) {
            Ok(container) if container.id == id => container,
            Ok(_) => {
                tracing::warn!(container = %id, "the directory holds another container's configuration; left out");
                return None;
            }
            Err(error) => {
                tracing::warn!(container = %id, %error, "broken container; left out");
                return None;
            }
        };
        match self.condition(&id, watcher) {
            Ok(condition) => Some(Found {
                container,
                condition,
                also: Also::default(),
            }),
            Err(error) => {
                tracing::warn!(container = %id, %error, "the container's condition cannot be told; left out");
                None
            }
        }
    }

    /// Takes a container's name from it, which is its end, and removes what is left.
    fn discard(&self, id: &ContainerId) -> io::Result<()> {
        let from = self.directory(id);
        let to = self.places.removing.join(id.hex().as_str());
        match fs::rename(&from, &to) {
            // A removal that got this far and was asked for again.
            Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
            Err(error) => return Err(error),
            Ok(()) => record::sync_directory(&self.places.containers)?,
        }
        Groups::of(&self.layout, id).remove();
        tree::remove(
            File::open(&self.places.removing)?.as_fd(),
            OsStr::new(id.hex().as_str()),
        )
    }

    fn launch(&self, id: &ContainerId) -> Result<Started, RuntimeError> {
        let container = self.config(id)?;
        let order = self.order(&container)?;
        let directory = self.directory(id);
        // Opened before the shim is there, so that not even the shortest life is missed.
        let alive = folder::open_alive(&directory)
            .map_err(RuntimeError::system("open the container's sign of life"))?;
        let (run, shim) = starter::start(&self.program, &directory, &order)?;
        let (pid, started_ticks, started_at) = (run.pid, run.started_ticks, run.started_at);
        let watched = Watched {
            id: *id,
            directory,
            run,
            alive,
            shim: Some(shim),
        };
        self.with_watcher(|watcher| watcher.watch(watched))
            .unwrap_or_else(|| Err(io::Error::other("begin was not called")))
            .map_err(|error| {
                // Nobody would ever hear of its end, so it must not go on.
                let _ = pidfd::signal(pid, started_ticks, libc::SIGKILL);
                RuntimeError::System {
                    attempt: "watch the container",
                    error,
                }
            })?;
        Ok(Started {
            pid,
            started_at,
            since_boot_ns: ticks_in_ns(started_ticks),
            became: None,
        })
    }

    fn order(&self, container: &Container) -> Result<Order, RuntimeError> {
        let text = |path: &Path| {
            path.to_str()
                .map(str::to_owned)
                .ok_or_else(|| RuntimeError::Unsupported(format!("the path {} is not UTF-8", path.display())))
        };
        let rootfs = match self.store.rootfs(&container.image_id) {
            None => return Err(RuntimeError::NoSuchImage(container.image_id)),
            Some(Rootfs::Host) => {
                // As good as a mount of it.
                let sources = self.powers.sources_of(&container.spec);
                sources.judge_bind(Path::new("/"), true)?;
                String::new()
            }
            Some(Rootfs::Directory(path)) => text(&path)?,
        };
        Ok(Order {
            rootfs,
            skeleton: text(&self.places.skeleton)?,
            mount_point: text(&self.places.mount_point)?,
            lower_mount_point: text(&self.places.lower_mount_point)?,
            state_dir: text(&self.places.state_dir)?,
            powers: self.powers.clone(),
        })
    }
}

impl Runtime for NativeRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begin(&self, changes: Sender<Change>) -> Result<Vec<Found>, RuntimeError> {
        let watcher = Watcher::start(changes).map_err(RuntimeError::system("watch containers"))?;
        let entries =
            fs::read_dir(&self.places.containers).map_err(RuntimeError::system("list containers"))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(RuntimeError::system("list containers"))?;
            found.extend(self.found(&entry, &watcher));
        }
        let mut slot = self
            .watcher
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *slot = Some(watcher);
        Ok(found)
    }

    fn networks(&self) -> Vec<NetworkInfo> {
        vec![NetworkInfo {
            name: "bridge".to_owned(),
            kind: NetworkKind::Bridge,
            ..NetworkInfo::default()
        }]
    }

    fn check(&self, container: &Container) -> Result<Vec<String>, RuntimeError> {
        let plan = Plan::new(container)?;
        Ok(warnings::about(container, &plan, &self.layout))
    }

    fn create(&self, container: &mut Container) -> Result<(), RuntimeError> {
        let order = self.order(container)?;
        Plan::new(container)?;
        let directory = self.directory(&container.id);
        let text = |name: &str| directory.join(name).display().to_string();
        container.runtime = NAME.to_owned();
        container.upper_dir = text(file::UPPER);
        container.log_path = text(file::LOG);
        container.hostname_path = text(file::HOSTNAME);
        container.hosts_path = text(file::HOSTS);
        container.resolv_conf_path = text(file::RESOLV_CONF);
        container.lower_dirs = match order.rootfs.as_str() {
            "" => vec!["/".to_owned()],
            rootfs => vec![rootfs.to_owned(), order.skeleton],
        };
        folder::make(&directory, container)
            .and_then(|()| record::sync_directory(&self.places.containers))
            .map_err(|error| {
                if error.kind() != io::ErrorKind::AlreadyExists
                    && let Err(error) = self.discard(&container.id)
                {
                    tracing::warn!(container = %container.id, %error, "a half-made container cannot be removed");
                }
                RuntimeError::System { attempt: "make the container's directory", error }
            })
    }

    /// The end of the container may be sent to `changes` as soon as this returns, and not before it
    /// is about to.
    fn start(&self, id: &ContainerId) -> Result<Started, RuntimeError> {
        let _starting = self.packers.make_way(id);
        let outcome = self.launch(id);
        match &outcome {
            Ok(_) => self.hand_over_bells(id),
            // They waited for this start.
            Err(_) => drop(self.waiting.take(id)),
        }
        outcome
    }

    fn signal(&self, id: &ContainerId, signal: i32) -> Result<(), RuntimeError> {
        let run = self.run(id)?;
        match pidfd::signal(run.pid, run.started_ticks, signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(RuntimeError::NotRunning),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                Err(RuntimeError::InvalidSpec(format!("invalid signal: {signal}")))
            }
            other => other.map_err(RuntimeError::system("send a signal")),
        }
    }

    fn rename(&self, id: &ContainerId, name: &str) -> Result<(), RuntimeError> {
        let mut container = self.config(id)?;
        name.clone_into(&mut container.name);
        record::write(
            &self.directory(id),
            file::CONFIG,
            &container,
            record::Durability::Synced,
        )
        .map_err(RuntimeError::system("write the container's configuration"))
    }

    fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        drop(self.waiting.take(id));
        match self.discard(id) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RuntimeError::NoSuchContainer(*id)),
            other => other.map_err(RuntimeError::system("remove the container's files")),
        }
    }

    fn usage(&self) -> Vec<ContainerUsage> {
        let sizes: std::collections::HashMap<ImageId, u64> = self
            .store
            .list()
            .into_iter()
            .map(|image| (image.id, image.size_bytes))
            .collect();
        let entries = fs::read_dir(&self.places.containers)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| {
                let id = ContainerId::from_hex(entry.file_name().to_str()?)?;
                let container = self.config(&id).ok()?;
                Some(ContainerUsage {
                    id,
                    upper_bytes: tree::directory_bytes(&entry.path().join(file::UPPER)),
                    image_bytes: sizes.get(&container.image_id).copied().unwrap_or_default(),
                })
            })
            .collect()
    }

    fn images(&self) -> Vec<Image> {
        self.store.list()
    }

    fn import_image(&self, import: &ImportImage, tar: OwnedFd) -> Result<Image, RuntimeError> {
        self.store.import(import, tar)
    }

    fn tag_image(&self, id: &ImageId, tag: &str) -> Result<(), RuntimeError> {
        self.store.tag(id, tag)
    }

    fn untag_image(&self, id: &ImageId, tag: &str) -> Result<(), RuntimeError> {
        self.store.untag(id, tag)
    }

    fn remove_image(&self, id: &ImageId) -> Result<(), RuntimeError> {
        self.store.remove(id)
    }

    fn processes(&self, id: &ContainerId) -> Result<Vec<ProcessInfo>, RuntimeError> {
        self.run(id).map(|run| self.list_processes(id, &run))
    }

    fn stats(&self, id: &ContainerId) -> Result<Stats, RuntimeError> {
        self.run(id).and_then(|run| self.read_stats(id, &run))
    }

    fn freeze(&self, id: &ContainerId, frozen: bool) -> Result<(), RuntimeError> {
        self.run(id).and_then(|_| self.set_frozen(id, frozen))
    }

    fn update(&self, container: &Container) -> Result<Vec<String>, RuntimeError> {
        self.change_limits(container)
    }

    fn open_log(&self, id: &ContainerId) -> Result<Vec<(LogFile, OwnedFd)>, RuntimeError> {
        inside::open_log(&self.directory(id))
    }

    fn ring(&self, id: &ContainerId, bell: OwnedFd) -> Result<(), RuntimeError> {
        self.ring_bell(id, bell)
    }

    fn open_input(&self, id: &ContainerId) -> Result<InputEnd, RuntimeError> {
        self.ask_input(id)
    }

    fn resize(&self, id: &ContainerId, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        self.ask_size(id, rows, columns)
    }

    fn exec(&self, id: &ContainerId, order: ExecOrder<'_>) -> Result<ExecRun, RuntimeError> {
        self.ask_exec(id, order)
    }

    fn signal_exec(&self, _id: &ContainerId, exec: &str, signal: i32) -> Result<(), RuntimeError> {
        self.signal_further(exec, signal)
    }

    fn changes(&self, id: &ContainerId) -> Result<Vec<PathChange>, RuntimeError> {
        self.list_changes(id)
    }

    fn stat_path(&self, id: &ContainerId, path: &str) -> Result<PathStat, RuntimeError> {
        self.look_at(id, path)
    }

    fn read_archive(&self, id: &ContainerId, path: &str) -> Result<Tar, RuntimeError> {
        self.tar(id, Work::Read, path)
    }

    fn write_archive(&self, id: &ContainerId, ask: &WriteArchive, tar: OwnedFd) -> Result<(), RuntimeError> {
        self.put(id, ask, tar)
    }

    fn export(&self, id: &ContainerId) -> Result<Tar, RuntimeError> {
        self.tar(id, Work::Export, "/")
    }

    fn commit(&self, id: &ContainerId, ask: &Commit) -> Result<Image, RuntimeError> {
        self.make_image(id, ask)
    }
}
