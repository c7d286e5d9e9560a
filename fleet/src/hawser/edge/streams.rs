//! A request whose answer comes in pieces.

use base64_simd::STANDARD;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::agent::{Agent, Asked, Change, Failure};
use super::cut;
use super::socket::{Gone, Outbox};
use crate::docker::DockerError;
use crate::hawser::message::{Outgoing, StreamEnd};
use crate::limits;

/// Messages that each carry a piece.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Everything before the data; behind it comes `"}`.
    head: Vec<u8>,
}

impl Pieces {
    /// Like `empty`, which has no data and has it last.
    pub(super) fn like(empty: &Outgoing<'_>) -> Self {
        let mut head = empty.encode();
        head.truncate(head.len().saturating_sub(2));
        Self { head }
    }

    /// One with these bytes.
    pub(super) fn with(&self, bytes: &[u8]) -> Vec<u8> {
        let coded = bytes.len().div_ceil(3) * 4;
        let mut message = Vec::with_capacity(self.head.len() + coded + 2);
        message.extend_from_slice(&self.head);
        STANDARD.encode_append(bytes, &mut message);
        message.extend_from_slice(b"\"}");
        message
    }
}

/// Why a stream broke off.
enum Broken {
    Gone,
    Failure(Failure),
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<DockerError> for Broken {
    fn from(error: DockerError) -> Self {
        Self::Failure(error.into())
    }
}

/// Asks Docker, and sends its answer as it comes, until it ends or `cancelled` says so.
///
/// # Errors
/// The connection is gone.
pub(super) async fn stream(
    agent: &Agent,
    outbox: &Outbox,
    asked: Asked,
    cancelled: oneshot::Receiver<()>,
) -> Result<(), Gone> {
    let id = asked.request.id.clone();
    let pieces = Pieces::like(&Outgoing::Stream {
        request_id: &id,
        data: "",
    });
    let outcome = tokio::select! {
        outcome = pass(agent, outbox, asked, &pieces) => outcome,
        _ = cancelled => return end(outbox, &id, StreamEnd::Cancelled).await,
    };
    match outcome {
        Ok(()) => end(outbox, &id, StreamEnd::Completed).await,
        Err(Broken::Gone) => Err(Gone),
        Err(Broken::Failure(failure)) => refuse(outbox, &id, &failure).await,
    }
}

/// Says why there is nothing, or no more: in a piece, which is what is shown to people, and as an error.
///
/// # Errors
/// The connection is gone.
pub(super) async fn refuse(outbox: &Outbox, id: &str, failure: &Failure) -> Result<(), Gone> {
    let pieces = Pieces::like(&Outgoing::Stream {
        request_id: id,
        data: "",
    });
    outbox
        .send_encoded(pieces.with(failure.body().as_bytes()))
        .await?;
    let error = &failure.message;
    outbox
        .send(&Outgoing::Error {
            request_id: id,
            error,
            code: "DOCKER_ERROR",
        })
        .await?;
    end(outbox, id, StreamEnd::Error).await
}

async fn end(outbox: &Outbox, id: &str, reason: StreamEnd) -> Result<(), Gone> {
    outbox
        .send(&Outgoing::StreamEnd {
            request_id: id,
            reason,
        })
        .await
}

async fn pass(agent: &Agent, outbox: &Outbox, asked: Asked, pieces: &Pieces) -> Result<(), Broken> {
    let is_progress = is_progress(&asked.request.path);
    // What an answer's status is, this protocol cannot say; that of an error has a body that does.
    let mut body = begin(agent, asked).await?;
    let (mut waiting, mut is_whole) = (Vec::new(), false);
    while !is_whole {
        match next(&mut body).await? {
            // As much as goes into a message needs not be put together.
            Some(data) if data.len() >= limits::STREAM_DATA && waiting.is_empty() && !is_progress => {
                put(outbox, pieces, &data, is_progress).await?;
                continue;
            }
            Some(data) => waiting.extend_from_slice(&data),
            None => is_whole = true,
        }
        while !is_whole && waiting.len() < limits::STREAM_DATA {
            // What is there already goes in the same message.
            tokio::task::yield_now().await;
            match next(&mut body).now_or_never() {
                None => break,
                Some(Ok(Some(data))) => waiting.extend_from_slice(&data),
                Some(Ok(None)) => is_whole = true,
                Some(Err(error)) => {
                    put(outbox, pieces, &waiting, is_progress).await?;
                    return Err(error.into());
                }
            }
        }
        let ready = match cut::lines(&waiting) {
            _ if is_whole || !is_progress => waiting.len(),
            0 if waiting.len() > limits::LINE_MAX => waiting.len(),
            ready => ready,
        };
        put(
            outbox,
            pieces,
            waiting.get(..ready).unwrap_or_default(),
            is_progress,
        )
        .await?;
        waiting.drain(..ready);
    }
    Ok(())
}

async fn begin(agent: &Agent, asked: Asked) -> Result<Incoming, Failure> {
    let change = Change::of(&asked.request);
    let answer = match asked.into_http(agent.role) {
        Ok(request) => agent.docker.send(request).await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    change.tell(
        answer
            .as_ref()
            .map_or_else(|failure| failure.status, |answer| answer.status().as_u16()),
    );
    answer.map(hyper::Response::into_body)
}

/// The next bytes.
async fn next(body: &mut Incoming) -> Result<Option<bytes::Bytes>, DockerError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn put(outbox: &Outbox, pieces: &Pieces, mut bytes: &[u8], is_lines: bool) -> Result<(), Gone> {
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(piece(bytes, is_lines));
        outbox.send_encoded(pieces.with(piece)).await?;
        bytes = rest;
    }
    Ok(())
}

/// How much of `bytes` goes into one message: whole lines as far as there are some, at least one.
fn piece(bytes: &[u8], is_lines: bool) -> usize {
    let most = bytes.len().min(limits::STREAM_DATA);
    if !is_lines || most == bytes.len() {
        return most;
    }
    match cut::lines(bytes.get(..most).unwrap_or_default()) {
        0 => bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(bytes.len(), |at| at + 1),
        lines => lines,
    }
}

/// Whether the answer is lines that a server reads one by one, each within one message.
fn is_progress(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path.ends_with("/images/create")
        || path.ends_with("/build")
        || path.contains("/images/") && path.ends_with("/push")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress() {
        let check = |path: &str, expected: bool| assert_eq!(is_progress(path), expected, "{path}");
        check("/images/create?fromImage=alpine", true);
        check("/v1.44/images/create", true);
        check("/images/a/b/push?tag=1", true);
        check("/build?t=x", true);
        check("/containers/x/logs?follow=true", false);
        check("/containers/push/json", false);
        check("/events?a=/build", false);
    }

    #[test]
    fn pieces() {
        let check = |bytes: &[u8], expected: &str| {
            let pieces = Pieces::like(&Outgoing::Stream {
                request_id: "a\"b",
                data: "",
            });
            assert_eq!(String::from_utf8(pieces.with(bytes)).unwrap(), expected);
        };
        check(b"", r#"{"type":"stream","requestId":"a\"b","data":""}"#);
        check(b"hi", r#"{"type":"stream","requestId":"a\"b","data":"aGk="}"#);
        check(
            b"\0\x01\x02",
            r#"{"type":"stream","requestId":"a\"b","data":"AAEC"}"#,
        );
    }
}
