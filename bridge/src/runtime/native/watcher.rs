//! One thread that learns of every container's end, and sleeps until there is one.
//!
//! A shim holds its container's FIFO open for writing; the thread holds all of them for reading. When
//! a shim ends, however, the kernel closes its end and wakes the thread. That needs no parenthood,
//! so it works the same for shims that an earlier bridge started, and no pidfd.
//!
//! The end of a further process comes as a message of the shim, on the connection that it was asked on.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use wire::ContainerId;
use wire::container::Exit;

use super::super::Change;
use super::folder;
use crate::shim;
use crate::shim::record::{self, End, Run};

/// Token of the descriptor that ends the thread; those of containers begin after it.
const STOP: u64 = 0;

/// Ends taken from the kernel at once.
const EVENTS_AT_ONCE: usize = 32;

/// A container that runs.
#[derive(Debug)]
pub(super) struct Watched {
    /// The container.
    pub(super) id: ContainerId,
    /// Its directory.
    pub(super) directory: PathBuf,
    /// What runs.
    pub(super) run: Run,
    /// The sign of life, open for reading.
    pub(super) alive: File,
    /// The shim, where it is a child of this process and must be reaped.
    pub(super) shim: Option<Child>,
}

/// A further process that runs.
#[derive(Debug)]
pub(super) struct WatchedExec {
    /// Its container.
    pub(super) container: ContainerId,
    /// The id by which its end is told.
    pub(super) id: String,
    /// The process, as the host numbers it.
    pub(super) pid: u32,
    /// When it was made, in clock ticks since the machine started.
    pub(super) started_ticks: u64,
    /// Where its end is told.
    pub(super) connection: OwnedFd,
}

#[derive(Debug)]
struct Shared {
    epoll: Epoll,
    stop: EventFd,
    watched: Mutex<HashMap<u64, Watched>>,
    execs: Mutex<HashMap<u64, WatchedExec>>,
}

impl Shared {
    /// Held for a look or a change of the table, never while anything waits.
    fn watched(&self) -> MutexGuard<'_, HashMap<u64, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`watched`](Self::watched).
    fn execs(&self) -> MutexGuard<'_, HashMap<u64, WatchedExec>> {
        self.execs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread, and what it watches.
#[derive(Debug)]
pub(super) struct Watcher {
    shared: Arc<Shared>,
    next_token: AtomicU64,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts the thread.
    pub(super) fn start(changes: Sender<Change>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            stop: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            watched: Mutex::new(HashMap::new()),
            execs: Mutex::new(HashMap::new()),
        });
        shared
            .epoll
            .add(&shared.stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("native-watch".to_owned())
            .spawn(move || watch(&inner, &changes))?;
        Ok(Self {
            shared,
            next_token: AtomicU64::new(STOP + 1),
            thread: Some(thread),
        })
    }

    /// Watches a container whose shim lives, or has just ended: then its end is told at once.
    pub(super) fn watch(&self, watched: Watched) -> io::Result<()> {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        // The thread, woken before the table is ready, waits for it.
        let mut table = self.shared.watched();
        // The kernel reports a hang-up without being asked to.
        self.shared
            .epoll
            .add(&watched.alive, EpollEvent::new(EpollFlags::empty(), token))?;
        table.insert(token, watched);
        Ok(())
    }

    /// Watches a further process that runs, or has just ended: then its end is told at once.
    pub(super) fn watch_exec(&self, exec: WatchedExec) -> io::Result<()> {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        let mut table = self.shared.execs();
        self.shared
            .epoll
            .add(&exec.connection, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        table.insert(token, exec);
        Ok(())
    }

    /// Number and time of making of a further process, where it runs.
    pub(super) fn exec(&self, id: &str) -> Option<(u32, u64)> {
        let execs = self.shared.execs();
        let exec = execs.values().find(|exec| exec.id == id)?;
        Some((exec.pid, exec.started_ticks))
    }

    /// What runs of a container, where it runs.
    pub(super) fn run(&self, id: &ContainerId) -> Option<Run> {
        let watched = self.shared.watched();
        watched
            .values()
            .find(|watched| watched.id == *id)
            .map(|watched| watched.run.clone())
    }
}

impl Drop for Watcher {
    /// Ends the thread, not the containers.
    fn drop(&mut self) {
        let _ = self.shared.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(shared: &Shared, changes: &Sender<Change>) {
    loop {
        let mut events = [EpollEvent::empty(); EVENTS_AT_ONCE];
        let count = match shared.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(error) => {
                tracing::error!(%error, "containers are watched no more");
                return;
            }
            Ok(count) => count,
        };
        for event in events.iter().take(count) {
            if event.data() == STOP || !tell(shared, event.data(), changes) {
                return;
            }
        }
    }
}

/// Tells one end; whether anybody still listens.
fn tell(shared: &Shared, token: u64, changes: &Sender<Change>) -> bool {
    let exec = shared.execs().remove(&token);
    if let Some(exec) = exec {
        return tell_exec(shared, exec, changes);
    }
    let watched = shared.watched().remove(&token);
    watched.is_none_or(|watched| tell_container(shared, watched, changes))
}

fn unknown_end() -> End {
    // The shim was killed, and just now: that moment, at least, is known.
    End {
        exit: Exit {
            unknown: true,
            ..Exit::default()
        },
        finished_at: shim::now(),
        ..End::default()
    }
}

/// Whoever is to tell has told or is gone, so this does not wait.
fn tell_exec(shared: &Shared, exec: WatchedExec, changes: &Sender<Change>) -> bool {
    if let Err(error) = shared.epoll.delete(&exec.connection) {
        tracing::warn!(container = %exec.container, %error, "the end of a process stays watched");
    }
    let End {
        exit, finished_at, ..
    } = match record::receive_message(&exec.connection) {
        Ok(Some(end)) => end,
        Ok(None) | Err(_) => unknown_end(),
    };
    changes
        .send(Change::ExecEnded {
            container: exec.container,
            exec: exec.id,
            exit,
            finished_at,
        })
        .is_ok()
}

fn tell_container(shared: &Shared, mut watched: Watched, changes: &Sender<Change>) -> bool {
    if let Err(error) = shared.epoll.delete(&watched.alive) {
        tracing::warn!(container = %watched.id, %error, "the container's sign of life stays watched");
    }
    if let Some(shim) = &mut watched.shim {
        // It has closed its descriptors, so it is all but gone.
        let _ = shim.wait();
    }
    folder::end_orphan(&watched.id, &watched.directory);
    // What ran in it ended before it did, whichever the kernel showed us first.
    let execs: Vec<WatchedExec> = {
        let mut table = shared.execs();
        let of_it = table.extract_if(|_, exec| exec.container == watched.id);
        of_it.map(|(_, exec)| exec).collect()
    };
    for exec in execs {
        if !tell_exec(shared, exec, changes) {
            return false;
        }
    }
    let End {
        exit, finished_at, ..
    } = match folder::last_end(&watched.directory) {
        Some(end) if !end.exit.unknown => end,
        _ => unknown_end(),
    };
    changes
        .send(Change::Exited {
            id: watched.id,
            exit,
            finished_at,
            // The next is not started before this one is told.
            since_boot_ns: 0,
        })
        .is_ok()
}
