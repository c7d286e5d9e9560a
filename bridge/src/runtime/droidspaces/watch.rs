//! One thread that notices every change of the workspace and every end of a container, and sleeps
//! until there is one.
//!
//! The kernel tells of files (inotify) and of processes (pidfd, where it has that). On kernels before
//! 5.3 the monitor's own files tell of an end: it notes it in its log and takes the pidfile away; a look
//! once a minute finds what a monitor that was killed itself left behind.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use wire::ContainerId;

use super::bells::Bells;
use super::execs::Execs;
use super::limits::{EVENTS_AT_ONCE, LOOK_AFTER};
use super::living::Run;
use super::table::{Follower, Table};
use super::workspace::{CONFIG, Workspace};
use crate::lock::hold;

/// Token of the descriptor that tells of files.
const FILES: u64 = u64::MAX;
/// Token of the descriptor that ends the thread.
const STOP: u64 = u64::MAX - 1;
/// Token of the descriptor that has it look after what others have left waiting.
const WAKE: u64 = u64::MAX - 2;

/// What is watched of a directory: names that come and go, and files that were written.
fn of_directory() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_ONLYDIR
}

/// Something that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A directory in which another one is missing that will be watched.
    Above,
    /// The directory of all containers.
    Containers,
    /// A container's directory.
    Container(String),
    /// The directory of pidfiles.
    Pids,
    /// What a monitor notes, by the safe name of its container.
    MonitorLog(String),
    /// What a container writes, by its safe name.
    Console(String),
}

/// The thread's descriptors, and what they stand for.
#[derive(Debug)]
pub(super) struct Watch {
    workspace: Workspace,
    epoll: Epoll,
    files: Inotify,
    stop: EventFd,
    wake: EventFd,
    places: Mutex<HashMap<WatchDescriptor, Place>>,
    /// Whether something could not be watched: more than the kernel permits, most likely.
    blind: AtomicBool,
    /// Who reads consoles.
    bells: Bells,
    /// What else runs in containers, and ends with them.
    execs: Arc<Execs>,
}

impl Watch {
    pub(super) fn new(workspace: Workspace, execs: Arc<Execs>) -> io::Result<Self> {
        let event = || EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let watch = Self {
            workspace,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            files: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?,
            stop: event()?,
            wake: event()?,
            places: Mutex::default(),
            blind: AtomicBool::new(false),
            bells: Bells::default(),
            execs,
        };
        let readable = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        watch.epoll.add(&watch.files, readable(FILES))?;
        watch.epoll.add(&watch.stop, readable(STOP))?;
        watch.epoll.add(&watch.wake, readable(WAKE))?;
        Ok(watch)
    }

    /// Watches every directory of the workspace that is there, and above those that are not.
    pub(super) fn arm(&self) {
        for (path, place) in [
            (self.workspace.containers(), Place::Containers),
            (self.workspace.pids(), Place::Pids),
        ] {
            if !self.add(&path, of_directory(), place) {
                self.watch_above(&path);
            }
        }
        for directory in self.workspace.directories() {
            self.arm_container(&directory);
        }
    }

    fn arm_container(&self, directory: &str) {
        let path = self.workspace.containers().join(directory);
        self.add(&path, of_directory(), Place::Container(directory.to_owned()));
    }

    /// Watches the nearest directory above one that is missing, so that its coming is noticed.
    fn watch_above(&self, missing: &Path) {
        let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
        let above = missing.ancestors().skip(1);
        let _ = above.into_iter().any(|path| self.add(path, flags, Place::Above));
    }

