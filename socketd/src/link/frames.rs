//! One connection to the bridge: a request out, the frames of its answer in.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use bytes::{Buf, BytesMut};
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use wire::limits::RESPONSE_BYTES_MAX;
use wire::{Flow, HEADER_BYTES, Header, Invalid, Request, Response};

use super::LinkError;
use crate::limits::LINK_BUFFER_KEPT_BYTES_MAX;

/// Least room made for reading, in bytes.
const READ_BYTES_MIN: usize = 4096;

/// Most descriptors taken with one answer: a log's files and its bell.
const PASSED_MAX: usize = wire::files::LOG_FILES_MAX + 1;

/// A stream of frames on which one call runs at a time.
#[derive(Debug)]
pub(super) struct Frames {
    stream: UnixStream,
    out: Vec<u8>,
    input: BytesMut,
    /// Descriptors that came with the answer, in their order.
    passed: Vec<OwnedFd>,
    sent: bool,
}

impl Frames {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            out: Vec::new(),
            input: BytesMut::new(),
            passed: Vec::new(),
            sent: false,
        }
    }

    /// Whether the other side is there and owes nothing. Looks at the socket itself: what the
    /// runtime believes may be older than the bridge's end.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        self.input.is_empty()
            && matches!(
                recv(self.stream.as_raw_fd(), &mut byte, flags),
                Err(nix::errno::Errno::EAGAIN)
            )
    }

    /// Whether a byte of the last request may have reached the bridge.
    pub(super) fn has_sent(&self) -> bool {
        self.sent
    }

    /// Gives back what a long answer made the buffers grow by.
    pub(super) fn shrink(&mut self) {
        if self.input.capacity() > LINK_BUFFER_KEPT_BYTES_MAX {
            self.input = BytesMut::new();
        }
        if self.out.capacity() > LINK_BUFFER_KEPT_BYTES_MAX {
            self.out = Vec::new();
        }
    }

    fn encode(&mut self, request: &Request) -> Result<(), LinkError> {
        self.sent = false;
        self.out.clear();
        request.append_to(&mut self.out).map_err(LinkError::TooLong)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`LinkError::TooLong`], [`LinkError::Lost`].
    pub(super) async fn send(&mut self, request: &Request) -> Result<(), LinkError> {
        self.encode(request)?;
        self.send_rest(0).await
    }

    async fn send_rest(&mut self, mut at: usize) -> Result<(), LinkError> {
        while let Some(rest) = self.out.get(at..).filter(|rest| !rest.is_empty()) {
            let count = self.stream.write(rest).await.map_err(|_| LinkError::Lost)?;
            if count == 0 {
                return Err(LinkError::Lost);
            }
            self.sent = true;
            at += count;
        }
        Ok(())
    }

    /// Sends a request and, with its first byte, one descriptor.
    ///
    /// # Errors
    /// [`LinkError::TooLong`], [`LinkError::Lost`].
    pub(super) async fn send_with(
        &mut self,
        request: &Request,
        passed: BorrowedFd<'_>,
    ) -> Result<(), LinkError> {
        self.encode(request)?;
        let socket = self.stream.as_fd().as_raw_fd();
        let bytes = &self.out;
        let count = self
            .stream
            .async_io(Interest::WRITABLE, || {
                send_descriptor(socket, bytes, passed.as_raw_fd())
            })
            .await
            .map_err(|_| LinkError::Lost)?;
        self.sent = true;
        self.send_rest(count).await
    }

    /// The next frame of the answer. May be dropped while it waits without losing a frame.
    ///
    /// # Errors
    /// [`LinkError::Lost`], [`LinkError::Garbage`].
    pub(super) async fn receive(&mut self) -> Result<(Flow, Response), LinkError> {
        loop {
            if let Some(frame) = self.take_frame().map_err(LinkError::Garbage)? {
                return Ok(frame);
            }
            if self.read().await.map_err(|_| LinkError::Lost)? == 0 {
                return Err(LinkError::Lost);
            }
        }
    }

    /// Takes the descriptors that came with what was received so far.
    pub(super) fn take_passed(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.passed)
    }

    /// Reads what has arrived, with the descriptors beside it.
    async fn read(&mut self) -> io::Result<usize> {
        let Self {
            stream,
            input,
            passed,
            ..
        } = self;
        loop {
            stream.readable().await?;
            let start = input.len();
            let room = input.capacity().saturating_sub(start).max(READ_BYTES_MIN);
            input.resize(start.saturating_add(room), 0);
            let bytes = input.get_mut(start..).unwrap_or_default();
            let outcome = stream.try_io(Interest::READABLE, || receive(&*stream, bytes, passed));
            input.truncate(start.saturating_add(*outcome.as_ref().unwrap_or(&0)));
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    /// Takes one whole frame from what has arrived; makes room for the rest of one that has not.
    fn take_frame(&mut self) -> Result<Option<(Flow, Response)>, Invalid> {
        let Some(head) = self.input.first_chunk::<HEADER_BYTES>() else {
            self.input.reserve(HEADER_BYTES);
            return Ok(None);
        };
        let header = Header::parse(head, RESPONSE_BYTES_MAX)?;
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let end = HEADER_BYTES.saturating_add(length);
        let Some(payload) = self.input.get(HEADER_BYTES..end) else {
            self.input.reserve(end.saturating_sub(self.input.len()));
            return Ok(None);
        };
        let response = Response::decode(header.kind, payload)?;
        self.input.advance(end);
        Ok(Some((header.flow, response)))
    }
}

/// More descriptors than an answer can honestly bring are closed.
fn receive(socket: impl AsFd, bytes: &mut [u8], passed: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            passed.extend(descriptors.take(PASSED_MAX.saturating_sub(passed.len())));
        }
    }
    Ok(message.bytes)
}

fn send_descriptor(socket: RawFd, bytes: &[u8], passed: RawFd) -> io::Result<usize> {
    let parts = [IoSlice::new(bytes)];
    let descriptors = [passed];
    let control = [ControlMessage::ScmRights(&descriptors)];
    Ok(sendmsg::<()>(
        socket,
        &parts,
        &control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?)
}
