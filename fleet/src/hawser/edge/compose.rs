//! Compose, asked by a message.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::sync::mpsc;

use super::agent::{Agent, Asked, Failure};
use super::requests;
use super::socket::{Gone, Outbox};
use super::streams::Pieces;
use crate::access;
use crate::hawser::compose::Reply;
use crate::hawser::message::{Outgoing, Request, RequestBody};
use crate::limits;

const PATH: &str = "/_hawser/compose";

/// Whether a request is for compose, and not for Docker.
pub(super) fn is_asked(request: &Request) -> bool {
    request.path.split('?').next() == Some(PATH)
}

/// Runs compose, and sends its lines where they are wanted, and what came of it.
///
/// # Errors
/// The connection is gone; compose goes on to its end.
pub(super) async fn answer(agent: &Agent, outbox: &Outbox, asked: Asked) -> Result<(), Gone> {
    let id = asked.request.id.clone();
    let (status, reply) = match body(agent, asked).await {
        Err(failure) => (failure.status, Reply::failed(&failure.message)),
        Ok(body) => {
            let (sender, lines) = mpsc::channel(limits::COMPOSE_LINES);
            let run = agent.runner.run(&body, Some(sender));
            let ((status, reply), passed) = tokio::join!(run, pass(outbox, &id, lines));
            passed?;
            (status.as_u16(), reply)
        }
    };
    requests::send_json(outbox, &id, status, &reply.to_json()).await
}

/// What is asked of compose.
async fn body(agent: &Agent, asked: Asked) -> Result<Vec<u8>, Failure> {
    let Asked { request, spool } = asked;
    access::judge(agent.role, &Method::POST, PATH).map_err(|denied| Failure::new(403, denied.to_string()))?;
    if request.method != "POST" {
        return Err(Failure::new(
            StatusCode::METHOD_NOT_ALLOWED.as_u16(),
            "compose is asked with POST",
        ));
    }
    let Some(mut spool) = spool else {
        return Ok(match request.body {
            RequestBody::Json(text) | RequestBody::Text(text) => text.into_bytes(),
            RequestBody::None | RequestBody::Base64(_) => Vec::new(),
        });
    };
    let (mut body, mut piece) = (Vec::new(), vec![0; limits::FRAGMENT]);
    loop {
        let count = spool.read(&mut piece).await;
        let count =
            count.map_err(|error| Failure::new(507, format!("the request cannot be kept: {error}")))?;
        let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(body);
        };
        if body.len().saturating_add(bytes.len()) > limits::COMPOSE_REQUEST_MAX {
            let text = format!(
                "a request for compose has at most {} bytes",
                limits::COMPOSE_REQUEST_MAX
            );
            return Err(Failure::new(413, text));
        }
        body.extend_from_slice(bytes);
    }
}

/// Sends lines as they come, until there are no more.
async fn pass(outbox: &Outbox, id: &str, mut lines: mpsc::Receiver<Bytes>) -> Result<(), Gone> {
    let pieces = Pieces::like(&Outgoing::Stream {
        request_id: id,
        data: "",
    });
    while let Some(line) = lines.recv().await {
        outbox.send_encoded(pieces.with(&line)).await?;
    }
    Ok(())
}
