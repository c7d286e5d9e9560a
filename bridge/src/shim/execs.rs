//! Further processes of the container: starting them without ever waiting for them, and telling how
//! they ended to whoever asked.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2, read};
use wire::Time;
use wire::container::Exit;
use wire::reader::Unknown;
use wire::record::Value;

use super::cgroup::Groups;
use super::control::answer;
use super::failure::{Failure, Stage, at};
use super::init::join::{self, Entry, Namespaces};
use super::limits::{CHANNEL_BYTES_MAX, EXECS_MAX};
use super::plan::exec::ExecPlan;
use super::plan::{ProcessPlan, Streams};
use super::record::{self, Answer, Ask, End, Word};
use super::{TERMINAL_FOLLOWS, now};
use crate::sys::process::{self, Ended};
use crate::sys::{descriptors, pidfd};

/// What a further process joins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    /// The first process.
    pub(super) first: Pid,
    /// What that was asked to be.
    pub(super) plan: &'a ProcessPlan,
    /// The container's groups.
    pub(super) groups: &'a Groups,
}

/// The other ends of its streams, until they are passed on.
#[derive(Debug, Default)]
struct Ends {
    terminal: Option<OwnedFd>,
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
    error: Option<OwnedFd>,
}

/// One further process.
#[derive(Debug)]
struct Exec {
    /// Who asked; none once gone.
    peer: Option<OwnedFd>,
    /// Closes when the command is executed, or will not be; none from then on.
    channel: Option<OwnedFd>,
    /// The process that leads it in, until reaped.
    helper: Option<Pid>,
    /// The process itself, once known.
    pid: Option<Pid>,
    started_ticks: u64,
    started_at: Time,
    ends: Ends,
    /// The master of a terminal that nobody was to have; what comes out of it is thrown away.
    drained: Option<OwnedFd>,
    detach: bool,
    /// Whoever asked did not wait for it to run: it must not.
    abandoned: bool,
    failure: Option<Failure>,
    end: Option<End>,
}

/// What of a further process can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its word about itself.
    Channel,
    /// Whether who asked is still there.
    Peer,
    /// A terminal that nobody reads.
    Drained,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Execs {
    list: Vec<Exec>,
    /// Ended before anybody said whose they were.
    unclaimed: Vec<Ended>,
}

impl Execs {
    /// Starts one; `peer` is told.
    pub(super) fn start(&mut self, host: Host<'_>, peer: OwnedFd, ask: &Ask) {
        let begun = if self.list.len() < EXECS_MAX {
            begin(host, ask)
        } else {
            Err(Failure::system(Stage::Join, "too many", &Errno::EAGAIN.into()))
        };
        match begun {
            Ok(exec) => self.list.push(Exec {
                peer: Some(peer),
                ..exec
            }),
            Err(failure) => drop(refuse(&peer, failure)),
        }
    }

    /// For looking at, with what to give [`look`](Self::look).
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (usize, Part, BorrowedFd<'_>)> {
        self.list.iter().enumerate().flat_map(|(at, exec)| {
            [
                (Part::Channel, &exec.channel),
                (Part::Peer, &exec.peer),
                (Part::Drained, &exec.drained),
            ]
            .into_iter()
            .filter_map(move |(part, fd)| Some((at, part, fd.as_ref()?.as_fd())))
        })
    }

    /// Something is there to be seen.
    pub(super) fn look(&mut self, at: usize, part: Part) {
        let Some(exec) = self.list.get_mut(at) else {
            return;
        };
        match part {
            Part::Channel => {
                exec.hear(&self.unclaimed);
                exec.claim(&mut self.unclaimed);
            }
            Part::Peer => exec.lose_peer(),
            Part::Drained => exec.drain(),
        }
    }

    /// A child of the shim that is not the first process ended.
    pub(super) fn reaped(&mut self, ended: Ended) {
        let starting = self.list.iter().any(|exec| exec.channel.is_some());
        for exec in &mut self.list {
            if exec.helper == Some(ended.pid) {
                exec.helper = None;
                return;
            }
            if exec.pid == Some(ended.pid) {
                exec.ended(ended);
                return;
            }
        }
        // One of them may be about to say that this was its process.
        if starting && self.unclaimed.len() < EXECS_MAX {
            self.unclaimed.push(ended);
        }
    }

