//! One connection to the bridge, by somebody who keeps to no rule.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use wire::limits::RESPONSE_BYTES_MAX;
use wire::{HEADER_BYTES, Header, Request, Response};

/// How long an answer is waited for where one is expected.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long where nobody knows whether there will be one.
pub(crate) const GLANCE: Duration = Duration::from_millis(50);
/// How long the other side may leave what was sent unread.
const SEND_LIMIT: Duration = Duration::from_millis(200);

/// Which socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Watch,
    Control,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    stream: UnixStream,
}

impl Line {
    pub(crate) fn open(dir: &Path, door: Door) -> io::Result<Self> {
        let name = match door {
            Door::Watch => "watch.sock",
            Door::Control => "control.sock",
        };
        let stream = UnixStream::connect(dir.join(name))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(SEND_LIMIT))?;
        Ok(Self { stream })
    }

    /// One over a socket of one's own.
    pub(crate) fn over(stream: &UnixStream) -> io::Result<Self> {
        Ok(Self {
            stream: stream.try_clone()?,
        })
    }

    /// From now on, answers are waited for so long.
    pub(crate) fn patience(&self, limit: Duration) {
        // A connection that has broken says so at the next read.
        let _ = self.stream.set_read_timeout(Some(limit));
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends bytes and, with the first, whatever control messages.
    pub(crate) fn send_with(&self, bytes: &[u8], control: &[ControlMessage<'_>]) -> io::Result<usize> {
        let parts = [IoSlice::new(bytes)];
        let sent = sendmsg::<()>(
            self.stream.as_raw_fd(),
            &parts,
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        );
        Ok(sent?)
    }

    /// As [`send_with`](Self::send_with), descriptors.
    pub(crate) fn pass(&self, bytes: &[u8], descriptors: &[RawFd]) -> io::Result<usize> {
        self.send_with(bytes, &[ControlMessage::ScmRights(descriptors)])
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next frame of an answer; none where there is none in time. Descriptors that come with it are left
    /// to the kernel.
    ///
    /// # Panics
    /// When the bridge itself breaks the protocol.
    pub(crate) fn answer(&mut self) -> Option<Response> {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header).ok()?;
        let header = Header::parse(&header, RESPONSE_BYTES_MAX).expect("the bridge keeps to the protocol");
        let mut payload = vec![0; usize::try_from(header.length).unwrap()];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Response::decode(header.kind, &payload).expect("the bridge keeps to the protocol"))
    }

    /// Sends a request and reads the first frame of its answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Option<Response> {
        let mut frame = Vec::new();
        request.append_to(&mut frame).ok()?;
        self.ask_raw(&frame)
    }

    /// As [`ask`](Self::ask), with bytes as they are.
    pub(crate) fn ask_raw(&mut self, frame: &[u8]) -> Option<Response> {
        // The bridge may have answered and closed before all was sent.
        let _ = self.send(frame);
        self.answer()
    }
}

impl AsRawFd for Line {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}