    fn add(&self, path: &Path, flags: AddWatchFlags, place: Place) -> bool {
        // Held while it is added, so that nothing is told of what nobody knows.
        let mut places = hold(&self.places);
        match self.files.add_watch(path, flags) {
            Ok(descriptor) => {
                places.insert(descriptor, place);
                true
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => false,
            Err(error) => {
                if !self.blind.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        path = %path.display(),
                        %error,
                        "the kernel does not tell of every change: the workspace is looked at once a minute"
                    );
                }
                false
            }
        }
    }

    fn remove(&self, wanted: &Place) {
        let mut places = hold(&self.places);
        let of_it: Vec<WatchDescriptor> = places
            .iter()
            .filter(|(_, place)| *place == wanted)
            .map(|(descriptor, _)| *descriptor)
            .collect();
        for descriptor in of_it {
            places.remove(&descriptor);
            // It may have gone with its file.
            let _ = self.files.rm_watch(descriptor);
        }
    }

    /// Rings this bell whenever the container of this safe name has written.
    pub(super) fn follow_console(&self, safe_name: &str, bell: OwnedFd) -> io::Result<()> {
        self.bells.keep(safe_name, bell)?;
        self.watch_console(safe_name);
        Ok(())
    }

    /// Watches a console for as long as anybody follows it.
    fn watch_console(&self, safe_name: &str) {
        let place = Place::Console(safe_name.to_owned());
        self.remove(&place);
        if self.bells.follows(safe_name) {
            let console = self.workspace.console(safe_name);
            if !self.add(&console, AddWatchFlags::IN_MODIFY, place.clone()) {
                // It comes with the first start.
                let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
                self.add(&self.workspace.logs(safe_name), flags, place);
            }
        }
    }

    /// Has the thread look after what waits for its time. Whoever looks at a container in the thread's place may
    /// be the one who sees its end, of which nothing more is told then.
    pub(super) fn wake(&self) {
        let _ = self.wake.write(1);
    }

    /// Runs until it is told to stop.
    fn run(&self, table: &Mutex<Table>) {
        let mut wait: Option<Duration> = None;
        loop {
            let mut events = [EpollEvent::empty(); EVENTS_AT_ONCE];
            let timeout = match wait {
                None => EpollTimeout::NONE,
                Some(wait) => EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::MAX),
            };
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(error) => {
                    tracing::error!(%error, "containers are no longer watched");
                    return;
                }
            };
            let mut table = hold(table);
            for event in events.iter().take(count) {
                match event.data() {
                    STOP => return,
                    FILES => self.files_changed(&mut table),
                    // What waits is looked after below.
                    WAKE => drop(self.wake.read()),
                    token => table.run_ended(token, self),
                }
            }
            let blind = self.blind.load(Ordering::Relaxed);
            if blind && count == 0 && wait == Some(LOOK_AFTER) {
                self.arm();
                table.look_at_all(self);
            }
            let untold = table.look_after(self);
            let settle = table.settle_all(self);
            wait = settle.or((untold || blind).then_some(LOOK_AFTER));
        }
    }

    fn files_changed(&self, table: &mut Table) {
        loop {
            match self.files.read_events() {
                Ok(events) => {
                    for event in events {
                        self.file_changed(table, &event);
                    }
                }
                Err(Errno::EAGAIN) => return,
                Err(error) => {
                    tracing::error!(%error, "changes of the workspace cannot be read");
                    return;
                }
            }
        }
    }

    fn file_changed(&self, table: &mut Table, event: &InotifyEvent) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            tracing::info!("more changes than the kernel could hold: everything is looked at again");
            self.arm();
            return table.look_at_all(self);
        }
        let place = hold(&self.places).get(&event.wd).cloned();
        let Some(place) = place else { return };
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            hold(&self.places).remove(&event.wd);
            // A directory that everything lies in went; perhaps another has taken its place.
            if matches!(place, Place::Containers | Place::Pids | Place::Above) {
                self.arm();
                table.look_at_all(self);
            }
            return;
        }
        let name = event.name.as_deref().and_then(OsStr::to_str).unwrap_or_default();
        match place {
            Place::Above => {
                self.arm();
                table.look_at_all(self);
            }
            Place::Containers if !name.starts_with('.') && !name.is_empty() => {
                self.arm_container(name);
                table.look(name, self);
            }
            Place::Container(directory) if name == CONFIG || is_env(table, &directory, name) => {
                table.look(&directory, self);
            }
            Place::Pids => {
                let safe = name.strip_suffix(".pid").or_else(|| name.strip_suffix(".init"));
                for directory in table.with_safe_name(safe.unwrap_or_default()) {
                    table.look(&directory, self);
                }
            }
            Place::MonitorLog(safe) => {
                for directory in table.with_safe_name(&safe) {
                    table.look_at_run(&directory, self);
                }
            }
            Place::Console(safe) => self.console_changed(&safe, event),
            Place::Containers | Place::Container(_) => {}
        }
    }

    fn console_changed(&self, safe_name: &str, event: &InotifyEvent) {
        self.bells.ring(safe_name);
        let came = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        // It has come, or the last follower has gone.
        if event.mask.intersects(came) || !self.bells.follows(safe_name) {
            self.watch_console(safe_name);
        }
    }
}

/// Whether a file of a container's directory is the one with its variables.
fn is_env(table: &Table, directory: &str, name: &str) -> bool {
    let entry = table.entry(directory);
    entry.is_some_and(|entry| {
        let file = &entry.facts.config.env_file;
        !name.is_empty() && Path::new(file).file_name() == Some(OsStr::new(name))
    })
}

impl Follower for Watch {
    fn follow(&self, token: u64, run: &Run) {
        if let Some(handle) = &run.handle
            && let Err(error) = self
                .epoll
                .add(handle, EpollEvent::new(EpollFlags::EPOLLIN, token))
        {
            tracing::error!(pid = run.pid, %error, "the end of a container goes unnoticed");
        }
    }

    fn let_go(&self, _token: u64, run: &Run) {
        if let Some(handle) = &run.handle {
            let _ = self.epoll.delete(handle);
        }
    }

    fn begun(&self, safe_name: &str, run: &Run) {
        if run.handle.is_none() {
            let log = self.workspace.monitor_log(safe_name);
            self.add(
                &log,
                AddWatchFlags::IN_MODIFY,
                Place::MonitorLog(safe_name.to_owned()),
            );
        }
        self.bells.ring(safe_name);
        self.watch_console(safe_name);
    }

    fn over(&self, id: &ContainerId, safe_name: &str) {
        self.execs.clear_away(id);
        self.bells.end(safe_name);
        self.remove(&Place::Console(safe_name.to_owned()));
        self.remove(&Place::MonitorLog(safe_name.to_owned()));
    }
}

/// The thread; it ends with this value.
#[derive(Debug)]
pub(super) struct Thread {
    watch: Arc<Watch>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Thread {
    /// Starts it.
    pub(super) fn start(watch: Arc<Watch>, table: Arc<Mutex<Table>>) -> io::Result<Self> {
        let inner = Arc::clone(&watch);
        let thread = thread::Builder::new()
            .name("workspace".to_owned())
            .spawn(move || inner.run(&table))?;
        Ok(Self {
            watch,
            thread: Some(thread),
        })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let _ = self.watch.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
