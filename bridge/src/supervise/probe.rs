//! One run of a health check, and what it writes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::read;
use wire::Time;

use crate::limits::PROBE_OUTPUT_BYTES_MAX;

/// Most reads of one stream at once: what a pipe can hold, many times. Stops a process that writes
/// without end from keeping the other checks waiting.
const READS_AT_ONCE: u32 = 256;

/// A probe that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) exec: String,
    pub(super) started_at: Time,
    /// For how long its container had run by then.
    pub(super) ran: Duration,
    /// When it has taken too long; then, once it was killed, when nobody waits for its end any more.
    pub(super) deadline: Instant,
    pub(super) killed: bool,
    streams: Vec<OwnedFd>,
    output: Vec<u8>,
    /// Whether it wrote more than is kept.
    more: bool,
}

fn nonblocking(stream: OwnedFd) -> Option<OwnedFd> {
    fcntl(&stream, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .ok()
        .map(|_| stream)
}

impl Running {
    /// One that was started just then, when its container had run for so long, with the reading ends of its streams.
    pub(super) fn new(
        exec: String,
        begun: (Time, Duration),
        deadline: Instant,
        streams: Vec<OwnedFd>,
    ) -> Self {
        Self {
            exec,
            started_at: begun.0,
            ran: begun.1,
            deadline,
            killed: false,
            streams: streams.into_iter().filter_map(nonblocking).collect(),
            output: Vec::new(),
            more: false,
        }
    }

    /// What to wait for.
    pub(super) fn streams(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.streams.iter().map(AsFd::as_fd)
    }

    /// Reads what is there; what is not kept is read all the same, so that the probe can write on.
    pub(super) fn read(&mut self) {
        let (output, more) = (&mut self.output, &mut self.more);
        let mut buffer = [0; 4096];
        self.streams.retain(|stream| {
            for _ in 0..READS_AT_ONCE {
                match read(stream, &mut buffer) {
                    Ok(0) => return false,
                    Ok(length) => {
                        let fresh = buffer.get(..length).unwrap_or_default();
                        let room = PROBE_OUTPUT_BYTES_MAX.saturating_sub(output.len());
                        *more |= fresh.len() > room;
                        output.extend(fresh.iter().take(room));
                    }
                    Err(Errno::EINTR) => {}
                    Err(Errno::EAGAIN) => return true,
                    Err(_) => return false,
                }
            }
            true
        });
    }

    /// What it wrote, as far as that is kept.
    pub(super) fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.output).into_owned();
        if self.more {
            text.push_str("...");
        }
        text
    }
}
