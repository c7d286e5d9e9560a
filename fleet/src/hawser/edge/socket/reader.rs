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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::super::outbox::Urgent;
    use super::*;

    const TEXT: u8 = 1;
    const MORE: u8 = 0;
    const CLOSE: u8 = 8;
    const PING: u8 = 9;

    fn frame(is_last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![u8::from(is_last) << 7 | opcode];
        match payload.len() {
            short @ 0..126 => frame.push(short as u8),
            long @ 126..0x1_0000 => {
                frame.push(126);
                frame.extend((long as u16).to_be_bytes());
            }
            long => {
                frame.push(127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    /// Everything that comes out of these bytes, and the answers to control frames.
    fn read(bytes: &[u8], message_max: u64) -> (Vec<Received>, SocketError, Vec<Urgent>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let (outbox, mut outgo) = Outbox::new();
            let (near, mut far) = duplex(bytes.len().max(1));
            far.write_all(bytes).await.unwrap();
            drop(far);
            let bounds = (message_max, Duration::from_secs(5));
            let mut reader = Reader::new(near, outbox, Room::new(dir.path()), bounds);
            let mut messages = Vec::new();
            let error = loop {
                match reader.next().await {
                    Ok(message) => messages.push(message),
                    Err(error) => break error,
                }
            };
            let urgent = std::iter::from_fn(|| outgo.urgent.recv().now_or_never().flatten()).collect();
            (messages, error, urgent)
        })
    }

    fn small(messages: &[Received]) -> Vec<&[u8]> {
        messages
            .iter()
            .map(|message| match message {
                Received::Small(text) => text.as_slice(),
                Received::Large(_) => b"a large message",
            })
            .collect()
    }

    #[test]
    fn what_is_no_websocket() {
        let check = |bytes: &[u8], expected: &str| {
            let (_, error, _) = read(bytes, 100);
            assert!(error.to_string().contains(expected), "{bytes:x?}: {error}");
        };
        check(b"", "cut");
        check(&frame(true, TEXT, b"x")[..2], "cut");
        check(&frame(true, 3, b"x"), "of no kind");
        check(&frame(true, 11, b"x"), "of no kind");
        check(&[0xC1, 1, b'x'], "of no kind");
        check(&[0x81, 0x81, 0, 0, 0, 0, b'x'], "mask");
        check(&frame(false, PING, b"x"), "of no kind");
        check(&frame(true, PING, &[0; 126]), "too long");
        check(&frame(true, MORE, b"x"), "never began");
        check(
            &[frame(false, TEXT, b"x"), frame(true, TEXT, b"y")].concat(),
            "within another",
        );
        check(
            &frame(true, CLOSE, b"\x03\xF0Invalid token"),
            "(1008): Invalid token",
        );
        check(&frame(true, CLOSE, b""), "(1005)");
    }

    #[test]
    fn pings_within_a_message() {
        let bytes = [
            frame(false, TEXT, b"a"),
            frame(true, PING, b"1"),
            frame(false, MORE, b""),
            frame(true, PING, b""),
            frame(true, MORE, b"b"),
            frame(true, CLOSE, b"\x03\xE8"),
        ]
        .concat();
        let (messages, _, urgent) = read(&bytes, 100);
        assert_eq!(small(&messages), [b"ab"]);
        let pongs = [
            Urgent::Pong(b"1".to_vec()),
            Urgent::Pong(Vec::new()),
            Urgent::Close(1000, ""),
        ];
        assert_eq!(urgent, pongs);
    }

    #[test]
    fn a_large_message_is_not_in_memory() {
        let check = |body_len: usize, max: u64, expected: Result<(), &str>| {
            let body = "x".repeat(body_len);
            let text = format!(r#"{{"type":"request","requestId":"1","body":"{body}","method":"PUT"}}"#);
            let (messages, _, _) = read(&frame(true, TEXT, text.as_bytes()), max);
            let message = messages.iter().find_map(|message| match message {
                Received::Large(message) => Some(message),
                Received::Small(_) => None,
            });
            let message = message.unwrap();
            let around = String::from_utf8_lossy(&message.around);
            assert_eq!(
                around,
                r#"{"type":"request","requestId":"1","body":"","method":"PUT"}"#
            );
            match expected {
                Ok(()) => assert!(message.body.is_ok(), "{:?}", message.body),
                Err(expected) => {
                    let error = message.body.as_ref().unwrap_err().to_string();
                    assert!(error.contains(expected), "{error}");
                }
            }
        };
        check(3 << 20, 4 << 20, Ok(()));
        check(3 << 20, 2 << 20, Err("MAX_MESSAGE_SIZE_MB"));
    }

    #[test]
    fn silence_ends_it() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async {
            let (outbox, _outgo) = Outbox::new();
            let (near, _far) = duplex(10);
            let room = Room::new(std::path::Path::new("/nowhere"));
            let mut reader = Reader::new(near, outbox, room, (100, Duration::from_secs(60)));
            let ended = reader.next().await;
            assert!(matches!(ended, Err(SocketError::Silent)), "{ended:?}");
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn messages_cut_anywhere_are_whole(
            texts in prop::collection::vec(any::<Vec<u8>>(), 1..5),
            cuts in prop::collection::vec(1_usize..40, 1..20),
            is_pinged in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            let mut cuts = cuts.iter().cycle();
            for text in &texts {
                let (mut rest, mut opcode) = (text.as_slice(), TEXT);
                loop {
                    let cut = rest.len().min(*cuts.next().unwrap());
                    let (piece, after) = rest.split_at(cut);
                    bytes.extend(frame(after.is_empty(), opcode, piece));
                    if is_pinged {
                        bytes.extend(frame(true, PING, piece));
                    }
                    (rest, opcode) = (after, MORE);
                    if rest.is_empty() {
                        break;
                    }
                }
            }
            let (messages, _, _) = read(&bytes, 1000);
            prop_assert_eq!(small(&messages), texts);
        }

        #[test]
        fn nothing_breaks_it(bytes in any::<Vec<u8>>()) {
            let _ = read(&bytes, 1000);
        }
    }
}
