//! One question and one answer at a time, each on a connection of its own.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use wire::v1::{Answer, HEADER_BYTES, Opcode, Request, Response, ResponseHeader, Status};

use super::{LinkError, StockAddress};
use crate::dialer::{Dialer, DialerError};
use crate::limits::{ASK_TIME_MAX, CONNECT_TIME_MAX};

/// The way to the bridge.
#[derive(Debug)]
pub(super) struct Rpc {
    address: StockAddress,
    /// Who connects in our place.
    dialer: Option<Dialer>,
    /// Held while a question is under way. The bridge would let further ones wait as well, but in its
    /// queue each costs it a connection that it must still take after whoever asked has gone.
    turn: Mutex<()>,
    /// Whether the last attempt to connect failed, so that the log tells of it once.
    down: AtomicBool,
}

impl Rpc {
    pub(super) fn new(address: StockAddress, dialer: Option<Dialer>) -> Self {
        Self {
            address,
            dialer,
            turn: Mutex::new(()),
            down: AtomicBool::new(false),
        }
    }

    /// Asks what is answered at once, the wait for earlier questions included.
    ///
    /// # Errors
    /// As [`ask_for`](Self::ask_for).
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer, LinkError> {
        self.ask_for(request, ASK_TIME_MAX).await
    }

    /// Asks what may take so long, the wait for earlier questions included.
    ///
    /// # Errors
    /// [`LinkError::Down`], [`LinkError::Late`], [`LinkError::Forbidden`], [`LinkError::Unanswered`],
    /// [`LinkError::Foreign`], [`LinkError::Undialled`].
    pub(super) async fn ask_for(&self, request: &Request, time_max: Duration) -> Result<Answer, LinkError> {
        let frame = request.to_frame().map_err(LinkError::Foreign)?;
        let asked = async {
            let _turn = self.turn.lock().await;
            self.exchange(request.opcode(), &frame).await
        };
        timeout(time_max, asked).await.unwrap_or(Err(LinkError::Late))
    }

    /// A connection, from whoever makes it. Called by one at a time.
    async fn dial(&self) -> Result<UnixStream, DialerError> {
        match &self.dialer {
            Some(dialer) => dialer.connect().await,
            None => UnixStream::connect(self.address.as_path())
                .await
                .map_err(DialerError::Refused),
        }
    }

    async fn connect(&self) -> Result<UnixStream, LinkError> {
        match timeout(CONNECT_TIME_MAX, self.dial()).await {
            Ok(Ok(stream)) => {
                if self.down.swap(false, Ordering::Relaxed) {
                    tracing::info!(address = %self.address, "the bridge is back");
                }
                Ok(stream)
            }
            Ok(Err(DialerError::Gone)) => Err(LinkError::Undialled),
            Ok(Err(DialerError::Refused(error))) => {
                if !self.down.swap(true, Ordering::Relaxed) {
                    tracing::warn!(address = %self.address, %error, "the bridge is not there");
                }
                Err(LinkError::Down(error.kind()))
            }
            Err(_) => Err(LinkError::Late),
        }
    }

    async fn exchange(&self, asked: Opcode, frame: &[u8]) -> Result<Answer, LinkError> {
        let mut stream = self.connect().await?;
        // A bridge that does not admit us closes before it has read: its answer may be there all the same.
        let sent = stream.write_all(frame).await;
        let mut head = [0; HEADER_BYTES];
        if let Err(error) = stream.read_exact(&mut head).await {
            tracing::debug!(?asked, ?sent, %error, "the bridge did not answer");
            return Err(unanswered(&error));
        }
        let header = ResponseHeader::parse(&head, asked).map_err(LinkError::Foreign)?;
        // Not longer than the protocol's own maximum: the header was held against it.
        let mut payload = vec![0; usize::try_from(header.length).unwrap_or_default()];
        stream
            .read_exact(&mut payload)
            .await
            .map_err(|error| unanswered(&error))?;
        let answer = Response::decode(asked, header, &payload).map_err(LinkError::Foreign)?;
        if answer == Err(Status::Forbidden) {
            return Err(LinkError::Forbidden);
        }
        Ok(answer)
    }
}

fn unanswered(error: &io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            LinkError::Unanswered
        }
        _ => LinkError::Lost,
    }
}
