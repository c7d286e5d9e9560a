//! From a running container to its end. No timer, no loop that polls: while the container is silent
//! and nobody asks, so is this process.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::read;
use wire::container::Exit;
use wire::log::Stream;

use super::bells::Bells;
use super::control::answer;
use super::execs::{Execs, Host, Part};
use super::failure::{Failure, Stage};
use super::launch::Running;
use super::limits::{LAST_READS_MAX, READ_BYTES};
use super::log::Log;
use super::now;
use super::plan::Streams;
use super::record::{Answer, Ask, AskKind, End};
use crate::sys::process::{self, Ended};
use crate::sys::terminal;

/// Logs what the container writes and does what is asked until it ends, and says how it did.
pub(super) fn until_end(running: &mut Running, log: Log) -> End {
    let mut watch = Watch {
        output: running.output.take().and_then(nonblocking),
        error: running.error.take().and_then(nonblocking),
        buffer: vec![0; READ_BYTES],
        log,
        bells: Bells::default(),
        execs: Execs::default(),
    };
    let ended = watch.wait(running);
    let finished_at = now();
    watch.execs.finish();
    // What was in the pipes when the last process ended.
    for _ in 0..LAST_READS_MAX {
        if !(watch.read(Stream::Output) | watch.read(Stream::Error)) {
            break;
        }
    }
    watch.bells.end();
    let exit = Exit {
        code: ended.map_or(0, |ended| u32::from(ended.code)),
        unknown: ended.is_none(),
        oom: running.groups.oom_killed(),
    };
    running.groups.remove();
    End {
        exit,
        started_at: running.started_at,
        finished_at,
    }
}

fn nonblocking(fd: OwnedFd) -> Option<OwnedFd> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).ok().map(|_| fd)
}

/// What can wake the shim.
#[derive(Debug, Clone, Copy)]
enum Source {
    Children,
    Stream(Stream),
    Listener,
    Asking(usize),
    Exec(usize, Part),
    Bell,
}

struct Watch {
    /// The shim's ends of the streams; none once they have ended.
    output: Option<OwnedFd>,
    error: Option<OwnedFd>,
    buffer: Vec<u8>,
    log: Log,
    bells: Bells,
    execs: Execs,
}

impl Watch {
    /// None where the kernel refuses to tell; then the process must be taken for gone.
    fn wait(&mut self, running: &mut Running) -> Option<Ended> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).ok()?;
        loop {
            while let Some(ended) = process::reap() {
                if ended.pid == running.pid {
                    return Some(ended);
                }
                self.execs.reaped(ended);
            }
            self.execs.settle();
            for source in self.sleep(&signals, running)? {
                match source {
                    Source::Children => while let Ok(Some(_)) = signals.read_signal() {},
                    Source::Stream(stream) => drop(self.read(stream)),
                    Source::Listener => running.control.accept(),
                    Source::Asking(at) => self.serve(at, running),
                    Source::Exec(at, part) => self.execs.look(at, part),
                    Source::Bell => self.bells.ring(),
                }
            }
            running.control.settle();
        }
    }

    /// Sleeps until something is to be done, and says what. What a further process has said of itself
    /// is known before its end is.
    fn sleep(&self, signals: &SignalFd, running: &Running) -> Option<Vec<Source>> {
        let mut watched: Vec<(Source, BorrowedFd<'_>, PollFlags)> = Vec::new();
        let input = PollFlags::POLLIN;
        for (at, part, fd) in self.execs.descriptors() {
            let flags = if part == Part::Peer {
                PollFlags::empty()
            } else {
                input
            };
            watched.push((Source::Exec(at, part), fd, flags));
        }
        watched.push((Source::Children, signals.as_fd(), input));
        for (stream, fd) in [(Stream::Output, &self.output), (Stream::Error, &self.error)] {
            watched.extend(fd.iter().map(|fd| (Source::Stream(stream), fd.as_fd(), input)));
        }
        let control = &running.control;
        watched.extend(control.listener().map(|fd| (Source::Listener, fd, input)));
        watched.extend(control.asking().map(|(at, fd)| (Source::Asking(at), fd, input)));
        // A bell whose reader has gone says so unasked.
        watched.extend(
            self.bells
                .descriptors()
                .map(|fd| (Source::Bell, fd, PollFlags::empty())),
        );
        let mut fds: Vec<_> = watched
            .iter()
            .map(|(_, fd, flags)| PollFd::new(*fd, *flags))
            .collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => return Some(Vec::new()),
            other => other.ok()?,
        };
        let ready = watched
            .iter()
            .zip(&fds)
            .filter(|(_, fd)| fd.any().unwrap_or(true));
        Some(ready.map(|((source, ..), _)| *source).collect())
    }

    /// Reads once what is there; whether there was something.
    fn read(&mut self, stream: Stream) -> bool {
        let slot = match stream {
            Stream::Output => &mut self.output,
            Stream::Error => &mut self.error,
        };
        let Some(fd) = slot else {
            return false;
        };
        match read(fd.as_fd(), &mut self.buffer) {
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            // A terminal whose last holder is gone answers EIO where a pipe answers zero.
            Ok(0) | Err(_) => {
                *slot = None;
                false
            }
            Ok(length) => {
                let text = self.buffer.get(..length).unwrap_or_default();
                self.log.append(now(), stream, text);
                self.bells.ring();
                true
            }
        }
    }

    /// Does what one connection asks.
    fn serve(&mut self, at: usize, running: &mut Running) {
        let Some((peer, ask, mut descriptors)) = running.control.take(at) else {
            return;
        };
        let done = match ask.kind {
            AskKind::Exec => {
                let host = Host {
                    first: running.pid,
                    plan: &running.plan,
                    groups: &running.groups,
                };
                return self.execs.start(host, peer, &ask);
            }
            AskKind::Input => return self.give_input(&peer, running),
            AskKind::Resize => self.resize(&ask, running),
            AskKind::Ring => match descriptors.pop() {
                Some(bell) => self.bells.add(bell),
                None => Err(Failure::system(Stage::Log, "bell", &Errno::EBADF.into())),
            },
            AskKind::Unknown(number) => Err(Failure::unsupported(format_args!("request {number}"))),
        };
        let done = Answer {
            failure: done.err(),
            ..Answer::default()
        };
        answer(&peer, &done, &[]);
    }

    fn resize(&self, ask: &Ask, running: &Running) -> Result<(), Failure> {
        match &self.output {
            Some(master) if running.plan.streams == Streams::Terminal => {
                terminal::set_size(master, ask.rows, ask.columns)
                    .map_err(|error| Failure::system(Stage::Terminal, "size", &error))
            }
            _ => Ok(()),
        }
    }

    fn give_input(&self, peer: &OwnedFd, running: &mut Running) {
        let terminal = running.plan.streams == Streams::Terminal;
        let end = if terminal { &self.output } else { &running.input };
        let Some(fd) = end else {
            let none = Answer {
                failure: Some(Failure::unsupported("the container's standard input is closed")),
                ..Answer::default()
            };
            answer(peer, &none, &[]);
            return;
        };
        let given = Answer {
            terminal,
            input: !terminal,
            ..Answer::default()
        };
        // Whoever has the only end decides when the input ends.
        if answer(peer, &given, &[fd.as_fd()]) && running.plan.input_once {
            running.input = None;
        }
    }
}
