//! Takes messages off the line, however they are cut.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;
use websocket_sans_io::{FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEvent};

use super::scanner::Scanner;
use super::{BodyKind, Outbox, Room, SocketError, Spool};
use crate::limits;

/// Read at once.
const PIECE: usize = 16 << 10;

/// Longest payload of a frame that is no message's.
const CONTROL_MAX: u64 = 125;

/// A message.
#[derive(Debug)]
pub(crate) enum Received {
    /// One that is in memory.
    Small(Vec<u8>),
    /// One that is not.
    Large(LargeMessage),
}

/// A message whose body is in a file.
#[derive(Debug)]
pub(crate) struct LargeMessage {
    /// It, with something small in the body's place.
    pub(crate) around: Vec<u8>,
    /// What the body was; none where there was no body.
    pub(crate) kind: Option<BodyKind>,
    /// The body; why not, where it could not be kept.
    pub(crate) body: Result<Spool, Unkept>,
}

/// Why a message was not kept.
#[derive(Debug)]
pub(crate) enum Unkept {
    /// It is larger than may be.
    TooLarge,
    /// It is no JSON.
    Shape,
    /// The disk takes no more.
    Disk(io::Error),
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the message is larger than MAX_MESSAGE_SIZE_MB"),
            Self::Shape => f.write_str("the message is no request"),
            Self::Disk(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                f.write_str("there are too many large messages at once")
            }
            Self::Disk(error) => write!(f, "the message cannot be kept while it passes: {error}"),
        }
    }
}

/// One end of a connection.
pub(crate) struct Reader<R> {
    io: R,
    outbox: Outbox,
    room: Room,
    decoder: WebsocketFrameDecoder,
    piece: Vec<u8>,
    /// What of `piece` is not decoded yet.
    rest: std::ops::Range<usize>,
    message_max: u64,
    silence: Duration,
    message: Option<Message>,
    control: Vec<u8>,
}

/// A message that is not whole yet.
enum Message {
    Small(Vec<u8>),
    Large(Box<Growing>),
}

struct Growing {
    scanner: Scanner,
    body: Result<Spool, Unkept>,
    len: u64,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Of `io`. Answers to control frames go to `outbox`; messages may have `message_max` bytes, and after `silence`
    /// the server counts as gone.
    pub(crate) fn new(io: R, outbox: Outbox, room: Room, (message_max, silence): (u64, Duration)) -> Self {
        Self {
            io,
            outbox,
            room,
            decoder: WebsocketFrameDecoder::new(),
            piece: vec![0; PIECE],
            rest: 0..0,
            message_max,
            silence,
            message: None,
            control: Vec::new(),
        }
    }

    /// The next message. Not to be dropped halfway.
    ///
    /// # Errors
    /// There will be no other.
    pub(crate) async fn next(&mut self) -> Result<Received, SocketError> {
        loop {
            let bytes = self.piece.get_mut(self.rest.clone()).unwrap_or_default();
            let added = match self.decoder.add_data(bytes) {
                Ok(added) => added,
                Err(never) => match never {},
            };
            let end = self.rest.start.saturating_add(added.consumed_bytes);
            let payload = std::mem::replace(&mut self.rest.start, end)..end;
            let payload = self.piece.get(payload).unwrap_or_default();
            match added.event {
                None => self.fill().await?,
                Some(WebsocketFrameEvent::Start { frame_info, .. }) => self.begin(&frame_info)?,
                Some(WebsocketFrameEvent::PayloadChunk { original_opcode })
                    if original_opcode.is_control() =>
                {
                    self.control.extend_from_slice(payload);
                }
                Some(WebsocketFrameEvent::PayloadChunk { .. }) => {
                    if let Some(message) = &mut self.message {
                        message.push(payload, &self.room, self.message_max).await;
                    }
                }
                Some(WebsocketFrameEvent::End { frame_info, .. }) if frame_info.opcode.is_control() => {
                    self.control_frame(frame_info.opcode)?;
                }
                Some(WebsocketFrameEvent::End { frame_info, .. }) => {
                    if let Some(message) = self.message.take_if(|_| frame_info.fin) {
                        return Ok(message.finish().await);
                    }
                }
            }
        }
    }

