//! Further processes in a container: asked of the runtime's daemon, each with a relay of its own between
//! the daemon's frames and the streams that are passed on; or, where the daemon cannot, of the runtime's
//! command, as a child of the bridge.
//!
//! The number told of a process is that of the relay, or of the command: nobody tells the process's own.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use wire::ContainerId;

use super::cli;
use super::command;
use super::daemon;
use super::served::{Served, Server};
use super::streams::{self, Streams, Wanted};
use crate::lock::hold;
use crate::relay::task::{Task, Work};
use crate::runtime::{Change, ExecOrder, ExecRun, RuntimeError};
use crate::sys::pidfd;

/// Further processes at once. Each holds a process and a thread. Stops clients from taking the machine's.
const EXECS_MAX: usize = 128;

/// Stack of the thread that waits for one of them, in bytes.
const STACK_BYTES: usize = 128 * 1024;

/// How long those of a container that has ended may take to say how they ended. The daemon tells it within
/// milliseconds; one that does not must not keep the container's own end from being told.
const LAST_WORDS_WAIT: Duration = Duration::from_millis(500);

/// Longest wait for those that were killed.
const KILLED_WAIT: Duration = Duration::from_secs(2);

/// All of the environment of the runtime's command. The last keeps it from asking the daemon.
const ENVIRONMENT: &[&str] = &[
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/system/bin:/system/xbin",
    "DS_NO_PROXY=1",
];

/// Where what it takes is found.
#[derive(Debug, Clone)]
pub struct ExecOptions {
    /// The bridge's own program, which is also the relay: an absolute path.
    pub program: PathBuf,
    /// The runtime's command: an absolute path.
    pub command: PathBuf,
    /// The abstract name of its daemon's socket.
    pub daemon: String,
}

impl Default for ExecOptions {
    /// Those of a host where the runtime is installed.
    fn default() -> Self {
        Self {
            program: PathBuf::from("/proc/self/exe"),
            command: PathBuf::from("/usr/local/bin/droidspaces"),
            daemon: "droidspaces".to_owned(),
        }
    }
}

/// One that runs, or is being started: then its number is zero.
#[derive(Debug)]
struct Entry {
    exec: String,
    container: ContainerId,
    server: Server,
    pid: u32,
    started_ticks: u64,
}

#[derive(Debug, Default)]
struct Table {
    entries: Mutex<Vec<Entry>>,
    /// One of them ended, and that was told.
    ended: Condvar,
}

/// A place in the table. Dropped, it is free.
#[derive(Debug)]
struct Place {
    table: Arc<Table>,
    exec: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        hold(&self.table.entries).retain(|entry| entry.exec != self.exec);
        self.table.ended.notify_all();
    }
}

/// The further processes of all containers.
pub struct Execs {
    /// The relay's program, held open: a new version is not met half-way.
    program: OwnedFd,
    command: String,
    daemon: String,
    changes: Sender<Change>,
    table: Arc<Table>,
}

