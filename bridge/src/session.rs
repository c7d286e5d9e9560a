//! One connection: frames in, frames out, with deadlines. Decides nothing.

use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use wire::frame::Flow;
use wire::{Header, Invalid, Opcode, Refusal, RefusalCode, Request, Response};

use crate::ceiling::Ceiling;
use crate::gate::{self, Door};
use crate::inbox::{Broken, Inbox};
use crate::limits::FRAME_TIMEOUT;
use crate::pace::Pace;
use crate::{Bridge, dispatch};

/// The answering side of a connection.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    stream: &'a UnixStream,
    buffer: Vec<u8>,
}

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer has gone, or does not take what it asked for.
    Gone(io::Error),
    /// The peer does not speak the protocol.
    Invalid(Invalid),
    /// A stream came to its end: the connection has no further use.
    Finished,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl Answer<'_> {
    /// Sends one frame.
    pub(crate) fn send(&mut self, response: &Response, flow: Flow) -> Result<(), End> {
        self.encode(response, flow)?;
        let mut stream = self.stream;
        stream.write_all(&self.buffer)?;
        self.shrink();
        Ok(())
    }

    /// Sends one frame and, with its first byte, descriptors.
    pub(crate) fn send_with(
        &mut self,
        response: &Response,
        flow: Flow,
        passed: &[BorrowedFd<'_>],
    ) -> Result<(), End> {
        if passed.is_empty() {
            return self.send(response, flow);
        }
        self.encode(response, flow)?;
        let raw: Vec<RawFd> = passed.iter().map(AsRawFd::as_raw_fd).collect();
        let sent = sendmsg::<()>(
            self.stream.as_raw_fd(),
            &[IoSlice::new(&self.buffer)],
            &[ControlMessage::ScmRights(&raw)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map_err(io::Error::from)?;
        let mut stream = self.stream;
        stream.write_all(self.buffer.get(sent..).unwrap_or_default())?;
        self.shrink();
        Ok(())
    }

    fn encode(&mut self, response: &Response, flow: Flow) -> Result<(), End> {
        self.buffer.clear();
        if let Err(error) = response.append_to(flow, &mut self.buffer) {
            tracing::error!(kind = response.kind(), %error, "an answer does not fit its frame");
            let refusal = Refusal::because(RefusalCode::Internal, "the answer does not fit its frame");
            Response::Refused(refusal)
                .append_to(Flow::Last, &mut self.buffer)
                .map_err(End::Invalid)?;
        }
        Ok(())
    }

    /// One large answer must not stay in memory for as long as the connection idles.
    fn shrink(&mut self) {
        if self.buffer.capacity() > 2 * wire::limits::CHUNK_BYTES {
            self.buffer = Vec::new();
        }
    }

    /// Sends the only frame of an answer, or why there is none.
    pub(crate) fn finish(&mut self, outcome: Result<Response, Refusal>) -> Result<(), End> {
        self.send(&outcome.unwrap_or_else(Response::Refused), Flow::Last)
    }

    /// Whether the peer has closed the connection altogether, and so takes no answer.
    pub(crate) fn is_forsaken(&self) -> bool {
        let mut polled = [PollFd::new(self.stream.as_fd(), PollFlags::empty())];
        let found = poll(&mut polled, PollTimeout::ZERO);
        let seen = polled.first().and_then(PollFd::revents);
        found.is_ok() && seen.is_some_and(|seen| seen.contains(PollFlags::POLLHUP))
    }

    /// The connection, to be watched while an answer is awaited.
    pub(crate) fn stream(&self) -> &UnixStream {
        self.stream
    }
}

/// Serves one connection to its end.
pub(crate) fn serve(stream: &UnixStream, door: Door, bridge: &Bridge, mut pace: Pace) -> Result<(), End> {
    stream.set_write_timeout(Some(FRAME_TIMEOUT))?;
    let mut answer = Answer {
        stream,
        buffer: Vec::new(),
    };
    let mut inbox = Inbox::new();
    loop {
        let mut arrived = match inbox.next(stream) {
            Ok(Some(arrived)) => arrived,
            Ok(None) => return Ok(()),
            Err(Broken::Invalid(invalid)) => {
                answer.finish(Err(malformed(invalid)))?;
                return Err(End::Invalid(invalid));
            }
            Err(Broken::Gone(error)) => return Err(End::Gone(error)),
        };
        pace.keep();
        let descriptors = std::mem::take(&mut arrived.descriptors);
        let ceiling = bridge.supervisor.ceiling();
        match understand(door, ceiling, arrived.header, inbox.payload(&arrived)) {
            Ok(request) => dispatch::answer(bridge, door, request, descriptors, &mut answer)?,
            Err(refusal) => {
                let garbled = refusal.code == RefusalCode::Malformed;
                answer.finish(Err(refusal))?;
                if garbled {
                    return Err(End::Finished);
                }
            }
        }
        inbox.discard(arrived.end());
    }
}

/// What is asked, if it may be asked through this door, and at all.
fn understand(door: Door, ceiling: &Ceiling, header: Header, payload: &[u8]) -> Result<Request, Refusal> {
    let opcode = Opcode::from_number(header.kind)
        .ok_or_else(|| Refusal::about(RefusalCode::UnknownOpcode, header.kind.to_string()))?;
    if !gate::permits(door, opcode) {
        return Err(Refusal::about(RefusalCode::NotPermitted, format!("{opcode:?}")));
    }
    ceiling.judge_opcode(opcode)?;
    Request::decode(opcode, payload).map_err(malformed)
}

fn malformed(invalid: Invalid) -> Refusal {
    Refusal::because(RefusalCode::Malformed, invalid.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use super::*;

    #[test]
    fn a_peer_that_only_ends_its_side_still_waits() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let answer = Answer {
            stream: &ours,
            buffer: Vec::new(),
        };
        assert!(!answer.is_forsaken());
        theirs.shutdown(Shutdown::Write).expect("it is open");
        assert!(!answer.is_forsaken());
        drop(theirs);
        assert!(answer.is_forsaken());
    }
}