    async fn fill(&mut self) -> Result<(), SocketError> {
        let read = timeout(self.silence, self.io.read(&mut self.piece)).await;
        match read.map_err(|_late| SocketError::Silent)?? {
            0 => Err(SocketError::Broken(io::ErrorKind::UnexpectedEof.into())),
            count => {
                self.rest = 0..count;
                Ok(())
            }
        }
    }

    /// The head of a frame.
    fn begin(&mut self, frame: &FrameInfo) -> Result<(), SocketError> {
        let problem = if !frame.is_reasonable() {
            Some("a frame of no kind")
        } else if frame.mask.is_some() {
            Some("a frame with a mask")
        } else if frame.opcode.is_control() && frame.payload_length > CONTROL_MAX {
            Some("a control frame that is too long")
        } else if frame.opcode == Opcode::Continuation && self.message.is_none() {
            Some("more of a message that never began")
        } else if matches!(frame.opcode, Opcode::Text | Opcode::Binary) && self.message.is_some() {
            Some("a message within another")
        } else {
            None
        };
        if let Some(problem) = problem {
            self.outbox.close(1002, "");
            return Err(SocketError::Protocol(problem));
        }
        if frame.opcode.is_control() {
            self.control.clear();
        } else if self.message.is_none() {
            self.message = Some(Message::Small(Vec::new()));
        }
        Ok(())
    }

    fn control_frame(&mut self, opcode: Opcode) -> Result<(), SocketError> {
        let payload = std::mem::take(&mut self.control);
        match opcode {
            Opcode::Ping => self.outbox.pong_frame(payload),
            Opcode::ConnectionClose => {
                let code = payload
                    .first_chunk()
                    .map_or(1005, |code| u16::from_be_bytes(*code));
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                self.outbox.close(if code == 1005 { 1000 } else { code }, "");
                return Err(SocketError::Closed(code, reason));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Message {
    async fn push(&mut self, piece: &[u8], room: &Room, max: u64) {
        if let Self::Small(whole) = self {
            if whole.len().saturating_add(piece.len()) <= limits::MESSAGE_SMALL {
                whole.extend_from_slice(piece);
                return;
            }
            let mut growing = Box::new(Growing {
                scanner: Scanner::new(limits::MESSAGE_SMALL),
                body: room.spool_now().map_err(Unkept::Disk),
                len: 0,
            });
            growing.push(whole, max).await;
            *self = Self::Large(growing);
        }
        if let Self::Large(growing) = self {
            growing.push(piece, max).await;
        }
    }

    async fn finish(self) -> Received {
        match self {
            Self::Small(whole) => Received::Small(whole),
            Self::Large(growing) => {
                let Growing {
                    scanner, mut body, ..
                } = *growing;
                if let Ok(spool) = &mut body
                    && let Err(error) = spool.rewind().await
                {
                    body = Err(Unkept::Disk(error));
                }
                let (around, kind) = scanner.finish();
                Received::Large(LargeMessage { around, kind, body })
            }
        }
    }
}

impl Growing {
    async fn push(&mut self, piece: &[u8], max: u64) {
        self.len = self
            .len
            .saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if matches!(self.body, Err(Unkept::Shape)) {
            return;
        }
        let mut found = Vec::new();
        if let Err(error) = self.scanner.push(piece, &mut found) {
            // Nobody can be told whose answer will not come.
            tracing::debug!(?error, "a large message is no request");
            self.body = Err(Unkept::Shape);
        } else if self.len > max {
            // What is around the body is still read, for who waits for an answer.
            self.body = Err(Unkept::TooLarge);
        } else if let Ok(spool) = &mut self.body
            && let Err(error) = spool.write(&found).await
        {
            self.body = Err(Unkept::Disk(error));
        }
    }
}
