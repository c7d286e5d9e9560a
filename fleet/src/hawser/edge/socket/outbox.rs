//! What is to be sent, in order, in a bounded room: whoever has more than fits waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Spool;
use crate::hawser::host::Metrics;
use crate::hawser::message::Outgoing;
use crate::limits;

/// The connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// How the bytes of a body become the letters of a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// They are UTF-8.
    Text,
    /// They are anything.
    Base64,
}

/// A message with a body that is too large for memory.
#[derive(Debug)]
pub(crate) struct Large {
    /// Everything before the body's letters.
    pub(crate) head: Vec<u8>,
    /// The body itself, not coded yet, to be read from where it is.
    pub(crate) body: Spool,
    /// How it is coded.
    pub(crate) coding: Coding,
    /// Everything behind.
    pub(crate) tail: &'static [u8],
}

/// A message.
#[derive(Debug)]
pub(super) enum Content {
    /// As it is sent.
    Whole(Vec<u8>),
    /// Out of a file.
    Large(Large),
}

/// A message, and the room it takes until it is gone.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) content: Content,
    pub(super) _room: OwnedSemaphorePermit,
}

/// What goes before everything that waits, also between the pieces of a large message where it is no message itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Urgent {
    /// Answers a ping of the WebSocket's.
    Pong(Vec<u8>),
    /// The last that is sent.
    Close(u16, &'static str),
}

/// Takes messages for one connection.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    messages: mpsc::Sender<Parcel>,
    first: mpsc::Sender<Vec<u8>>,
    urgent: mpsc::Sender<Urgent>,
    room: Arc<Semaphore>,
    pings: Arc<AtomicU64>,
}

/// The other end of an [`Outbox`].
#[derive(Debug)]
pub(crate) struct Outgo {
    pub(super) messages: mpsc::Receiver<Parcel>,
    pub(super) first: mpsc::Receiver<Vec<u8>>,
    pub(super) urgent: mpsc::Receiver<Urgent>,
}

impl Outbox {
    /// Both ends of a new one.
    pub(crate) fn new() -> (Self, Outgo) {
        let (messages, messages_out) = mpsc::channel(limits::OUTBOX_MESSAGES);
        let (first, first_out) = mpsc::channel(limits::OUTBOX_URGENT);
        let (urgent, urgent_out) = mpsc::channel(limits::OUTBOX_URGENT);
        let outbox = Self {
            messages,
            first,
            urgent,
            room: Arc::new(Semaphore::new(limits::OUTBOX_BYTES)),
            pings: Arc::new(AtomicU64::new(0)),
        };
        let outgo = Outgo {
            messages: messages_out,
            first: first_out,
            urgent: urgent_out,
        };
        (outbox, outgo)
    }

    /// Sends `message` once there is room for it.
    pub(crate) async fn send(&self, message: &Outgoing<'_>) -> Result<(), Gone> {
        self.send_encoded(message.encode()).await
    }

    /// Sends a message that is JSON already.
    pub(crate) async fn send_encoded(&self, message: Vec<u8>) -> Result<(), Gone> {
        let room = message.len();
        self.put(Content::Whole(message), room).await
    }

    /// Sends a message out of a file.
    pub(crate) async fn send_large(&self, message: Large) -> Result<(), Gone> {
        self.put(Content::Large(message), limits::FRAGMENT).await
    }

    /// Asks for a pong, behind everything that waits. The pongs of one connection answer its pings in order: gives
    /// which one this is, from one.
    pub(crate) async fn ping(&self) -> Result<u64, Gone> {
        let number = self.pings.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let message = Outgoing::Ping { timestamp: now() };
        self.send(&message).await.map(|()| number)
    }

    /// Sends how the machine is.
    pub(crate) async fn metrics(&self, metrics: &Metrics) -> Result<(), Gone> {
        let message = Outgoing::Metrics {
            timestamp: now(),
            metrics,
        };
        self.send(&message).await
    }

    /// Answers a ping, before everything that waits. A server that does not read its pongs gets fewer.
    pub(crate) fn pong(&self) {
        let message = Outgoing::Pong { timestamp: now() };
        let _ = self.first.try_send(message.encode());
    }

    /// Answers a ping of the WebSocket's.
    pub(super) fn pong_frame(&self, payload: Vec<u8>) {
        let _ = self.urgent.try_send(Urgent::Pong(payload));
    }

    /// Says that nothing more will come; what waits is not sent any more.
    pub(crate) fn close(&self, code: u16, reason: &'static str) {
        let _ = self.urgent.try_send(Urgent::Close(code, reason));
    }

    async fn put(&self, content: Content, room: usize) -> Result<(), Gone> {
        let room = u32::try_from(room.min(limits::OUTBOX_BYTES)).unwrap_or(u32::MAX);
        let room = self
            .room
            .clone()
            .acquire_many_owned(room)
            .await
            .map_err(|_| Gone)?;
        let parcel = Parcel { content, _room: room };
        self.messages.send(parcel).await.map_err(|_| Gone)
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
