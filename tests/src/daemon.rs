//! One process that a test started, with what it says.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::{self, World};

/// Time for a daemon to end once it is told to.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A running daemon. Ended when dropped.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    pid: Pid,
    lines: Receiver<String>,
    ended: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
    log: Arc<Mutex<String>>,
    /// Open as long as we live: a daemon told to live with its parent ends when this closes.
    _stdin: Option<ChildStdin>,
}

impl Daemon {
    /// Starts a program; one of the two daemons' in the world of this run.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn<A: AsRef<OsStr>>(name: &'static str, program: &Path, arguments: &[A]) -> Self {
        Self::spawn_in(None, name, program, arguments)
    }

    /// The same in this world, where one is given.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn_in<A: AsRef<OsStr>>(
        world: Option<World>,
        name: &'static str,
        program: &Path,
        arguments: &[A],
    ) -> Self {
        Self::run(name, world::start(world, program, arguments))
    }

    /// The same of a command that has everything but its three streams.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(name: &'static str, mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let (line_sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| line_sender.send(line))
        });
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        thread::spawn({
            let log = Arc::clone(&log);
            move || keep(stderr, &log)
        });
        let stdin = child.stdin.take();
        let (end_sender, ended) = channel();
        thread::spawn(move || wait(child).map(|status| end_sender.send(status)));
        Self {
            name,
            pid,
            lines,
            ended,
            status: None,
            log,
            _stdin: stdin,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// The next line it prints; none once it has closed its output.
    ///
    /// # Panics
    /// When it says nothing for `limit`.
    pub fn line(&self, limit: Duration) -> Option<String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} says nothing; its log:\n{}", self.name, self.log()),
        }
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if !self.has_ended() {
            // It may end between the two; then there is nobody to tell.
            let _ = kill(self.pid, signal);
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.ended.try_recv().ok();
        }
        self.status.is_some()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        match self.ended.recv_timeout(END_LIMIT) {
            Ok(status) => *self.status.insert(status),
            Err(_) => panic!(
                "{} (pid {}) does not end; its log:\n{}",
                self.name,
                self.pid,
                self.log()
            ),
        }
    }

    /// Asks it to end, and waits.
    pub fn end(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Ends it as a crash would, and waits.
    pub fn crash(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.signal(Signal::SIGKILL);
            let _ = self.ended.recv_timeout(END_LIMIT);
        }
    }
}

fn wait(mut child: Child) -> Option<ExitStatus> {
    child.wait().ok()
}

fn keep(mut stderr: impl Read, log: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]);
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}