    /// Forgets those that are over. Numbers given before mean nothing after.
    pub(super) fn settle(&mut self) {
        self.list.retain(|exec| !exec.is_over());
        if self.list.iter().all(|exec| exec.channel.is_none()) {
            self.unclaimed.clear();
        }
    }

    /// The first process has ended, and with it every process that was in the container. What leads
    /// others in is ended, and what nobody was told yet is told.
    pub(super) fn finish(&mut self) {
        for exec in &mut self.list {
            if let Some(helper) = exec.helper.take() {
                let _ = kill(helper, Signal::SIGKILL);
                let _ = nix::sys::wait::waitpid(helper, None);
            }
            while exec.channel.as_ref().is_some_and(is_ready) {
                exec.hear(&self.unclaimed);
                exec.claim(&mut self.unclaimed);
            }
        }
        self.list.clear();
    }
}

/// Whether this is a child of this process that was not reaped yet.
fn is_child(pid: Pid) -> bool {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(pid), look) != Err(Errno::ECHILD)
}

fn is_ready(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn refuse(peer: &OwnedFd, failure: Failure) -> bool {
    let refusal = Answer {
        failure: Some(failure),
        ..Answer::default()
    };
    answer(peer, &refusal, &[])
}

/// Forks what will lead the process in. Nothing here waits.
fn begin(host: Host<'_>, ask: &Ask) -> Result<Exec, Failure> {
    let plan = ExecPlan::new(host.plan, &ask.exec, ask.detach)?;
    let (ends, streams) = streams(&plan)?;
    let namespaces = Namespaces::of(host.first).map_err(at(Stage::Join, ""))?;
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(at(Stage::Channel, ""))?;
    let entry = Entry {
        plan: &plan.process,
        groups: host.groups,
        namespaces,
        channel: theirs,
        streams,
    };
    let helper =
        process::fork_into(CloneFlags::empty(), || join::run(&entry)).map_err(at(Stage::Join, ""))?;
    Ok(Exec {
        peer: None,
        channel: Some(ours),
        helper: Some(helper),
        pid: None,
        started_ticks: 0,
        started_at: now(),
        ends,
        drained: None,
        detach: ask.detach,
        abandoned: false,
        failure: None,
        end: None,
    })
}

fn streams(plan: &ExecPlan) -> Result<(Ends, Option<[OwnedFd; 3]>), Failure> {
    let mut ends = Ends::default();
    if plan.process.streams == Streams::Terminal {
        return Ok((ends, None));
    }
    let null = || -> Result<OwnedFd, Failure> {
        let file = File::options().read(true).write(true).open("/dev/null");
        file.map(OwnedFd::from).map_err(at(Stage::Pipes, "/dev/null"))
    };
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(at(Stage::Pipes, ""));
    let mut inner = [null()?, null()?, null()?];
    let [input, output, error] = &mut inner;
    if plan.input {
        let (reading, writing) = pipe()?;
        (*input, ends.input) = (reading, Some(writing));
    }
    if plan.output {
        let (reading, writing) = pipe()?;
        (*output, ends.output) = (writing, Some(reading));
    }
    if plan.error {
        let (reading, writing) = pipe()?;
        (*error, ends.error) = (writing, Some(reading));
    }
    Ok((ends, Some(inner)))
}

impl Exec {
    fn is_over(&self) -> bool {
        self.channel.is_none() && self.helper.is_none() && (self.end.is_some() || self.pid.is_none())
    }

    /// Reads one message of the process. The end of the channel decides what it has become.
    ///
    /// The one that leads in speaks first, and is out of the container's reach. What it led in has the same
    /// channel, and a container that may trace could speak through that: so a first word stands, and a
    /// number is that of a child of ours or is none.
    fn hear(&mut self, unclaimed: &[Ended]) {
        let Some(channel) = &self.channel else {
            return;
        };
        let mut bytes = vec![0; CHANNEL_BYTES_MAX];
        let mut received = Vec::new();
        let length = descriptors::receive(channel, &mut bytes, &mut received).unwrap_or_default();
        if length == 0 {
            self.channel = None;
            self.tell_start();
            return;
        }
        let bytes = bytes.get(..length).unwrap_or_default();
        if let (TERMINAL_FOLLOWS, Some(master)) = (bytes, received.pop()) {
            self.ends.terminal.get_or_insert(master);
            return;
        }
        let word = Word::decode(bytes, Unknown::Refuse).unwrap_or_default();
        let pid = i32::try_from(word.pid)
            .ok()
            .filter(|&pid| pid > 0)
            .map(Pid::from_raw);
        let ours = |pid: &Pid| is_child(*pid) || unclaimed.iter().any(|ended| ended.pid == *pid);
        if self.pid.is_none()
            && let Some(pid) = pid.filter(ours)
        {
            self.pid = Some(pid);
            self.started_ticks = pidfd::start_ticks(word.pid).unwrap_or_default();
        }
        self.failure = self.failure.take().or(word.failure);
    }

    fn claim(&mut self, unclaimed: &mut Vec<Ended>) {
        if let Some(at) = unclaimed.iter().position(|ended| Some(ended.pid) == self.pid) {
            let ended = unclaimed.swap_remove(at);
            self.ended(ended);
        }
        // Only now is it known that its number is still its own.
        if self.abandoned {
            self.abandon();
        }
    }

    fn ended(&mut self, ended: Ended) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(End {
            exit: Exit {
                code: u32::from(ended.code),
                ..Exit::default()
            },
            started_at: self.started_at,
            finished_at: now(),
        });
        if self.channel.is_none() {
            self.tell_end();
        }
    }

    fn tell_start(&mut self) {
        let ends = std::mem::take(&mut self.ends);
        let Some(peer) = &self.peer else {
            return;
        };
        let pid = match (self.failure.take(), self.pid) {
            (None, Some(pid)) => pid,
            (failure, _) => {
                let died = || Failure::system(Stage::Join, "it ended by itself", &Errno::ESRCH.into());
                refuse(peer, failure.unwrap_or_else(died));
                self.peer = None;
                return;
            }
        };
        let Ends {
            terminal,
            input,
            output,
            error,
        } = ends;
        // A terminal whose master is gone hangs up; this one is to go on.
        let (kept, terminal) = if self.detach {
            (terminal, None)
        } else {
            (None, terminal)
        };
        self.drained = kept.filter(|master| fcntl(master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_ok());
        let started = Answer {
            failure: None,
            pid: pid.as_raw().unsigned_abs(),
            started_ticks: self.started_ticks,
            terminal: terminal.is_some(),
            input: input.is_some(),
            output: output.is_some(),
            error: error.is_some(),
        };
        let all = [terminal, input, output, error];
        let passed: Vec<BorrowedFd<'_>> = all.iter().flatten().map(AsFd::as_fd).collect();
        if !answer(peer, &started, &passed) {
            self.abandon();
        } else if self.end.is_some() {
            self.tell_end();
        }
    }

    fn tell_end(&mut self) {
        if let (Some(peer), Some(end)) = (self.peer.take(), &self.end) {
            // Who does not listen any more need not be told.
            let _ = record::send_with(&peer, end, &[]);
        }
    }

    /// Who asked has gone. A process that runs goes on; one that does not yet will not.
    fn lose_peer(&mut self) {
        self.peer = None;
        if self.channel.is_some() {
            self.abandon();
        }
    }

    /// What leads it in is left to say which process it has made, or that would go on unknown.
    fn abandon(&mut self) {
        self.peer = None;
        self.abandoned = true;
        if let (Some(pid), None) = (self.pid, &self.end) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    fn drain(&mut self) {
        let Some(master) = &self.drained else {
            return;
        };
        match read(master, &mut [0; 4096]) {
            Ok(1..) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(_) | Err(_) => self.drained = None,
        }
    }
}

#[cfg(test)]
mod tests;
