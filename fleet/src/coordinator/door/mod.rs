//! Lets nodes in: who says what, whether it is true, and what becomes of what they tell.
//!
//! `connection` is HTTP/2, `entry` who may come in, `attendance` a node that is in.

mod attendance;
mod connection;
mod entry;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status, Streaming};

use super::state::State;
use super::store::Registry;
use super::tunnels::{Line, Lines, TunnelStream};
use crate::front::failures::Failures;
use crate::limits::ORDERS_WAITING;
use crate::node::tunnel::TUNNEL_ID;
use crate::proto::fleet_server::Fleet;
use crate::proto::{FromNode, Piece, ToNode};

pub(super) use connection::serve;

/// What every node meets.
#[derive(Debug)]
pub(super) struct Door {
    state: Arc<State>,
    registry: Arc<dyn Registry>,
    lines: Lines,
    failures: Failures,
}

impl Door {
    pub(super) fn new(state: Arc<State>, registry: Arc<dyn Registry>, lines: Lines) -> Self {
        Self {
            state,
            registry,
            lines,
            failures: Failures::default(),
        }
    }
}

/// One connection: whoever it is.
#[derive(Debug)]
struct Visit {
    door: Arc<Door>,
    peer: SocketAddr,
    /// Its node's, once that is in.
    line: Mutex<Option<Line>>,
    /// How far it is.
    stage: watch::Sender<Stage>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It has asked for nothing.
    New,
    /// It says who it is.
    Entering,
    /// It is welcome.
    In,
    /// It has said all that it will.
    Over,
}

impl Visit {
    fn new(door: Arc<Door>, peer: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            door,
            peer,
            line: Mutex::default(),
            stage: watch::Sender::new(Stage::New),
        })
    }

    fn line(&self) -> Option<Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is this far now, and was not before.
    fn advance(&self, stage: Stage) -> bool {
        self.stage.send_if_modified(|now| {
            let is_later = *now < stage;
            if is_later {
                *now = stage;
            }
            is_later
        })
    }
}

/// What gRPC takes to send.
type Sent<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// One connection, as gRPC calls it.
#[derive(Debug, Clone)]
struct Served(Arc<Visit>);

#[tonic::async_trait]
impl Fleet for Served {
    type AttendStream = Sent<ToNode>;
    type TunnelStream = Sent<Piece>;

    async fn attend(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        if !self.0.advance(Stage::Entering) {
            return Err(Status::failed_precondition("this connection is a node's already"));
        }
        let (orders, waiting) = mpsc::channel(ORDERS_WAITING);
        let (line, when) = watch::channel(None);
        let visit = Arc::clone(&self.0);
        tokio::spawn(attendance::attend(visit, request.into_inner(), orders, line));
        Ok(Response::new(attendance::orders(waiting, when)))
    }

    async fn tunnel(
        &self,
        request: Request<Streaming<Piece>>,
    ) -> Result<Response<Self::TunnelStream>, Status> {
        let line = self
            .0
            .line()
            .ok_or_else(|| Status::unauthenticated("attend first"))?;
        let id = request
            .metadata()
            .get(TUNNEL_ID)
            .and_then(|id| unhex(id.as_bytes()));
        let id = id.ok_or_else(|| Status::invalid_argument("tunnel-id is none"))?;
        let (stream, outgoing) = TunnelStream::new(request.into_inner());
        if !line.opened(id, stream) {
            return Err(Status::not_found("nobody waits for this"));
        }
        Ok(Response::new(Box::pin(outgoing.map(Ok))))
    }
}

/// The 16 bytes of 32 hexadecimal digits.
fn unhex(digits: &[u8]) -> Option<[u8; 16]> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if digits.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}
