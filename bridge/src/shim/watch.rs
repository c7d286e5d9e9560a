//! From a running container to its end. No timer, no loop that polls: while the container is silent,
//! so is this process.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::read;
use wire::container::Exit;

use super::launch::Running;
use super::log::{Log, Stream, TEXT_BYTES_MAX};
use super::now;
use super::record::End;
use crate::sys::process::{self, Ended};

/// Most reads of one stream after the first process has ended: 16 MiB, many times what a pipe can
/// hold. Stops a process outside, that was handed the stream, from keeping the end of the container
/// from ever being told.
const LAST_READS_MAX: u32 = 1024;

/// Logs what the container writes until it ends, and says how it did.
pub(super) fn until_end(running: &mut Running, mut log: Log) -> End {
    let mut streams = Streams {
        output: running.output.take().and_then(nonblocking),
        error: running.error.take().and_then(nonblocking),
        buffer: vec![0; TEXT_BYTES_MAX],
    };
    let ended = wait(running, &mut streams, &mut log);
    let finished_at = now();
    // What was in the pipes when the last process ended.
    for _ in 0..LAST_READS_MAX {
        if !(streams.read(Stream::Output, &mut log) | streams.read(Stream::Error, &mut log)) {
            break;
        }
    }
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

/// None where the kernel refuses to tell; then the process must be taken for gone.
fn wait(running: &Running, streams: &mut Streams, log: &mut Log) -> Option<Ended> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).ok()?;
    loop {
        while let Some(ended) = process::reap() {
            if ended.pid == running.pid {
                return Some(ended);
            }
        }
        let (output, error) = {
            let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            let open = [&streams.output, &streams.error];
            fds.extend(
                open.iter()
                    .filter_map(|fd| fd.as_ref())
                    .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)),
            );
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.ok()?,
            };
            let mut ready = fds.iter().skip(1).map(|fd| fd.any().unwrap_or(true));
            let mut next = |fd: &Option<OwnedFd>| fd.is_some() && ready.next().unwrap_or(false);
            (next(&streams.output), next(&streams.error))
        };
        while let Ok(Some(_)) = signals.read_signal() {}
        if output {
            streams.read(Stream::Output, log);
        }
        if error {
            streams.read(Stream::Error, log);
        }
    }
}

/// The shim's ends; none once it has ended.
struct Streams {
    output: Option<OwnedFd>,
    error: Option<OwnedFd>,
    buffer: Vec<u8>,
}

impl Streams {
    /// Reads once what is there; whether there was something.
    fn read(&mut self, stream: Stream, log: &mut Log) -> bool {
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
                log.append(now(), stream, self.buffer.get(..length).unwrap_or_default());
                true
            }
        }
    }
}
