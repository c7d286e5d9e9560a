//! A connection to the bridge, of whichever kind the bridge is.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::net::UnixStream;
use wire::{Flow, Request, Response};

use super::LinkError;
use super::frames::Frames;
use super::v1::{Call, Stock};

/// A connection on which one call runs at a time.
#[derive(Debug)]
pub struct Connection(Kind);

#[derive(Debug)]
enum Kind {
    /// To a bridge that speaks this protocol.
    Frames(Frames),
    /// To one that speaks version 1, which we speak for it.
    Stock(Call),
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(Kind::Frames(Frames::new(stream)))
    }

    pub(super) fn stock(bridge: Arc<Stock>) -> Self {
        Self(Kind::Stock(Call::new(bridge)))
    }

    /// Whether the other side is there and owes nothing.
    pub(super) fn is_quiet(&self) -> bool {
        match &self.0 {
            Kind::Frames(frames) => frames.is_quiet(),
            Kind::Stock(call) => call.is_over(),
        }
    }

    /// Whether a byte of the last request may have reached the bridge.
    pub(super) fn has_sent(&self) -> bool {
        match &self.0 {
            Kind::Frames(frames) => frames.has_sent(),
            Kind::Stock(_) => true,
        }
    }

    /// Gives back what a long answer made the buffers grow by.
    pub(super) fn shrink(&mut self) {
        if let Kind::Frames(frames) = &mut self.0 {
            frames.shrink();
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`LinkError::TooLong`], [`LinkError::Lost`].
    pub(super) async fn send(&mut self, request: &Request) -> Result<(), LinkError> {
        match &mut self.0 {
            Kind::Frames(frames) => frames.send(request).await,
            Kind::Stock(call) => {
                call.begin(request.clone());
                Ok(())
            }
        }
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
        match &mut self.0 {
            Kind::Frames(frames) => frames.send_with(request, passed).await,
            // Nothing that needs a descriptor is served, and the answer says so.
            Kind::Stock(call) => {
                call.begin(request.clone());
                Ok(())
            }
        }
    }

    /// The next frame of the answer. May be dropped while it waits without losing a frame.
    ///
    /// # Errors
    /// [`LinkError::Lost`], [`LinkError::Garbage`]; with a bridge of version 1 any other.
    pub(super) async fn receive(&mut self) -> Result<(Flow, Response), LinkError> {
        match &mut self.0 {
            Kind::Frames(frames) => frames.receive().await,
            Kind::Stock(call) => call.receive().await,
        }
    }

    /// Takes the descriptors that came with what was received so far.
    pub(super) fn take_passed(&mut self) -> Vec<OwnedFd> {
        match &mut self.0 {
            Kind::Frames(frames) => frames.take_passed(),
            Kind::Stock(_) => Vec::new(),
        }
    }
}
