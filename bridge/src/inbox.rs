//! Frames from a peer that may be slow, wrong or malicious.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use wire::frame::{Flow, HEADER_BYTES};
use wire::limits::REQUEST_BYTES_MAX;
use wire::{Header, Invalid};

use crate::limits::{DESCRIPTORS_MAX, FRAME_TIMEOUT, INBOX_BYTES};
use crate::sys::descriptors;

/// Why no frame can be had.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection is gone, or a frame did not end in time.
    Gone(io::Error),
    /// What came is not a frame.
    Invalid(Invalid),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// What has come and is not yet read. A small request costs one system call.
#[derive(Debug)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that have come.
    filled: usize,
    /// Descriptors that came with them.
    descriptors: Vec<OwnedFd>,
    /// Whether the socket gives up on a read after a while.
    hurried: bool,
}

/// One whole frame, still in the inbox.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) header: Header,
    pub(crate) descriptors: Vec<OwnedFd>,
    payload: Range<usize>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; INBOX_BYTES],
            filled: 0,
            descriptors: Vec::new(),
            hurried: false,
        }
    }

    /// The next frame; none where the peer closed the connection between two.
    /// A connection may idle for ever, but a frame that has begun must end in time.
    pub(crate) fn next(&mut self, stream: &UnixStream) -> Result<Option<Arrived>, Broken> {
        let mut deadline = None;
        loop {
            let needed = match self.header()? {
                Some(header) => {
                    let needed = HEADER_BYTES + usize::try_from(header.length).unwrap_or(usize::MAX);
                    if needed <= self.filled {
                        let descriptors = std::mem::take(&mut self.descriptors);
                        return Ok(Some(Arrived {
                            header,
                            descriptors,
                            payload: HEADER_BYTES..needed,
                        }));
                    }
                    needed
                }
                None => HEADER_BYTES,
            };
            if needed > self.buffer.len() {
                self.buffer.resize(needed, 0);
            }
            self.hurry(stream, self.filled > 0)?;
            if self.filled > 0 {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + FRAME_TIMEOUT);
                if Instant::now() > deadline {
                    return Err(Broken::Gone(io::ErrorKind::TimedOut.into()));
                }
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match descriptors::receive(stream, room, &mut self.descriptors)? {
                0 if self.filled == 0 => return Ok(None),
                0 => return Err(Broken::Invalid(Invalid::Truncated)),
                count => self.filled += count,
            }
            if self.descriptors.len() > DESCRIPTORS_MAX {
                let count = u32::try_from(self.descriptors.len()).unwrap_or(u32::MAX);
                self.descriptors.clear();
                return Err(Broken::Invalid(Invalid::TooMany {
                    what: "descriptors",
                    count,
                    max: 1,
                }));
            }
        }
    }

    /// The payload of a frame that has arrived.
    pub(crate) fn payload(&self, arrived: &Arrived) -> &[u8] {
        self.buffer.get(arrived.payload.clone()).unwrap_or_default()
    }

    /// Forgets a frame that has been dealt with, and the room that a large one took.
    pub(crate) fn discard(&mut self, end: usize) {
        self.buffer.copy_within(end.min(self.filled)..self.filled, 0);
        self.filled = self.filled.saturating_sub(end);
        if self.buffer.len() > INBOX_BYTES && self.filled <= INBOX_BYTES {
            self.buffer.truncate(INBOX_BYTES);
            self.buffer.shrink_to_fit();
        }
    }

    fn header(&self) -> Result<Option<Header>, Broken> {
        let Some(bytes) = self.buffer.first_chunk().filter(|_| self.filled >= HEADER_BYTES) else {
            return Ok(None);
        };
        let header = Header::parse(bytes, REQUEST_BYTES_MAX).map_err(Broken::Invalid)?;
        match header.flow {
            Flow::Last => Ok(Some(header)),
            // A request is one frame.
            Flow::More => Err(Broken::Invalid(Invalid::Flags(1))),
        }
    }

    fn hurry(&mut self, stream: &UnixStream, hurried: bool) -> io::Result<()> {
        if self.hurried != hurried {
            stream.set_read_timeout(hurried.then_some(FRAME_TIMEOUT))?;
            self.hurried = hurried;
        }
        Ok(())
    }
}

impl Arrived {
    /// Where the frame ends in the inbox.
    pub(crate) fn end(&self) -> usize {
        self.payload.end
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use wire::Request;
    use wire::request::{ContainerRef, Nothing};

    use super::*;

    fn frame(request: &Request) -> Vec<u8> {
        let mut frame = Vec::new();
        request.append_to(&mut frame).expect("it fits");
        frame
    }

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().expect("a pair of sockets")
    }

    #[test]
    fn frames_come_whole_however_they_are_cut() {
        let reference = "x".repeat(3 * INBOX_BYTES);
        let large = frame(&Request::Start(ContainerRef { reference }));
        let bytes = [
            frame(&Request::Ping(Nothing {})),
            large.clone(),
            frame(&Request::Info(Nothing {})),
        ]
        .concat();
        for cut in [1, 11, 12, 13, 14, 4096, 4097, bytes.len()] {
            let (mut peer, stream) = pair();
            let sent = bytes.clone();
            let sender = std::thread::spawn(move || {
                for part in sent.chunks(cut) {
                    peer.write_all(part).expect("sent");
                }
            });
            let mut inbox = Inbox::new();
            let mut lengths = Vec::new();
            while let Some(arrived) = inbox.next(&stream).expect("frames") {
                lengths.push(inbox.payload(&arrived).len());
                inbox.discard(arrived.end());
            }
            assert_eq!(lengths, [2, large.len() - HEADER_BYTES, 2], "cut at {cut}");
            sender.join().expect("sent all");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let good = frame(&Request::Ping(Nothing {}));
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            bad
        };
        for (bad, expected) in [
            (with(0, b'X'), Invalid::Magic),
            (with(4, 9), Invalid::Version(9)),
            (with(5, 1), Invalid::Flags(1)),
            (with(5, 8), Invalid::Flags(8)),
            (
                with(11, 1),
                Invalid::TooLong {
                    length: 0x0100_0002,
                    max: REQUEST_BYTES_MAX,
                },
            ),
            (good[..13].to_vec(), Invalid::Truncated),
            (good[..5].to_vec(), Invalid::Truncated),
        ] {
            let (mut peer, stream) = pair();
            peer.write_all(&bad).expect("sent");
            drop(peer);
            let outcome = Inbox::new().next(&stream);
            assert!(
                matches!(outcome, Err(Broken::Invalid(invalid)) if invalid == expected),
                "{expected:?}"
            );
        }
    }
}
