//! Doors for the fuzzer, which comes from outside.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::runtime::{Builder, Runtime};

use super::scanner::Scanner;
use super::{BodyKind, Outbox, Reader, Received, Room};

/// A message may have no more bytes.
const MESSAGE_MAX: u64 = 1 << 20;

/// What a server's bytes are taken for when they come in two pieces, cut at `cut`: messages, and why there is no other.
///
/// None where it waits for more than is there.
#[must_use]
pub fn messages(bytes: &[u8], cut: usize) -> Option<(Vec<Vec<u8>>, String)> {
    static CLOCK: OnceLock<Option<Runtime>> = OnceLock::new();
    let clock = CLOCK.get_or_init(|| Builder::new_current_thread().enable_time().build().ok());
    let _entered = clock.as_ref()?.enter();
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    all(first.chain(second)).now_or_never()
}

async fn all(from: impl AsyncRead + Unpin) -> (Vec<Vec<u8>>, String) {
    // Answers to control frames are not sent: there is room for some, and the others go.
    let (outbox, _outgo) = Outbox::new();
    let room = Room::new(Path::new("/nonexistent"));
    let mut reader = Reader::new(from, outbox, room, (MESSAGE_MAX, Duration::MAX));
    let mut messages = Vec::new();
    loop {
        match reader.next().await {
            Ok(Received::Small(text)) => messages.push(text),
            Ok(Received::Large(large)) => messages.push(large.around),
            Err(error) => return (messages, error.to_string()),
        }
    }
}

/// What is around the body of a message that comes in pieces of `piece` bytes; the body; and whether that is a text, where
/// there is one. None where the message is no JSON.
#[must_use]
pub fn scanned(text: &[u8], piece: usize) -> Option<(Vec<u8>, Vec<u8>, Option<bool>)> {
    let (mut scanner, mut body) = (Scanner::new(text.len()), Vec::new());
    for piece in text.chunks(piece.max(1)) {
        scanner.push(piece, &mut body).ok()?;
    }
    let (around, kind) = scanner.finish();
    Some((around, body, kind.map(|kind| kind == BodyKind::Text)))
}