impl fmt::Debug for Execs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execs")
            .field("command", &self.command)
            .field("daemon", &self.daemon)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl Execs {
    /// `changes` is told of every end, once.
    ///
    /// # Errors
    /// What opening the program said; `EINVAL` for a command that is no absolute path.
    pub fn new(options: &ExecOptions, changes: Sender<Change>) -> io::Result<Self> {
        let command = options.command.to_str().filter(|path| path.starts_with('/'));
        let program = File::options()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(&options.program)?;
        Ok(Self {
            program: program.into(),
            command: command.ok_or(Errno::EINVAL)?.to_owned(),
            daemon: options.daemon.clone(),
            changes,
            table: Arc::default(),
        })
    }

    /// Starts one in the container of this name; its end may be told before this returns.
    ///
    /// A command that is not there, or a user who is not, is no error here: the runtime's command says so
    /// on standard error and ends.
    ///
    /// # Errors
    /// [`RuntimeError::Unsupported`] for every capability, or a group; [`RuntimeError::InvalidSpec`];
    /// `EACCES` where somebody who is not root has the daemon's name; `EAGAIN` when there are too many.
    pub fn start(
        &self,
        name: &str,
        order: ExecOrder<'_>,
        container: ContainerId,
    ) -> Result<ExecRun, RuntimeError> {
        let arguments = command::arguments(name, order.spec)?;
        let wanted = Wanted::of(order);
        let connection = self.connection(&arguments, wanted)?;
        let server = match connection {
            Some(_) => Server::Daemon,
            None => Server::Command,
        };
        let place = self.take_place(order.id, container, server)?;
        let size = (order.spec.rows, order.spec.columns);
        let Streams { ours, theirs } = Streams::open(wanted, size)?;
        let served = match connection {
            Some(socket) => {
                if let [Some(terminal), ..] = &theirs
                    && wanted.terminal
                {
                    streams::make_raw(terminal)?;
                }
                let socket = daemon::ask(socket, &arguments, order.spec.tty.then_some(size))?;
                self.relay(wanted, size, socket, theirs)?
            }
            None => self.run_command(arguments, wanted, theirs)?,
        };
        let pid = served.pid();
        // Not yet reaped, so the number is its own. One that has ended needs no signal any more.
        let started_ticks = pidfd::start_ticks(pid).unwrap_or_default();
        for entry in hold(&self.table.entries)
            .iter_mut()
            .filter(|entry| entry.exec == order.id)
        {
            (entry.pid, entry.started_ticks) = (pid, started_ticks);
        }
        self.await_end(served, place, container)?;
        Ok(ExecRun {
            started: streams::started(pid, wanted),
            streams: ours,
        })
    }

    /// Sends a signal to a further process; one that has ended is no error.
    ///
    /// One that the daemon serves can be told no signal, but the daemon ends it (`SIGTERM`; with a terminal
    /// `SIGHUP`) when its client goes: so those signals, and `SIGKILL`, end the relay, and nobody hears how
    /// it ended. For others the signal goes to the runtime's command.
    ///
    /// # Errors
    /// [`RuntimeError::Unsupported`] for another signal to one that the daemon serves; else what the
    /// operating system said.
    pub fn signal(&self, exec: &str, signal: i32) -> Result<(), RuntimeError> {
        let found = hold(&self.table.entries)
            .iter()
            .find(|entry| entry.exec == exec && entry.pid != 0)
            .map(|entry| (entry.pid, entry.started_ticks, entry.server));
        let Some((pid, started_ticks, server)) = found else {
            return Ok(());
        };
        let sent = match (server, signal) {
            (Server::Daemon, libc::SIGTERM | libc::SIGHUP | libc::SIGKILL) => libc::SIGKILL,
            // Only asks whether it is there.
            (Server::Daemon, _) => 0,
            (Server::Command, _) => signal,
        };
        match pidfd::signal(pid, started_ticks, sent) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                Err(RuntimeError::InvalidSpec(format!("invalid signal: {signal}")))
            }
            Ok(()) if server == Server::Daemon && sent != libc::SIGKILL && signal != 0 => {
                Err(RuntimeError::Unsupported(format!(
                    "this runtime sends no signal {signal} to further processes"
                )))
            }
            other => other.map_err(RuntimeError::system("send a signal")),
        }
    }

    /// The container's first process has ended, and with it all others. Returns when their ends were told;
    /// those of whom nothing is heard are let go.
    pub fn container_ended(&self, container: &ContainerId) {
        if self.await_none_of(container, LAST_WORDS_WAIT) {
            return;
        }
        let left: Vec<(u32, u64)> = hold(&self.table.entries)
            .iter()
            .filter(|entry| entry.container == *container && entry.pid != 0)
            .map(|entry| (entry.pid, entry.started_ticks))
            .collect();
        for (pid, started_ticks) in left {
            // One that is gone already is no error.
            let _ = pidfd::signal(pid, started_ticks, libc::SIGKILL);
        }
        self.await_none_of(container, KILLED_WAIT);
    }

    /// As [`container_ended`](Self::container_ended), by a thread of its own where there is anything to wait
    /// for.
    pub fn clear_away(self: &Arc<Self>, container: &ContainerId) {
        if self.await_none_of(container, Duration::ZERO) {
            return;
        }
        let (execs, container) = (Arc::clone(self), *container);
        let waits = thread::Builder::new().name("last-words".to_owned());
        if let Err(error) = waits.spawn(move || execs.container_ended(&container)) {
            tracing::warn!(%error, "further processes of a container that has ended are left to themselves");
        }
    }

    /// Whether none of the container was left within so long.
    fn await_none_of(&self, container: &ContainerId, longest: Duration) -> bool {
        let deadline = Instant::now() + longest;
        let mut entries = hold(&self.table.entries);
        loop {
            if entries.iter().all(|entry| entry.container != *container) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.table.ended.wait_timeout(entries, left);
            entries = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A way to the daemon; none where the runtime's command has to do: the daemon gives a process without
    /// a terminal no input, does not take every argument vector, and need not be there.
    fn connection(&self, arguments: &[String], wanted: Wanted) -> Result<Option<OwnedFd>, RuntimeError> {
        if wanted.input || !daemon::takes(arguments) {
            return Ok(None);
        }
        daemon::reach(&self.daemon)
    }

    fn take_place(&self, exec: &str, container: ContainerId, server: Server) -> Result<Place, RuntimeError> {
        let mut entries = hold(&self.table.entries);
        if entries.len() >= EXECS_MAX {
            return Err(RuntimeError::system("start one more process: too many run")(
                Errno::EAGAIN,
            ));
        }
        entries.push(Entry {
            exec: exec.to_owned(),
            container,
            server,
            pid: 0,
            started_ticks: 0,
        });
        Ok(Place {
            table: Arc::clone(&self.table),
            exec: exec.to_owned(),
        })
    }

    fn relay(
        &self,
        wanted: Wanted,
        (rows, columns): (u16, u16),
        daemon: OwnedFd,
        theirs: [Option<OwnedFd>; 3],
    ) -> Result<Served, RuntimeError> {
        let task = Task {
            work: Work::Relay,
            terminal: wanted.terminal,
            output: wanted.output,
            error: wanted.error,
            rows,
            columns,
            ..Task::default()
        };
        let passed: Vec<OwnedFd> = [daemon].into_iter().chain(theirs.into_iter().flatten()).collect();
        Served::spawn(&self.program, &task, &passed)
    }

    /// Becomes it by way of the same program, which makes a session and takes the terminal, and waits until
    /// it is executed.
    fn run_command(
        &self,
        arguments: Vec<String>,
        wanted: Wanted,
        theirs: [Option<OwnedFd>; 3],
    ) -> Result<Served, RuntimeError> {
        cli::open(Path::new(&self.command)).map_err(RuntimeError::system("run the runtime's command"))?;
        let own_name = self.command.rsplit('/').next().unwrap_or_default().to_owned();
        let task = Task {
            work: Work::Become,
            terminal: wanted.terminal,
            program: self.command.clone(),
            arguments: [own_name].into_iter().chain(arguments).collect(),
            env: ENVIRONMENT.iter().map(|&variable| variable.to_owned()).collect(),
            ..Task::default()
        };
        let passed = if wanted.terminal {
            theirs.into_iter().flatten().collect()
        } else {
            let each = theirs
                .into_iter()
                .map(|stream| stream.map_or_else(streams::null, Ok));
            each.collect::<Result<Vec<_>, _>>()?
        };
        let served = Served::spawn(&self.program, &task, &passed)?;
        let executed = served.await_execution();
        executed.map_err(RuntimeError::system("execute the runtime's command"))?;
        Ok(served)
    }

    /// Leaves the waiting to a thread.
    fn await_end(&self, served: Served, place: Place, container: ContainerId) -> Result<(), RuntimeError> {
        let changes = self.changes.clone();
        // Where there can be no thread, what was to go into it is dropped: it ends, and its place is free.
        thread::Builder::new()
            .name("exec-watch".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let (exit, finished_at) = served.end();
                let told = Change::ExecEnded {
                    container,
                    exec: place.exec.clone(),
                    exit,
                    finished_at,
                };
                // Nobody listens any more when the bridge ends.
                let _ = changes.send(told);
            })
            .map(drop)
            .map_err(RuntimeError::system("wait for a process"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many() {
        let (changes, _told) = std::sync::mpsc::channel();
        let options = ExecOptions::default();
        let execs = Execs::new(&options, changes).expect("the program is there");
        let take = |exec: usize| execs.take_place(&exec.to_string(), ContainerId([0; 32]), Server::Daemon);
        let mut places: Vec<Place> = (0..EXECS_MAX)
            .map(|exec| take(exec).expect("there is room"))
            .collect();
        let refused = take(EXECS_MAX).expect_err("there is no room");
        assert!(refused.to_string().contains("too many"), "{refused}");
        places.pop();
        assert!(take(EXECS_MAX).is_ok());
        // One that is being started gets no signal, for it has no number.
        assert!(execs.signal("0", libc::SIGKILL).is_ok());
    }

    #[test]
    fn the_command_is_an_absolute_path() {
        let (changes, _told) = std::sync::mpsc::channel();
        let options = ExecOptions {
            command: PathBuf::from("command"),
            ..ExecOptions::default()
        };
        let refused = Execs::new(&options, changes).expect_err("it is relative");
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
    }
}
