//! Droidspaces: containers that another program makes and runs, seen and driven through its workspace.
//!
//! The workspace is the truth: its configurations say which containers there are, its pidfiles which
//! run. It is read and watched, never written; whatever is done to a container is done by the runtime's
//! own command. Nothing within a container can change what is said of it.
//!
//! - [`config`], `workspace`, `monitor_log`, `history`, `lock_file`: files of the workspace, read;
//! - `identity`, `living`, `shape`, `powers`, `images`: what they mean;
//! - `table`, `entry`, `watch`, `bells`: what there is, and who is told of its changes;
//! - [`execs`], `command`, `daemon`, `served`, `streams`: further processes in it; `usage`: what it uses;
//! - `lifecycle`, `cli`: what is done to it; `notes`: what this runtime keeps for itself.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use nix::libc;
use wire::files::LogFile;
use wire::network::NetworkInfo;
use wire::request::ImportImage;
use wire::response::ContainerUsage;
use wire::spec::Spec;
use wire::stats::{ProcessInfo, Stats};
use wire::{Container, ContainerId, ExecSpec, Image, ImageId};

use super::{Change, ExecOrder, ExecRun, Found, PastEvent, Runtime, RuntimeError, Started};
use crate::lock::hold;
use crate::shim::cgroup::Layout;

mod bells;
mod chain;
mod cli;
mod command;
mod config;
mod daemon;
mod entry;
pub mod execs;
mod history;
mod identity;
mod images;
mod lifecycle;
mod limits;
mod living;
mod lock_file;
mod measure;
mod monitor_log;
mod notes;
mod orphans;
mod powers;
mod served;
mod shape;
mod streams;
mod table;
mod usage;
mod watch;
mod workspace;

use cli::Cli;
use entry::Entry;
use execs::{ExecOptions, Execs};
use measure::Measurer;
use notes::Notes;
use table::Table;
use watch::{Thread, Watch};
use workspace::Workspace;

pub use workspace::{usual_command, usual_root};

/// The name shown to users.
const NAME: &str = "droidspaces";

/// What differs between installations.
#[derive(Debug, Clone)]
pub struct DroidspacesOptions {
    /// The workspace.
    pub root: PathBuf,
    /// The runtime's own command, by an absolute path.
    pub command: PathBuf,
    /// Abstract name of the socket of the runtime's own daemon.
    pub daemon: String,
    /// The program that is executed as `PROGRAM relay`; `/proc/self/exe` in production.
    pub program: PathBuf,
}

/// What is there once [`Runtime::begin`] was called.
struct Begun {
    table: Arc<Mutex<Table>>,
    watch: Arc<Watch>,
    execs: Arc<Execs>,
    _thread: Thread,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").finish_non_exhaustive()
    }
}

/// The runtime.
#[derive(Debug)]
pub struct DroidspacesRuntime {
    workspace: Workspace,
    notes: PathBuf,
    commands: Cli,
    execs: ExecOptions,
    groups: Layout,
    begun: OnceLock<Begun>,
}

impl DroidspacesRuntime {
    /// A runtime that keeps its own notes in `dir`. The workspace need not be there yet.
    ///
    /// # Errors
    /// What the operating system said of `dir`; a command whose path is not absolute.
    pub fn open(dir: &Path, options: DroidspacesOptions) -> Result<Self, RuntimeError> {
        if !options.command.is_absolute() || !options.root.is_absolute() {
            let sentence = "workspace and command of Droidspaces must be absolute paths";
            return Err(RuntimeError::InvalidSpec(sentence.to_owned()));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(RuntimeError::system("make the runtime's directory"))?;
        // A root that leads through links is the one that paths in configurations are held against.
        let root = fs::canonicalize(&options.root).unwrap_or(options.root);
        Ok(Self {
            workspace: Workspace::new(root),
            notes: dir.to_owned(),
            execs: ExecOptions {
                program: options.program,
                command: options.command.clone(),
                daemon: options.daemon,
            },
            commands: Cli::new(options.command, dir),
            groups: Layout::detect(),
            begun: OnceLock::new(),
        })
    }

    fn begun(&self) -> Result<&Begun, RuntimeError> {
        let missing = || RuntimeError::System {
            attempt: "look at the workspace",
            error: io::Error::other("begin was not called"),
        };
        self.begun.get().ok_or_else(missing)
    }

    fn with_entry<T>(
        &self,
        id: &ContainerId,
        look: impl FnOnce(&Entry, &Table) -> T,
    ) -> Result<T, RuntimeError> {
        let table = hold(&self.begun()?.table);
        match table.find(id) {
            Some(entry) => Ok(look(entry, &table)),
            None => Err(RuntimeError::NoSuchContainer(*id)),
        }
    }

    /// Looks at a container again, before the kernel tells of it.
    fn look(&self, directory: &str) {
        if let Ok(begun) = self.begun() {
            let mut table = hold(&begun.table);
            table.look(directory, begun.watch.as_ref());
            if table.is_waiting() {
                begun.watch.wake();
            }
        }
    }

    /// The console's files, that of the run before first.
    fn consoles(&self, safe_name: &str) -> Result<Vec<(LogFile, OwnedFd)>, RuntimeError> {
        let console = self.workspace.console(safe_name);
        let old = console.with_extension("old");
        let mut files: Vec<(LogFile, OwnedFd)> = Vec::new();
        for path in [old, console] {
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(RuntimeError::system("open the console's log"))?,
            };
            let about = file
                .metadata()
                .map_err(RuntimeError::system("open the console's log"))?;
            let number = u64::try_from(files.len()).unwrap_or(0).saturating_add(1);
            files.push((
                LogFile {
                    number,
                    bytes: about.len(),
                },
                file.into(),
            ));
        }
        Ok(files)
    }
}

