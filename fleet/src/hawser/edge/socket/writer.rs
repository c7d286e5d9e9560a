//! Puts messages onto the line: frames with a mask each, several small messages at once, a large one in pieces.

use std::io::IoSlice;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use websocket_sans_io::{FrameInfo, Opcode, WebsocketFrameEncoder};

use super::outbox::{Content, Large, Outgo, Parcel, Urgent};
use super::{Coding, SocketError};
use crate::limits;

/// Writes what `outgo` has onto `io`, until a close frame is written or everybody who could send is gone.
///
/// # Errors
/// The line is broken, or nobody reads.
pub(crate) async fn write(io: impl AsyncWrite + Unpin, mut outgo: Outgo) -> Result<(), SocketError> {
    let mut line = Line {
        io,
        sealed: Vec::new(),
        out: Vec::new(),
        masks: Masks::default(),
    };
    loop {
        tokio::select! {
            biased;
            Some(frame) = outgo.urgent.recv() => {
                if line.urgent(frame) {
                    return line.end().await;
                }
            }
            Some(message) = outgo.first.recv() => line.whole(message)?,
            parcel = outgo.messages.recv() => match parcel {
                Some(parcel) => {
                    if line.parcel(parcel, &mut outgo).await? {
                        return line.end().await;
                    }
                }
                None => return line.end().await,
            },
        }
        line.flush().await?;
    }
}

/// Shorter messages than this, in bytes, are put together for one write.
const COPIED_MAX: usize = 8 << 10;

struct Line<W> {
    io: W,
    /// Frames that are not on the line yet: whatever is long, as it came, and what was before it.
    sealed: Vec<Vec<u8>>,
    /// Frames behind them.
    out: Vec<u8>,
    masks: Masks,
}

impl<W: AsyncWrite + Unpin> Line<W> {
    /// A message, and those that wait behind it as far as they fit into one write. Whether it was the last.
    async fn parcel(&mut self, parcel: Parcel, outgo: &mut Outgo) -> Result<bool, SocketError> {
        let mut next = Some(parcel);
        while let Some(parcel) = next.take() {
            match parcel.content {
                Content::Whole(message) => self.whole(message)?,
                Content::Large(large) => {
                    if self.large(large, outgo).await? {
                        return Ok(true);
                    }
                }
            }
            if self.waiting() < limits::FRAGMENT && outgo.urgent.is_empty() && outgo.first.is_empty() {
                next = outgo.messages.try_recv().ok();
            }
        }
        Ok(false)
    }

    /// A message out of a file, in pieces; between them goes what is urgent. Whether that was the end.
    async fn large(&mut self, mut large: Large, outgo: &mut Outgo) -> Result<bool, SocketError> {
        self.frame(Opcode::Text, false, &large.head)?;
        // A multiple of three: base64 of pieces is then that of the whole.
        let mut piece = vec![0; limits::FRAGMENT / 4 * 3];
        let mut coded = Vec::new();
        loop {
            self.flush().await?;
            while let Ok(frame) = outgo.urgent.try_recv() {
                if self.urgent(frame) {
                    return Ok(true);
                }
            }
            let count = large.body.read(&mut piece).await?;
            let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            coded.clear();
            match large.coding {
                Coding::Text => escape(bytes, &mut coded),
                Coding::Base64 => {
                    coded.resize(count.div_ceil(3) * 4, 0);
                    let _ = STANDARD.encode_slice(bytes, &mut coded);
                }
            }
            self.frame(Opcode::Continuation, false, &coded)?;
        }
        self.frame(Opcode::Continuation, true, large.tail)?;
        Ok(false)
    }

    /// Whether it was the end.
    fn urgent(&mut self, frame: Urgent) -> bool {
        match frame {
            Urgent::Pong(payload) => {
                let _ = self.frame(Opcode::Pong, true, &payload);
                false
            }
            Urgent::Close(code, reason) => {
                let mut payload = code.to_be_bytes().to_vec();
                payload.extend_from_slice(reason.as_bytes());
                let _ = self.frame(Opcode::ConnectionClose, true, &payload);
                true
            }
        }
    }

    /// A message; a long one goes out of the memory that it came in.
    fn whole(&mut self, mut message: Vec<u8>) -> Result<(), SocketError> {
        if message.len() < COPIED_MAX {
            return self.frame(Opcode::Text, true, &message);
        }
        let mut encoder = self.header(Opcode::Text, true, message.len())?;
        encoder.transform_frame_payload(&mut message);
        self.sealed.push(std::mem::take(&mut self.out));
        self.sealed.push(message);
        Ok(())
    }

