//! `POST /containers/{id}/attach` and `GET /containers/{id}/attach/ws`.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::Extensions;
use axum::response::Response;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use wire::{Container, Time};

use super::logs;
use crate::docker::attach::{AttachQuery, content_type};
use crate::docker::error::{Act, ApiError};
use crate::docker::query::Query;
use crate::limits::{CONNECTION_BUFFER_BYTES_MAX, STREAM_BYTES};
use crate::routes::Desk;
use crate::routes::answer::{Answer, failed};
use crate::routes::hijack::{self, Client};
use crate::streams::{DetachKeys, From, Inward, Output, Shape, Wanted, Way, converse};

pub(super) async fn attach(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Answer {
    let (mut parts, _) = request.into_parts();
    let query = AttachQuery::parse(&Query::parse(query.as_deref()))?;
    let container = inspect(&desk, &reference).await?;
    let client = Client::of(&mut parts, &desk)?;
    let raw = container.spec.process.tty;
    let (output, inward) = open(&desk, &container, query, raw).await?;
    let content_type = content_type(raw, hijack::version(&parts));
    Ok(client.serve(content_type, output, inward))
}

async fn inspect(desk: &Desk, reference: &str) -> Result<Box<Container>, ApiError> {
    let container = desk.link.inspect(reference).await;
    container.map_err(|error| failed(&error, Act::Attach))
}

/// Both directions of an attachment.
async fn open(
    desk: &Desk,
    container: &Container,
    query: AttachQuery,
    raw: bool,
) -> Result<(Output, Inward), ApiError> {
    let id = container.id.to_string();
    let process = &container.spec.process;
    let keys = process.tty.then(|| DetachKeys::new(query.detach_keys));
    let nowhere = Way::Nowhere;
    let opened = match (query.stream, query.logs) {
        (true, _) => desk.link.attach(&id).await,
        (false, true) => desk.link.open_log(&id, false).await,
        (false, false) => {
            let inward = Inward { way: nowhere, keys };
            return Ok((Output::Text(None), inward));
        }
    };
    let opened = opened.map_err(|error| failed(&error, Act::Attach))?;
    let wanted = Wanted {
        shape: Shape {
            raw,
            timestamps: false,
            output: query.stdout,
            error: query.stderr,
        },
        from: if query.logs { From::Oldest } else { From::Now },
        since: Time::NEVER,
        until: None,
        follow: false,
    };
    let log = logs::stream(desk, &id, opened, wanted, query.stream)?;
    let way = match log.rang() {
        Some(rang) if query.stdin && process.open_stdin => Way::Container {
            link: Arc::clone(&desk.link),
            container: id,
            rang,
        },
        _ => nowhere,
    };
    Ok((Output::Log(Box::new(log)), Inward { way, keys }))
}

/// The same for clients in browsers: messages of bytes, without frames.
pub(super) async fn websocket(
    State(desk): State<Arc<Desk>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    extensions: Extensions,
    upgrade: WebSocketUpgrade,
) -> Answer {
    let query = AttachQuery::parse(&Query::parse(query.as_deref()))?;
    let container = inspect(&desk, &reference).await?;
    let permit = hijack::admit(&desk, &extensions)?;
    let (mut output, inward) = open(&desk, &container, query, true).await?;
    let mut ending = desk.ending.clone();
    let response: Response = upgrade
        .max_message_size(CONNECTION_BUFFER_BYTES_MAX)
        .max_frame_size(CONNECTION_BUFFER_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let _permit = permit;
            let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
            let never = std::future::pending();
            tokio::join!(
                messages(socket, theirs),
                converse(ours, never, &mut output, inward, &mut ending)
            );
        });
    Ok(response)
}

/// Carries bytes between a websocket and a stream, until either ends.
async fn messages(mut socket: WebSocket, stream: DuplexStream) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut pending = Bytes::new();
    let mut buffer = vec![0; STREAM_BYTES];
    loop {
        tokio::select! {
            message = socket.recv(), if pending.is_empty() => match message {
                Some(Ok(Message::Binary(bytes))) => pending = bytes,
                Some(Ok(Message::Text(text))) => pending = text.into(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            written = writer.write(&pending), if !pending.is_empty() => match written {
                Ok(count) => pending.advance(count),
                Err(_) => return,
            },
            read = reader.read(&mut buffer) => {
                let bytes = match read {
                    Ok(count) if count > 0 => buffer.get(..count).unwrap_or_default(),
                    _ => {
                        let _ = socket.send(Message::Close(None)).await;
                        return;
                    }
                };
                if socket.send(Message::Binary(Bytes::copy_from_slice(bytes))).await.is_err() {
                    return;
                }
            }
        }
    }
}
