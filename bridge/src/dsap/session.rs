//! One connection: a request, an answer, the end.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use wire::v1::{HEADER_BYTES, Opcode, Request, RequestHeader, Status};

use super::answer::Desk;
use super::limits::{ANSWER_TIMEOUT, DRAIN_BYTES_MAX, DRAIN_TIMEOUT, REQUEST_TIMEOUT, STRANGER_TIMEOUT};
use super::patience::Patience;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// One who may.
    Permitted,
    /// One who is told that they may not, whatever it is.
    Stranger,
}

/// What came of a request.
#[derive(Debug)]
enum Received {
    /// Nothing at all, and nothing will.
    Nothing,
    /// All of it.
    Whole(Request),
    /// Something else, of which there may be more to come.
    Wrong(Status),
}

/// Serves a connection. The peer always gets a status, unless it said nothing.
///
/// # Errors
/// The peer has gone, or does not take its answer.
pub(super) fn serve(stream: &UnixStream, caller: Caller, desk: &Desk) -> io::Result<()> {
    let patience = Patience::new(match caller {
        Caller::Permitted => REQUEST_TIMEOUT,
        Caller::Stranger => STRANGER_TIMEOUT,
    });
    // Whoever is refused has been read too: with bytes of theirs unread, the end of the connection could
    // overtake the answer.
    let received = match receive(stream, patience) {
        Ok(Received::Nothing) => return Ok(()),
        Ok(received) => received,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Received::Wrong(Status::BadRequest),
        Err(error) => return Err(error),
    };
    let (frame, whole) = match (caller, received) {
        (Caller::Stranger, received) => {
            let whole = matches!(received, Received::Whole(_));
            (Status::Forbidden.to_frame().to_vec(), whole)
        }
        (Caller::Permitted, Received::Whole(request)) => (desk.frame(&request), true),
        (Caller::Permitted, Received::Wrong(status)) => (status.to_frame().to_vec(), false),
        (Caller::Permitted, Received::Nothing) => return Ok(()),
    };
    let sent = Patience::new(ANSWER_TIMEOUT).write(stream, &frame);
    if !whole {
        drain(stream);
    }
    sent
}

/// Reads a request. What is wrong is known before anything is allocated for it.
fn receive(stream: &UnixStream, patience: Patience) -> io::Result<Received> {
    let mut bytes = [0; HEADER_BYTES];
    match patience.fill(stream, &mut bytes)? {
        0 => return Ok(Received::Nothing),
        HEADER_BYTES => {}
        _ => return Ok(Received::Wrong(Status::BadRequest)),
    }
    let header = match RequestHeader::parse(&bytes) {
        Ok(header) => header,
        Err(status) => return Ok(Received::Wrong(status)),
    };
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    let decoded = if takes_nothing(header.opcode) {
        // Up to a mebibyte, of which nothing is kept.
        if patience.skip(stream, length)? < length {
            return Ok(Received::Wrong(Status::BadRequest));
        }
        Request::decode(RequestHeader { length: 0, ..header }, &[])
    } else {
        let mut payload = vec![0; length];
        if patience.fill(stream, &mut payload)? < length {
            return Ok(Received::Wrong(Status::BadRequest));
        }
        Request::decode(header, &payload)
    };
    Ok(decoded.map_or_else(Received::Wrong, Received::Whole))
}

/// Whether an opcode may come with any payload, none of which is looked at.
fn takes_nothing(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Ping | Opcode::Capabilities | Opcode::Info | Opcode::ListImages
    )
}

/// Throws away what was not read, for a short while.
fn drain(stream: &UnixStream) {
    // The peer sees that the answer is over and goes, which ends the wait.
    if stream.shutdown(Shutdown::Write).is_ok() {
        let _ = Patience::new(DRAIN_TIMEOUT).skip(stream, DRAIN_BYTES_MAX);
    }
}