    fn frame(&mut self, opcode: Opcode, is_last: bool, payload: &[u8]) -> Result<(), SocketError> {
        let mut encoder = self.header(opcode, is_last, payload.len())?;
        let begin = self.out.len();
        self.out.extend_from_slice(payload);
        if let Some(payload) = self.out.get_mut(begin..) {
            encoder.transform_frame_payload(payload);
        }
        Ok(())
    }

    /// What is before a payload, and what masks that.
    fn header(
        &mut self,
        opcode: Opcode,
        is_last: bool,
        length: usize,
    ) -> Result<WebsocketFrameEncoder, SocketError> {
        let mut encoder = WebsocketFrameEncoder::new();
        let header = encoder.start_frame(&FrameInfo {
            opcode,
            payload_length: u64::try_from(length).unwrap_or(u64::MAX),
            mask: Some(self.masks.next()?),
            fin: is_last,
            reserved: 0,
        });
        self.out.extend_from_slice(&header);
        Ok(encoder)
    }

    /// Bytes that are not on the line yet.
    fn waiting(&self) -> usize {
        self.sealed.iter().map(Vec::len).sum::<usize>() + self.out.len()
    }

    async fn flush(&mut self) -> Result<(), SocketError> {
        let mut parts: Vec<IoSlice<'_>> = self.sealed.iter().map(|part| IoSlice::new(part)).collect();
        parts.push(IoSlice::new(&self.out));
        let mut rest = parts.as_mut_slice();
        // Nothing is written of what is empty.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let written = timeout(limits::WRITE_PROGRESS, self.io.write_vectored(rest)).await;
            let count = written.map_err(|_late| SocketError::Stalled)??;
            if count == 0 {
                return Err(SocketError::Broken(std::io::ErrorKind::WriteZero.into()));
            }
            IoSlice::advance_slices(&mut rest, count);
        }
        let flushed = timeout(limits::WRITE_PROGRESS, self.io.flush()).await;
        flushed.map_err(|_late| SocketError::Stalled)??;
        self.sealed.clear();
        self.out.clear();
        // One large piece must not keep its room for ever.
        self.out.shrink_to(limits::FRAGMENT * 2);
        Ok(())
    }

    async fn end(mut self) -> Result<(), SocketError> {
        self.flush().await?;
        let shut = timeout(limits::WRITE_PROGRESS, self.io.shutdown()).await;
        Ok(shut.map_err(|_late| SocketError::Stalled)??)
    }
}

/// Letters of a JSON text.
pub(super) fn escape(bytes: &[u8], coded: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'"' => coded.extend_from_slice(b"\\\""),
            b'\\' => coded.extend_from_slice(b"\\\\"),
            b'\n' => coded.extend_from_slice(b"\\n"),
            b'\r' => coded.extend_from_slice(b"\\r"),
            b'\t' => coded.extend_from_slice(b"\\t"),
            0..0x20 => coded.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => coded.push(*byte),
        }
    }
}

/// Masks that nobody can foretell, fetched many at once.
#[derive(Debug, Default)]
struct Masks {
    random: Vec<u8>,
}

impl Masks {
    const AT_ONCE: usize = 256;

    fn next(&mut self) -> Result<[u8; 4], SocketError> {
        if self.random.len() < 4 {
            self.random.resize(Self::AT_ONCE, 0);
            getrandom::fill(&mut self.random).map_err(|error| SocketError::Broken(error.into()))?;
        }
        let mut mask = [0; 4];
        for (byte, random) in mask.iter_mut().zip(self.random.split_off(self.random.len() - 4)) {
            *byte = random;
        }
        Ok(mask)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;
    use crate::hawser::edge::socket::Outbox;

    #[test]
    fn texts_are_escaped_as_json() {
        let every: String = (0..0x7F_u8).map(char::from).chain("ä😀".chars()).collect();
        let mut coded = Vec::new();
        escape(every.as_bytes(), &mut coded);
        let json = [b"\"", coded.as_slice(), b"\""].concat();
        assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), every);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_read_is_left() {
        let (outbox, outgo) = Outbox::new();
        let (near, _far) = duplex(1000);
        outbox.send_encoded(vec![b'x'; 2000]).await.unwrap();
        let begun = tokio::time::Instant::now();
        let ended = write(near, outgo).await;
        assert!(matches!(ended, Err(SocketError::Stalled)), "{ended:?}");
        assert_eq!(begun.elapsed(), limits::WRITE_PROGRESS);
    }

    #[tokio::test]
    async fn whoever_sends_more_than_fits_waits() {
        let (outbox, _outgo) = Outbox::new();
        outbox
            .send_encoded(vec![b'x'; limits::OUTBOX_BYTES])
            .await
            .unwrap();
        let more = outbox.send_encoded(vec![b'x'; 1]);
        assert!(futures_util::FutureExt::now_or_never(more).is_none());
    }
}
