//! Connections to one socket of the bridge, shared by short calls.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use wire::{Flow, Request, Response};

use super::v1::Stock;
use super::{Connection, LinkError, Power, refused};
use crate::limits::{
    ANSWER_BYTES_MAX, CONNECT_PAUSE, CONNECT_TIME_MAX, LINK_CONNECTIONS_MAX, LINK_IDLE_MAX, LINK_WAITING_MAX,
};

/// How many frames an answer of the greatest length may have; no honest frame but the last is
/// shorter than this protocol's chunk.
const FRAMES_MAX: usize = ANSWER_BYTES_MAX / wire::limits::CHUNK_BYTES;

/// Where a pool's connections lead.
#[derive(Debug)]
pub(super) enum Place {
    /// To a socket.
    Socket(PathBuf),
    /// To a bridge of version 1, which takes a connection of its own for each question.
    Stock(Arc<Stock>),
}

#[derive(Debug)]
pub(super) struct Pool {
    place: Place,
    /// Whether the last attempt to connect failed, so that the log tells of it once.
    down: AtomicBool,
    idle: Mutex<Vec<Connection>>,
    /// One permit a connection in use.
    busy: Semaphore,
    /// One permit a call that runs or waits.
    admitted: Semaphore,
}

impl Pool {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            down: AtomicBool::new(false),
            idle: Mutex::new(Vec::new()),
            busy: Semaphore::new(LINK_CONNECTIONS_MAX),
            admitted: Semaphore::new(LINK_CONNECTIONS_MAX + LINK_WAITING_MAX),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection. Nobody there is known at once, without waiting for a deadline.
    pub(super) async fn connect(&self) -> Result<Connection, LinkError> {
        let path = match &self.place {
            Place::Stock(bridge) => return Ok(Connection::stock(Arc::clone(bridge))),
            Place::Socket(path) => path,
        };
        match timeout(CONNECT_TIME_MAX, in_turn(path)).await {
            Ok(Ok(stream)) => {
                if self.down.swap(false, Ordering::Relaxed) {
                    tracing::info!(socket = %path.display(), "the bridge is back");
                }
                Ok(Connection::new(stream))
            }
            Ok(Err(error)) => {
                if !self.down.swap(true, Ordering::Relaxed) {
                    tracing::warn!(socket = %path.display(), %error, "the bridge is not there");
                }
                Err(LinkError::Down(error.kind()))
            }
            Err(_) => Err(LinkError::Late),
        }
    }

    /// A connection that was used before and still stands.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some(connection) = idle.pop() {
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    fn put_back(&self, mut connection: Connection) {
        connection.shrink();
        let mut idle = self.idle();
        if idle.len() < LINK_IDLE_MAX {
            idle.push(connection);
        }
    }

    /// One call. A connection that breaks is replaced once: for a question always, for an order
    /// only while none of it was sent. A call that is dropped half way closes its connection.
    pub(super) async fn call(
        &self,
        request: &Request,
        power: Power,
        mut each: impl FnMut(Response) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        let _admitted = self.admitted.try_acquire().map_err(|_| LinkError::Crowded)?;
        let _busy = self.busy.acquire().await.map_err(|_| LinkError::Crowded)?;
        if let Some(mut connection) = self.take_idle() {
            match exchange(&mut connection, request, &mut each).await {
                Err((LinkError::Lost, Heard::Nothing)) if power == Power::Ask || !connection.has_sent() => {}
                outcome => return self.finish(connection, outcome),
            }
        }
        let mut connection = self.connect().await?;
        let outcome = exchange(&mut connection, request, &mut each).await;
        self.finish(connection, outcome)
    }

    /// Keeps the connection where both sides agree that the call is over.
    fn finish(
        &self,
        connection: Connection,
        outcome: Result<(), (LinkError, Heard)>,
    ) -> Result<(), LinkError> {
        match outcome {
            Ok(()) => {
                self.put_back(connection);
                Ok(())
            }
            Err((LinkError::Refused(refusal), _)) => {
                self.put_back(connection);
                Err(LinkError::Refused(refusal))
            }
            Err((error, _)) => Err(error),
        }
    }
}

/// Connects. Where others fill the queue before the socket, it is tried again: the kernel does not let a
/// process wait there that has other things to do.
async fn in_turn(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(CONNECT_PAUSE).await,
            connected => return connected,
        }
    }
}

/// Whether part of the answer was handed on before the call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Something,
}

async fn exchange(
    connection: &mut Connection,
    request: &Request,
    each: &mut impl FnMut(Response) -> Result<(), LinkError>,
) -> Result<(), (LinkError, Heard)> {
    connection
        .send(request)
        .await
        .map_err(|error| (error, Heard::Nothing))?;
    let mut heard = Heard::Nothing;
    for _ in 0..FRAMES_MAX {
        let (flow, response) = connection.receive().await.map_err(|error| (error, heard))?;
        let response = refused(response).map_err(|error| (error, heard))?;
        heard = Heard::Something;
        each(response).map_err(|error| (error, heard))?;
        if flow == Flow::Last {
            return Ok(());
        }
    }
    Err((LinkError::Endless, heard))
}
