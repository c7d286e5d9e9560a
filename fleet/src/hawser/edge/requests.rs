//! A request whose answer is one message.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use tokio::time::timeout;

use super::agent::{Agent, Asked, Change, Failure};
use super::cut::Sniffer;
use super::socket::{Coding, Gone, Large, Outbox, Spool};
use crate::docker::DockerError;
use crate::hawser::message::{Outgoing, Response};
use crate::limits;

/// What Docker answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Small(Vec<u8>, Coding),
    Large(Spool, Coding),
}

/// Asks Docker, and sends what it answers, or why it does not.
///
/// # Errors
/// The connection is gone.
pub(super) async fn answer(agent: &Agent, outbox: &Outbox, asked: Asked) -> Result<(), Gone> {
    let (id, change) = (asked.request.id.clone(), Change::of(&asked.request));
    let bound = agent.request_timeout;
    let answer = timeout(bound, ask(agent, asked))
        .await
        .unwrap_or_else(|_late| Err(DockerError::Late(bound).into()));
    change.tell(
        answer
            .as_ref()
            .map_or_else(|failure| failure.status, |answer| answer.status),
    );
    match answer {
        Ok(answer) => send(outbox, &id, answer).await,
        Err(failure) => refuse(outbox, &id, &failure).await,
    }
}

/// Says why there is no answer, as Docker would.
///
/// # Errors
/// The connection is gone.
pub(super) async fn refuse(outbox: &Outbox, id: &str, failure: &Failure) -> Result<(), Gone> {
    send_json(outbox, id, failure.status, &failure.body()).await
}

/// Sends an answer that is the agent's own.
///
/// # Errors
/// The connection is gone.
pub(super) async fn send_json(outbox: &Outbox, id: &str, status: u16, body: &str) -> Result<(), Gone> {
    let content_type = ("Content-Type".to_owned(), "application/json".to_owned());
    let response = Response {
        request_id: id,
        status_code: status,
        headers: BTreeMap::from([content_type]),
        body: Some(body),
        is_binary: false,
    };
    outbox.send(&Outgoing::Response(response)).await
}

async fn ask(agent: &Agent, asked: Asked) -> Result<Answer, Failure> {
    let _one = agent
        .at_once
        .acquire()
        .await
        .map_err(|_| Failure::new(503, "the agent ends"))?;
    let answer = agent.docker.send(asked.into_http(agent.role)?).await?;
    let status = answer.status().as_u16();
    if status < 200 {
        // A server that is told so breaks.
        return Err(Failure::new(
            502,
            format!("Docker answered {status}, which is no answer"),
        ));
    }
    let (head, body) = answer.into_parts();
    let is_bodiless = matches!(status, 204 | 205 | 304);
    let is_binary = is_binary(&head.headers);
    let body = if is_bodiless {
        Body::Small(Vec::new(), Coding::Text)
    } else {
        collect(agent, body, is_binary).await?
    };
    Ok(Answer {
        status,
        headers: shown(&head.headers),
        body,
    })
}

/// The whole body: in memory, or from some size in a file.
async fn collect(agent: &Agent, mut body: Incoming, is_binary: bool) -> Result<Body, Failure> {
    let (mut small, mut large) = (Vec::new(), None::<Spool>);
    let mut sniffer = Sniffer::new(is_binary);
    let disk = |error: std::io::Error| {
        Failure::new(502, format!("the answer cannot be kept while it passes: {error}"))
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(DockerError::from)?;
        let Ok(data) = frame.into_data() else { continue };
        sniffer.push(&data);
        if sniffer.coded_len() > limits::MESSAGE_SENT_MAX {
            let text = format!(
                "the answer is larger than the {} MiB that one message can carry",
                limits::MESSAGE_SENT_MAX >> 20
            );
            return Err(Failure::new(413, text));
        }
        match &mut large {
            Some(spool) => spool.write(&data).await.map_err(disk)?,
            None if small.len().saturating_add(data.len()) <= limits::BODY_SMALL => {
                small.extend_from_slice(&data)
            }
            None => {
                let mut spool = agent.room.spool().await.map_err(disk)?;
                spool.write(&std::mem::take(&mut small)).await.map_err(disk)?;
                spool.write(&data).await.map_err(disk)?;
                large = Some(spool);
            }
        }
    }
    let coding = if sniffer.is_binary() {
        Coding::Base64
    } else {
        Coding::Text
    };
    match large {
        Some(mut spool) => {
            spool.rewind().await.map_err(disk)?;
            Ok(Body::Large(spool, coding))
        }
        None => Ok(Body::Small(small, coding)),
    }
}

async fn send(outbox: &Outbox, id: &str, answer: Answer) -> Result<(), Gone> {
    let mut response = Response {
        request_id: id,
        status_code: answer.status,
        headers: answer.headers,
        ..Response::default()
    };
    match answer.body {
        Body::Small(bytes, _) if bytes.is_empty() => outbox.send(&Outgoing::Response(response)).await,
        Body::Small(bytes, coding) => {
            response.is_binary = coding == Coding::Base64;
            let text = if response.is_binary {
                STANDARD.encode(bytes)
            } else {
                // It has been looked at.
                String::from_utf8(bytes).unwrap_or_default()
            };
            response.body = Some(&text);
            outbox.send(&Outgoing::Response(response)).await
        }
        Body::Large(body, coding) => {
            response.is_binary = coding == Coding::Base64;
            let mut head = Outgoing::Response(response).encode();
            head.pop();
            head.extend_from_slice(b",\"body\":\"");
            outbox
                .send_large(Large {
                    head,
                    body,
                    coding,
                    tail: b"\"}",
                })
                .await
        }
    }
}

/// Whether the head says that the body is no text.
fn is_binary(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    ["octet-stream", "raw-stream", "multiplexed-stream", "tar", "gzip"]
        .iter()
        .any(|word| kind.contains(word))
}

/// Headers as the server is told them: the first of each name, in the writing that Go gives them, without those that
/// are the connection's alone.
fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for name in headers.keys() {
        if matches!(
            name.as_str(),
            "connection" | "keep-alive" | "transfer-encoding" | "trailer" | "upgrade"
        ) {
            continue;
        }
        if let Some(value) = headers.get(name) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            shown.insert(canonical(name.as_str()), value);
        }
    }
    shown
}

/// `content-type` as `Content-Type`.
fn canonical(name: &str) -> String {
    let mut is_first = true;
    name.chars()
        .map(|letter| {
            let shown = if is_first {
                letter.to_ascii_uppercase()
            } else {
                letter
            };
            is_first = letter == '-';
            shown
        })
        .collect()
}
