//! `/containers/{id}/exec` and `/exec/...`: further processes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use wire::exec::{Exec, StartExec};
use wire::log::Stream;

use super::Desk;
use super::answer::{Answer, failed, json};
use super::body;
use super::hijack::{self, Client};
use crate::docker::attach::{content_type, detach_keys, frame_header, parse_size};
use crate::docker::error::{Act, ApiError};
use crate::docker::exec::{Created, Inspect, parse_create, parse_start, start_failure, started_before};
use crate::docker::query::Query;
use crate::link::LinkError;
use crate::streams::{DetachKeys, ExecOutput, Inward, Output, Way};

pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/containers/{id}/exec", post(create))
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/resize", post(resize))
        .route("/exec/{id}/json", get(show))
}

async fn create(State(desk): State<Arc<Desk>>, Path(reference): Path<String>, body: Body) -> Answer {
    let spec = parse_create(&body::read(body).await?)?;
    let id = desk.link.create_exec(&reference, spec).await;
    let act = Act::Exec {
        reference: &reference,
    };
    let id = id.map_err(|error| failed(&error, act))?;
    json(StatusCode::CREATED, &Created { id })
}

async fn find(desk: &Desk, id: &str) -> Result<Box<Exec>, ApiError> {
    let exec = desk.link.inspect_exec(id).await;
    exec.map_err(|error| failed(&error, Act::Other))
}

async fn show(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    json(StatusCode::OK, &Inspect::new(&*find(&desk, &id).await?))
}

/// Whether it ran, or runs.
fn was_started(exec: &Exec) -> bool {
    exec.running || exec.exit_code.is_some() || !exec.started_at.is_never()
}

async fn resize(State(desk): State<Arc<Desk>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let (rows, columns) = parse_size(&Query::parse(query.as_deref()))?;
    match desk.execs.resize(&id, rows, columns) {
        Some(Ok(())) => return Ok(StatusCode::OK.into_response()),
        Some(Err(error)) => return Err(ApiError::internal(format!("cannot resize exec {id}: {error}"))),
        None => {}
    }
    let exec = find(&desk, &id).await?;
    if was_started(&exec) && !exec.running {
        return Err(ApiError::conflict(format!("Exec command {id} is not running")));
    }
    // Clients say how large their window is as soon as they have an id.
    if !was_started(&exec) {
        desk.execs.keep_size(&id, rows, columns);
    }
    Ok(StatusCode::OK.into_response())
}

async fn start(State(desk): State<Arc<Desk>>, Path(id): Path<String>, request: Request) -> Answer {
    let (mut parts, body) = request.into_parts();
    let asked = parse_start(&body::read(body).await?)?;
    let exec = find(&desk, &id).await?;
    if was_started(&exec) {
        return Err(started_before(&exec));
    }
    let kept = desk.execs.take_size(&id);
    let (rows, columns) = asked.console_size.or(kept).unwrap_or_default();
    let order = StartExec {
        id: id.clone(),
        detach: asked.detach,
        rows,
        columns,
    };
    let container = exec.container.to_string();
    let act = Act::Exec {
        reference: &container,
    };
    if asked.detach {
        let started = desk.link.start_exec(order).await;
        started.map_err(|error| failed(&error, act))?;
        return Ok(StatusCode::OK.into_response());
    }
    // Admitted before anything runs.
    let client = Client::of(&mut parts, &desk)?;
    let (output, inward) = match desk.link.start_exec(order).await {
        Ok(streams) => {
            let execs = Arc::clone(&desk.execs);
            let opened = ExecOutput::new(streams, Arc::clone(&desk.link), id, execs);
            let (output, input) = opened.map_err(|error| {
                tracing::warn!(%error, "streams of a process cannot be used");
                ApiError::internal("the streams cannot be used")
            })?;
            // A terminal can always be written; whether a client may is what it asked for.
            let way = input
                .filter(|_| exec.spec.attach_stdin)
                .map_or(Way::Nowhere, Way::Open);
            (Output::Exec(Box::new(output)), inward(&exec, way)?)
        }
        Err(error) => (
            refusal(&error, &exec).ok_or_else(|| failed(&error, act))?,
            inward(&exec, Way::Nowhere)?,
        ),
    };
    let content_type = content_type(exec.spec.tty, hijack::version(&parts));
    Ok(client.serve(content_type, output, inward))
}

fn inward(exec: &Exec, way: Way) -> Result<Inward, ApiError> {
    let keys = detach_keys(&exec.spec.detach_keys)?;
    Ok(Inward {
        way,
        keys: exec.spec.tty.then(|| DetachKeys::new(keys)),
    })
}

/// What a client reads of a command that cannot be started; none where a status tells it.
fn refusal(error: &LinkError, exec: &Exec) -> Option<Output> {
    let LinkError::Refused(refusal) = error else {
        return None;
    };
    let text = start_failure(refusal)?;
    let mut bytes = Vec::new();
    if !exec.spec.tty {
        bytes.extend_from_slice(&frame_header(Stream::Output, text.len()));
    }
    bytes.extend_from_slice(text.as_bytes());
    Some(Output::Text(Some(Bytes::from(bytes))))
}
