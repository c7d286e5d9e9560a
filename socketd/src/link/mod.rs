//! The bridge's client: calls with deadlines over its two sockets.
//!
//! Questions go to `watch.sock`, orders to `control.sock`; the opcode's number says which. Short
//! calls share a small pool of connections, long ones (a wait, a stop, an upload, the subscription)
//! have a connection each, so that dropping the call closes it and the bridge notices.
//!
//! A bridge that speaks version 1 instead is reached through [`v1`], which answers every call as far as
//! that protocol can.
//!
//! Nothing here knows HTTP, JSON or a Docker word.

mod calls;
mod connection;
mod error;
mod files;
mod frames;
mod held;
mod inside;
mod meter;
mod pool;
mod upload;
mod v1;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wire::{Opcode, Request, Response};

pub use connection::Connection;
pub use error::LinkError;
pub use files::Download;
pub use held::{Held, Listing};
pub use inside::{ExecStreams, OpenedLog};
pub use meter::Calls;
pub use upload::{Appetite, Upload, UploadError};
pub(crate) use v1::look_at_machine;
pub use v1::{AddressError, StockAddress};

use crate::dialer::Dialer;
use crate::limits::{ACT_TIME_MAX, ASK_TIME_MAX, LONG_CALLS_MAX};
use meter::Meter;
use pool::{Place, Pool};
use v1::Stock;

/// Opcodes from this number on change something and are taken on `control.sock` only.
const FIRST_ORDER: u16 = 32;

/// File name of the socket that answers questions.
const WATCH_SOCKET: &str = "watch.sock";
/// File name of the socket that takes orders.
const CONTROL_SOCKET: &str = "control.sock";

/// Whether a call may be repeated when its connection turns out to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    /// A question: asking twice changes nothing.
    Ask,
    /// An order: once a byte of it was sent, it may have been carried out.
    Act,
}

fn power(opcode: Opcode) -> Power {
    if opcode.number() < FIRST_ORDER {
        Power::Ask
    } else {
        Power::Act
    }
}

/// The way to the bridge.
#[derive(Debug)]
pub struct Link {
    watch: Pool,
    control: Pool,
    long_calls: Arc<Semaphore>,
    meter: Meter,
}

/// A connection of its own for one long call; closes when dropped.
#[derive(Debug)]
pub struct LongCall {
    connection: Connection,
    _permit: OwnedSemaphorePermit,
}

impl LongCall {
    /// The next answer. Waits for ever: what bounds it is the caller, who may drop it at any time.
    ///
    /// # Errors
    /// The connection's end, bytes that are no answer, or the bridge's refusal.
    pub async fn receive(&mut self) -> Result<Response, LinkError> {
        refused(self.connection.receive().await?.1)
    }

    /// The next answer, with the descriptors that came along. Waits for ever, as [`receive`](Self::receive).
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn receive_passed(&mut self) -> Result<(Response, Vec<OwnedFd>), LinkError> {
        let response = self.receive().await?;
        Ok((response, self.connection.take_passed()))
    }
}

impl Link {
    /// A link to the sockets in `dir`. Connects to nothing yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            watch: Pool::new(Place::Socket(dir.join(WATCH_SOCKET))),
            control: Pool::new(Place::Socket(dir.join(CONTROL_SOCKET))),
            long_calls: Arc::new(Semaphore::new(LONG_CALLS_MAX)),
            meter: Meter::default(),
        }
    }

    /// A link to a bridge that speaks version 1, to which the dialer connects where there is one. Connects
    /// to nothing yet.
    #[must_use]
    pub fn stock(address: StockAddress, dialer: Option<Dialer>) -> Self {
        let bridge = Arc::new(Stock::new(address, dialer));
        Self {
            watch: Pool::new(Place::Stock(Arc::clone(&bridge))),
            control: Pool::new(Place::Stock(bridge)),
            long_calls: Arc::new(Semaphore::new(LONG_CALLS_MAX)),
            meter: Meter::default(),
        }
    }

    /// How calls went since the start. Answers that go on for long count when they begin.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.meter.calls()
    }

    fn pool(&self, power: Power) -> &Pool {
        match power {
            Power::Ask => &self.watch,
            Power::Act => &self.control,
        }
    }

    /// One short call with an answer of one frame.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn call(&self, request: &Request) -> Result<Response, LinkError> {
        let mut answer = None;
        self.call_each(request, |frame| {
            answer = Some(frame);
            Ok(())
        })
        .await?;
        answer.ok_or(LinkError::Lost)
    }

    /// One short call; `each` sees every frame of the answer in turn.
    ///
    /// # Errors
    /// See [`LinkError`], and whatever `each` returns.
    pub async fn call_each(
        &self,
        request: &Request,
        each: impl FnMut(Response) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        let power = power(request.opcode());
        let time_max = match power {
            Power::Ask => ASK_TIME_MAX,
            Power::Act => ACT_TIME_MAX,
        };
        let outcome = timeout(time_max, self.pool(power).call(request, power, each)).await;
        self.meter.note(outcome.unwrap_or(Err(LinkError::Late)))
    }

    /// Begins a call on a connection of its own and returns once it is sent.
    ///
    /// # Errors
    /// See [`LinkError`]; [`LinkError::Crowded`] when too many long calls run.
    pub async fn call_long(&self, request: &Request) -> Result<LongCall, LinkError> {
        let mut call = self.open(request.opcode()).await?;
        timeout(ASK_TIME_MAX, call.connection.send(request))
            .await
            .unwrap_or(Err(LinkError::Late))?;
        Ok(call)
    }

    /// As [`call_long`](Self::call_long), with one descriptor beside the request.
    async fn call_long_with(&self, request: &Request, passed: BorrowedFd<'_>) -> Result<LongCall, LinkError> {
        let mut call = self.open(request.opcode()).await?;
        timeout(ASK_TIME_MAX, call.connection.send_with(request, passed))
            .await
            .unwrap_or(Err(LinkError::Late))?;
        Ok(call)
    }

    async fn open(&self, opcode: Opcode) -> Result<LongCall, LinkError> {
        let permit = Arc::clone(&self.long_calls)
            .try_acquire_owned()
            .map_err(|_| LinkError::Crowded)?;
        let connected = self.pool(power(opcode)).connect().await;
        Ok(LongCall {
            connection: self.meter.note(connected)?,
            _permit: permit,
        })
    }

    /// A long call that has an end: its one answer, waited for so long.
    async fn call_until(&self, request: &Request, time_max: Option<Duration>) -> Result<Response, LinkError> {
        let mut call = self.call_long(request).await?;
        match time_max {
            None => call.receive().await,
            Some(time_max) => timeout(time_max, call.receive())
                .await
                .unwrap_or(Err(LinkError::Late)),
        }
    }
}

/// Turns the bridge's refusal into the error it is.
fn refused(response: Response) -> Result<Response, LinkError> {
    match response {
        Response::Refused(refusal) => Err(LinkError::Refused(Arc::new(refusal))),
        other => Ok(other),
    }
}