/// What is not this bridge's to do.
fn refused<T>(sentence: &str) -> Result<T, RuntimeError> {
    Err(RuntimeError::Unsupported(sentence.to_owned()))
}

const NO_CREATE: &str = "containers of Droidspaces are made by its own app or command: they are configured in its \
                         workspace, which is only read here";
const NO_REMOVE: &str = "containers of Droidspaces are removed by its own app or command: its workspace is only \
                         read here";
const NO_RENAME: &str = "containers of Droidspaces are renamed by its own app or command: a name is part of a \
                         configuration in its workspace, which is only read here";
const NO_IMAGE: &str = "images of Droidspaces are the root file systems of its containers: they are made, named \
                        and removed by its own app or command";

impl Runtime for DroidspacesRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begin(&self, changes: Sender<Change>) -> Result<Vec<Found>, RuntimeError> {
        let failed = RuntimeError::system::<io::Error>;
        let execs = Execs::new(&self.execs, changes.clone()).map_err(failed("open the relay's program"))?;
        let execs = Arc::new(execs);
        let watch = Watch::new(self.workspace.clone(), Arc::clone(&execs));
        let watch = Arc::new(watch.map_err(failed("watch the workspace"))?);
        // Watched before it is read, so that nothing falls between the two.
        watch.arm();
        let notes = Notes::new(&self.notes);
        let (measurer, woken) = Measurer::new();
        let mut table = Table::new(self.workspace.clone(), notes, changes.clone(), measurer);
        let found = table.begin(watch.as_ref());
        orphans::warn(&table);
        let table = Arc::new(Mutex::new(table));
        let thread = Thread::start(Arc::clone(&watch), Arc::clone(&table));
        measure::start(Arc::downgrade(&table), changes, woken)
            .map_err(failed("measure root file systems"))?;
        let begun = Begun {
            table,
            watch,
            execs,
            _thread: thread.map_err(failed("watch the workspace"))?,
        };
        let _ = self.begun.set(begun);
        Ok(found)
    }

    fn history(&self) -> Vec<PastEvent> {
        if Notes::new(&self.notes).is_history_taken_over() {
            return Vec::new();
        }
        history::read(&self.workspace)
    }

    fn history_is_kept(&self) {
        let notes = Notes::new(&self.notes);
        if !notes.is_history_taken_over() {
            notes.take_over_history();
        }
    }

    fn networks(&self) -> Vec<NetworkInfo> {
        let Ok(begun) = self.begun() else {
            return Vec::new();
        };
        let table = hold(&begun.table);
        shape::networks(table.entries().map(|entry| &entry.facts.config), NAME)
    }

    fn asked(&self, container: &Container) -> Spec {
        let asked = self.with_entry(&container.id, |entry, _| {
            powers::asked(&container.spec, &entry.facts.config)
        });
        // One that is there no more is not run either.
        asked.unwrap_or_else(|_| container.spec.clone())
    }

    fn check(&self, _container: &Container) -> Result<Vec<String>, RuntimeError> {
        refused(NO_CREATE)
    }

    fn create(&self, _container: &mut Container) -> Result<(), RuntimeError> {
        refused(NO_CREATE)
    }

    fn start(&self, id: &ContainerId) -> Result<Started, RuntimeError> {
        self.start_container(id)
    }

    fn ends_by_itself(&self) -> bool {
        true
    }

    fn end(&self, id: &ContainerId, patience: Duration) -> Result<(), RuntimeError> {
        self.end_container(id, patience)
    }

    /// SIGKILL goes by way of the command, so that it cleans up and keeps its books; it has no word for
    /// any other signal.
    fn signal(&self, id: &ContainerId, signal: i32) -> Result<(), RuntimeError> {
        if signal == libc::SIGKILL {
            return self.end_container(id, Duration::ZERO);
        }
        let sent = hold(&self.begun()?.table).signal(id, signal);
        match sent {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(RuntimeError::NotRunning),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                Err(RuntimeError::InvalidSpec(format!("invalid signal: {signal}")))
            }
            other => other.map_err(RuntimeError::system("send a signal")),
        }
    }

    fn rename(&self, _id: &ContainerId, _name: &str) -> Result<(), RuntimeError> {
        refused(NO_RENAME)
    }

    fn check_remove(&self) -> Result<(), RuntimeError> {
        refused(NO_REMOVE)
    }

    fn remove(&self, _id: &ContainerId) -> Result<(), RuntimeError> {
        refused(NO_REMOVE)
    }

    fn usage(&self) -> Vec<ContainerUsage> {
        let Ok(begun) = self.begun() else {
            return Vec::new();
        };
        let mut table = hold(&begun.table);
        let of_all: Vec<_> = table.entries().map(|entry| (entry.id, entry.image)).collect();
        let sizes = of_all.into_iter().map(|(id, image)| ContainerUsage {
            id,
            upper_bytes: 0,
            image_bytes: table.images().size(&image),
        });
        sizes.collect()
    }

    fn images(&self) -> Vec<Image> {
        let Ok(begun) = self.begun() else {
            return Vec::new();
        };
        hold(&begun.table).images().list()
    }

    fn takes_images(&self) -> bool {
        false
    }

    fn import_image(&self, _import: &ImportImage, _tar: OwnedFd) -> Result<Image, RuntimeError> {
        refused(NO_IMAGE)
    }

    fn tag_image(&self, _id: &ImageId, _tag: &str) -> Result<(), RuntimeError> {
        refused(NO_IMAGE)
    }

    fn untag_image(&self, _id: &ImageId, _tag: &str) -> Result<(), RuntimeError> {
        refused(NO_IMAGE)
    }

    fn remove_image(&self, _id: &ImageId) -> Result<(), RuntimeError> {
        refused(NO_IMAGE)
    }

    fn logs_are_raw(&self) -> bool {
        true
    }

    fn open_log(&self, id: &ContainerId) -> Result<Vec<(LogFile, OwnedFd)>, RuntimeError> {
        let safe_name = self.with_entry(id, |entry, _| entry.safe_name())?;
        self.consoles(&safe_name)
    }

    fn ring(&self, id: &ContainerId, bell: OwnedFd) -> Result<(), RuntimeError> {
        let safe_name = self.with_entry(id, |entry, _| entry.safe_name())?;
        let kept = self.begun()?.watch.follow_console(&safe_name, bell);
        kept.map_err(RuntimeError::system("follow the console"))
    }

    fn check_exec(&self, spec: &ExecSpec) -> Result<(), RuntimeError> {
        command::arguments(NAME, spec).map(drop)
    }

    fn exec(&self, id: &ContainerId, order: ExecOrder<'_>) -> Result<ExecRun, RuntimeError> {
        self.first_process(id)?;
        let name = self.with_entry(id, |entry, _| entry.name().to_owned())?;
        self.begun()?.execs.start(&name, order, *id)
    }

    fn signal_exec(&self, _id: &ContainerId, exec: &str, signal: i32) -> Result<(), RuntimeError> {
        self.begun()?.execs.signal(exec, signal)
    }

    fn processes(&self, id: &ContainerId) -> Result<Vec<ProcessInfo>, RuntimeError> {
        let (pid, _) = self.first_process(id)?;
        let safe_name = self.with_entry(id, |entry, _| entry.safe_name())?;
        Ok(usage::processes(&self.groups, pid, &safe_name))
    }

    fn stats(&self, id: &ContainerId) -> Result<Stats, RuntimeError> {
        let (pid, _) = self.first_process(id)?;
        let of_entry = |entry: &Entry, _: &Table| (entry.safe_name(), entry.facts.config.net_mode);
        let (safe_name, net_mode) = self.with_entry(id, of_entry)?;
        Ok(usage::stats(&self.groups, pid, &safe_name, net_mode))
    }
}

/// A door for the fuzzer, which comes from outside.
#[cfg(fuzzing)]
pub fn fuzz_workspace(bytes: &[u8]) {
    let config = config::Config::parse(bytes);
    assert!(
        config.binds.iter().all(|bind| bind.target.starts_with('/')),
        "{config:?}"
    );
    let _ = config.gateway_bridge();
    let _ = config.dns_list().count();
    let _ = config::env::parse(bytes);
    monitor_log::fuzz(bytes);
}
