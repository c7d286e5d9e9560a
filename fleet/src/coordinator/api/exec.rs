//! Runs a command in a container, and tells what it wrote and how it ended.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, Uri};
use bollard_stubs::models::{ExecConfig, ExecInspectResponse, IdResponse};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use utoipa::openapi::{Array, ArrayBuilder, Object, Type};

use super::answer::ApiError;
use super::body::{Asked, whole};
use super::output::{Pieces, Stream};
use super::place::{Id, Place};
use super::principal::Principal;
use super::query::is_container;
use super::reach::{self, Far, ReachError, plain, with_json};
use super::{Desk, describe};
use crate::access::{Role, audit};
use crate::docker::{Answer, DockerError};
use crate::limits::{API_EXEC_OUTPUT_MAX, API_EXEC_WORDS_MAX, API_REQUEST, SECONDS_MAX};

/// A command.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    /// The program and its arguments.
    #[schema(schema_with = words)]
    command: Vec<String>,
    /// NAME=VALUE each.
    #[serde(default)]
    #[schema(schema_with = variables)]
    env: Vec<String>,
    /// Who runs it, if not whom the container's settings name.
    #[schema(pattern = "^[^\\x00]*$")]
    user: Option<String>,
    /// Where it runs, likewise.
    #[schema(pattern = "^[^\\x00]*$")]
    working_dir: Option<String>,
    /// How long it may take in seconds, a minute if nothing is said. After that it is no longer waited for; it may go on.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 86400)]
    timeout_seconds: Option<u32>,
}

impl Command {
    fn check(&self) -> Result<Duration, ApiError> {
        if self.command.is_empty() || self.command.len() > API_EXEC_WORDS_MAX {
            return Err(ApiError::bad(format!(
                "a command has from 1 to {API_EXEC_WORDS_MAX} words"
            )));
        }
        if self.env.len() > API_EXEC_WORDS_MAX {
            return Err(ApiError::bad(format!(
                "there are at most {API_EXEC_WORDS_MAX} variables"
            )));
        }
        let alone = [&self.user, &self.working_dir];
        let mut texts = self
            .command
            .iter()
            .chain(&self.env)
            .chain(alone.into_iter().flatten());
        if texts.any(|text| text.contains('\0')) {
            return Err(ApiError::bad("no process can be told a NUL"));
        }
        match self.timeout_seconds {
            None => Ok(API_REQUEST),
            Some(seconds) if (1..=SECONDS_MAX).contains(&seconds) => Ok(Duration::from_secs(seconds.into())),
            Some(_) => Err(ApiError::bad(format!(
                "`timeout_seconds` is from 1 to {SECONDS_MAX}"
            ))),
        }
    }

    fn into_config(self) -> ExecConfig {
        ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(self.command),
            env: Some(self.env),
            user: self.user,
            working_dir: self.working_dir,
            ..ExecConfig::default()
        }
    }
}

/// What the document says of the words of a command: none of a process's has a NUL.
fn words() -> Array {
    let mut words = variables();
    words.min_items = Some(1);
    words
}

fn variables() -> Array {
    let text = Object::builder()
        .schema_type(Type::String)
        .pattern(Some("^[^\\x00]*$"));
    ArrayBuilder::new()
        .items(text)
        .max_items(Some(API_EXEC_WORDS_MAX))
        .build()
}

/// What a command did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcome {
    /// Of this request.
    id: String,
    /// As it was asked for.
    container_id: String,
    /// What it ended with; null where Docker does not say.
    exit_code: Option<i64>,
    /// What it wrote to its standard output.
    stdout: String,
    /// What it wrote to its standard error.
    stderr: String,
    /// Whether it wrote more than is told.
    is_cut: bool,
}

/// Runs a command in a container and waits for its end.
#[utoipa::path(
    post, path = "/api/containers/{id}/exec", tag = "containers",
    params(describe::ContainerId, describe::NodeId),
    request_body = Command,
    responses((status = 200, body = Outcome), describe::OfContainer, describe::OfBody),
)]
pub(super) async fn exec(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Id(id): Id,
    uri: Uri,
    Asked(command): Asked<Command>,
) -> Result<Json<Outcome>, ApiError> {
    let place = Place::of(&desk, &principal, &uri, &id)?;
    principal.need(Role::Full)?;
    place.query.finish()?;
    let bound = command.check()?;
    desk.connected(&place.node_id)?;
    let far = desk.far(&place.node_id);
    let ran = run(&far, &place.container, command.into_config(), bound).await;
    let ran = ran.map_err(ApiError::from);
    let status = ran.as_ref().map_or_else(|error| error.status().as_u16(), |_| 200);
    let target = format!("/containers/{}/exec", place.container);
    audit::by(
        &principal.name(),
        &place.node_id,
        (&Method::POST, &target),
        status,
    );
    let (written, exit_code) = ran?;
    Ok(Json(Outcome {
        id: super::request_id(),
        container_id: id,
        exit_code,
        stdout: String::from_utf8_lossy(&written.out).into_owned(),
        stderr: String::from_utf8_lossy(&written.err).into_owned(),
        is_cut: written.is_cut,
    }))
}

async fn run(
    far: &Far<'_>,
    id: &str,
    config: ExecConfig,
    bound: Duration,
) -> Result<(Written, Option<i64>), ReachError> {
    let exec_id = create(far, id, &config).await?;
    let start = json!({ "Detach": false, "Tty": false });
    let start = with_json(Method::POST, &format!("/exec/{exec_id}/start"), &start);
    let until = Instant::now() + bound;
    let late = |_| DockerError::Late(bound);
    let answer = timeout_at(until, far.order(start, None)).await.map_err(late)??;
    let written = timeout_at(until, read(answer)).await.map_err(late)??;
    let asked = plain(Method::GET, &format!("/exec/{exec_id}/json"));
    let ended: ExecInspectResponse = far.ask(asked, reach::USUAL).await?;
    Ok((written, ended.exit_code))
}

/// Has Docker note a command, and gives the id that it has for it.
///
/// # Errors
/// What Docker has against it.
pub(super) async fn create(far: &Far<'_>, id: &str, config: &ExecConfig) -> Result<String, ReachError> {
    let config = serde_json::to_value(config).map_err(DockerError::Shape)?;
    let create = with_json(Method::POST, &format!("/containers/{id}/exec"), &config);
    let created: IdResponse = far.ask(create, reach::USUAL).await?;
    if is_container(&created.id) {
        Ok(created.id)
    } else {
        Err(DockerError::Refused(502, "the id of the command is none".to_owned()).into())
    }
}

#[derive(Debug, Default)]
struct Written {
    out: Vec<u8>,
    err: Vec<u8>,
    is_cut: bool,
}

/// Everything that a command writes; what is too much is passed over, so that it ends as it would.
async fn read(answer: Answer) -> Result<Written, DockerError> {
    // Its headers call it raw, whether it is or not.
    let mut pieces = Pieces::shared();
    let (mut body, mut written) = (answer.into_body(), Written::default());
    while let Some(frame) = body.frame().await {
        let mut bytes = frame?.into_data().unwrap_or_default();
        while let Some((stream, mut piece)) = pieces.next(&mut bytes) {
            let to = match stream {
                Stream::Out => &mut written.out,
                Stream::Err => &mut written.err,
            };
            let room = API_EXEC_OUTPUT_MAX.saturating_sub(to.len());
            written.is_cut |= piece.len() > room;
            piece.truncate(room);
            to.extend_from_slice(&piece);
        }
    }
    Ok(written)
}
