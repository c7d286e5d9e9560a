//! Passing on what daemon and client say, in one loop that waits in `poll` alone.
//!
//! Each way has one buffer. It is filled when it is empty, so whoever does not read stops whoever writes,
//! and nothing else: a client that does not read can still type.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{read, write};

use super::frames::{self, Frames, Piece};
use super::limits::{INPUT_BYTES_MAX, READ_BYTES};
use crate::sys::terminal;

/// The client's side.
#[derive(Debug)]
pub(super) enum Client {
    /// A terminal, the signal that tells of its new sizes, and the size that the daemon knows.
    Terminal {
        terminal: OwnedFd,
        resized: SignalFd,
        size: (u16, u16),
    },
    /// Where output and errors go; what goes nowhere is thrown away.
    Pipes {
        output: Option<OwnedFd>,
        error: Option<OwnedFd>,
    },
}

impl Client {
    fn takes(&self, piece: Piece) -> Option<&OwnedFd> {
        match (self, piece) {
            (Self::Terminal { terminal, .. }, Piece::Output | Piece::Error) => Some(terminal),
            (Self::Pipes { output, .. }, Piece::Output) => output.as_ref(),
            (Self::Pipes { error, .. }, Piece::Error) => error.as_ref(),
            (_, Piece::Nothing | Piece::Exit(_)) => None,
        }
    }

    fn descriptors(&self) -> impl Iterator<Item = &OwnedFd> {
        let (first, second) = match self {
            Self::Terminal { terminal, .. } => (Some(terminal), None),
            Self::Pipes { output, error } => (output.as_ref(), error.as_ref()),
        };
        first.into_iter().chain(second)
    }
}

/// Why it is over without an exit code.
#[derive(Debug)]
enum Broken {
    /// One of the two is gone.
    Gone,
    /// The daemon's bytes are no frames, or the system said something that cannot be.
    Failed,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Self::Gone,
            _ => Self::Failed,
        }
    }
}

/// Both ways.
#[derive(Debug)]
pub(super) struct Pump {
    daemon: OwnedFd,
    client: Client,
    frames: Frames,
    /// What came from the daemon, and which part of it is still to be looked at.
    inbound: Vec<u8>,
    rest: Range<usize>,
    /// What the first bytes of the rest are, where they are the client's, and how many.
    piece: (Piece, usize),
    /// What goes to the daemon, and how much of it has gone.
    outbound: Vec<u8>,
    sent: usize,
    exit: Option<u32>,
}

impl Pump {
    pub(super) fn new(daemon: OwnedFd, client: Client) -> io::Result<Self> {
        for descriptor in [&daemon].into_iter().chain(client.descriptors()) {
            fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self {
            daemon,
            client,
            frames: Frames::new(),
            inbound: vec![0; READ_BYTES],
            rest: 0..0,
            piece: (Piece::Nothing, 0),
            // A frame of input and one of a size.
            outbound: Vec::with_capacity(INPUT_BYTES_MAX + 64),
            sent: 0,
            exit: None,
        })
    }

    /// Passes on until the daemon says how the process ended; none where it never does.
    pub(super) fn run(mut self) -> Option<u32> {
        // It may have been resized before anybody listened.
        let mut broken = self.look_at_size().err();
        while broken.is_none() && self.exit.is_none() {
            broken = self.turn().err();
        }
        self.exit
    }

    /// Waits for something to do, and does it.
    fn turn(&mut self) -> Result<(), Broken> {
        let ready = self.wait()?;
        if ready.resized {
            self.look_at_size()?;
        }
        if ready.input {
            self.take_input()?;
        }
        self.send()?;
        if ready.daemon && self.rest.is_empty() {
            self.receive()?;
        }
        self.deliver()
    }

    fn wait(&self) -> Result<Ready, Broken> {
        let mut wanted: Vec<(Source, BorrowedFd<'_>, PollFlags)> = Vec::with_capacity(4);
        let mut daemon = PollFlags::empty();
        daemon.set(PollFlags::POLLIN, self.rest.is_empty());
        daemon.set(PollFlags::POLLOUT, !self.outbound.is_empty());
        // A hang-up is told whether asked for or not, over and over: not while nothing can be done about it.
        if !daemon.is_empty() {
            wanted.push((Source::Daemon, self.daemon.as_fd(), daemon));
        }
        let writes_to = self.client.takes(self.piece.0).filter(|_| self.piece.1 > 0);
        if let Client::Terminal {
            terminal, resized, ..
        } = &self.client
        {
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLIN, self.outbound.is_empty());
            events.set(PollFlags::POLLOUT, writes_to.is_some());
            wanted.push((Source::Client, terminal.as_fd(), events));
            wanted.push((Source::Resized, resized.as_fd(), PollFlags::POLLIN));
        } else if let Some(pipe) = writes_to {
            wanted.push((Source::Client, pipe.as_fd(), PollFlags::POLLOUT));
        }
        let mut fds: Vec<PollFd<'_>> = wanted
            .iter()
            .map(|&(_, fd, events)| PollFd::new(fd, events))
            .collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(Ready::default()),
            other => other.map_err(|_| Broken::Failed)?,
        };
        let mut ready = Ready::default();
        for ((source, ..), fd) in wanted.iter().zip(&fds) {
            let events = fd.revents().unwrap_or(PollFlags::empty());
            match source {
                Source::Daemon => ready.daemon = events.intersects(!PollFlags::POLLOUT),
                // Nobody holds the other side of the terminal any more.
                Source::Client if events.intersects(PollFlags::POLLHUP | PollFlags::POLLNVAL) => {
                    return Err(Broken::Gone);
                }
                Source::Client => ready.input = events.contains(PollFlags::POLLIN),
                Source::Resized => ready.resized = !events.is_empty(),
            }
        }
        Ok(ready)
    }

    /// Tells the daemon the size of the terminal, where it does not know it.
    fn look_at_size(&mut self) -> Result<(), Broken> {
        let Client::Terminal {
            terminal,
            resized,
            size,
        } = &mut self.client
        else {
            return Ok(());
        };
        while matches!(resized.read_signal(), Ok(Some(_))) {}
        let now = terminal::size(terminal)?;
        // The daemon may be slow to read while the size changes: the last one is what counts, so at most
        // one such frame waits behind one of input.
        if now != *size && self.outbound.len() <= INPUT_BYTES_MAX + 5 {
            *size = now;
            frames::window(now.0, now.1, &mut self.outbound);
        }
        Ok(())
    }

    fn take_input(&mut self) -> Result<(), Broken> {
        let Client::Terminal { terminal, .. } = &self.client else {
            return Ok(());
        };
        if !self.outbound.is_empty() {
            return Ok(());
        }
        let mut bytes = [0; INPUT_BYTES_MAX];
        let length = match read(terminal, &mut bytes) {
            Ok(0) | Err(Errno::EIO) => return Err(Broken::Gone),
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            other => other.map_err(|_| Broken::Failed)?,
        };
        frames::input(bytes.get(..length).unwrap_or_default(), &mut self.outbound);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Broken> {
        let waiting = self.outbound.get(self.sent..).unwrap_or_default();
        if waiting.is_empty() {
            return Ok(());
        }
        match write(&self.daemon, waiting) {
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            // What it said before it closed is still there to be read.
            Err(Errno::EPIPE | Errno::ECONNRESET) => self.sent = self.outbound.len(),
            other => self.sent += other.map_err(io::Error::from)?,
        }
        if self.sent == self.outbound.len() {
            self.outbound.clear();
            self.sent = 0;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), Broken> {
        match read(&self.daemon, &mut self.inbound) {
            Ok(0) => Err(Broken::Gone),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            other => {
                self.rest = 0..other.map_err(io::Error::from)?;
                Ok(())
            }
        }
    }

    /// Gives the client what is here, as much as it takes.
    fn deliver(&mut self) -> Result<(), Broken> {
        while self.exit.is_none() && !self.rest.is_empty() {
            let (piece, length) = self.piece;
            let bytes = self.inbound.get(self.rest.clone()).unwrap_or_default();
            if length == 0 {
                self.piece = self.frames.take(bytes).map_err(|_| Broken::Failed)?;
                if let (Piece::Exit(code), _) = self.piece {
                    self.exit = Some(code);
                }
                continue;
            }
            let bytes = bytes.get(..length).unwrap_or_default();
            let used = match self.client.takes(piece).map(|fd| write(fd, bytes)) {
                None => length,
                Some(Err(Errno::EAGAIN | Errno::EINTR)) => return Ok(()),
                Some(Err(Errno::EPIPE | Errno::EIO)) => return Err(Broken::Gone),
                Some(written) => written.map_err(|_| Broken::Failed)?,
            };
            self.rest.start += used;
            self.piece.1 -= used;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Daemon,
    Client,
    Resized,
}

#[derive(Debug, Default)]
struct Ready {
    daemon: bool,
    input: bool,
    resized: bool,
}
