//! A terminal in a container, on a WebSocket: binary messages are bytes, `{"resize":{"cols","rows"}}` is its size.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{Method, Uri};
use axum::response::Response;
use bollard_stubs::models::{ExecConfig, ExecInspectResponse};
use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, interval_at, timeout};

use super::answer::ApiError;
use super::leave::{Leave, WITHDRAWN};
use super::observe::socket;
use super::output::Pieces;
use super::place::Segment;
use super::principal::Principal;
use super::query::{Query, is_container};
use super::reach::{self, plain, with_json};
use super::{Desk, describe, exec};
use crate::access::{Role, audit};
use crate::docker::Upgraded;
use crate::limits::{API_EXEC_WORDS_MAX, SOCKET_PING, SOCKET_WRITE, TERMINAL_DATA};

/// What runs there.
#[derive(Debug)]
struct Session {
    desk: Arc<Desk>,
    node_id: String,
    exec_id: String,
    is_terminal: bool,
    leave: Leave,
}

/// A terminal in a container, or with `tty=false` its streams. Binary messages are bytes, both ways; a text message
/// `{"resize":{"cols":80,"rows":24}}` tells its size. At its end the close reason is `{"exit_code":N}`.
#[utoipa::path(
    get, path = "/api/nodes/{node_id}/exec", tag = "containers",
    params(describe::NodePath, describe::TerminalWindow),
    responses(
        (status = 101, description = "A WebSocket."),
        (status = 409, body = super::answer::ErrorBody, description = "The container does not run."),
        (status = 426, body = super::answer::ErrorBody, description = "It was not asked for as a WebSocket."),
        describe::OfPath, describe::Beyond,
    ),
)]
pub(super) async fn terminal(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    leave: Leave,
    Segment(node_id): Segment,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    desk.seen(&principal, &node_id)?;
    principal.need(Role::Full)?;
    let wanted = Wanted::of(&uri)?;
    let upgrade = socket(upgrade)?;
    desk.connected(&node_id)?;
    let place = desk.socket_place()?;
    let far = desk.far(&node_id);
    // What Docker has against it is told by a status: after it there is a WebSocket, or none.
    let begun = async {
        let exec_id = exec::create(&far, &wanted.container, &wanted.config()).await?;
        let start = json!({ "Detach": false, "Tty": wanted.is_terminal, "ConsoleSize": wanted.size() });
        let start = with_json(Method::POST, &format!("/exec/{exec_id}/start"), &start);
        let stream = far.upgrade(start, reach::USUAL).await?;
        Ok::<_, ApiError>((exec_id, stream))
    };
    let begun = begun.await;
    let status = begun
        .as_ref()
        .map_or_else(|error| error.status().as_u16(), |_| 101);
    let target = format!("/containers/{}/exec", wanted.container);
    audit::by(&principal.name(), &node_id, (&Method::POST, &target), status);
    let (exec_id, stream) = begun?;
    let session = Session {
        desk,
        node_id,
        exec_id,
        is_terminal: wanted.is_terminal,
        leave,
    };
    Ok(upgrade.on_upgrade(async move |socket| {
        let _place = place;
        session.run(socket, stream).await;
    }))
}

/// What is asked for.
#[derive(Debug)]
struct Wanted {
    container: String,
    command: Vec<String>,
    is_terminal: bool,
    cols: u64,
    rows: u64,
}

impl Wanted {
    fn of(uri: &Uri) -> Result<Self, ApiError> {
        let mut query = Query::of(uri)?;
        let container = query
            .text("container")?
            .ok_or_else(|| ApiError::bad("name a container by `container`"))?;
        let mut command = query.all("cmd");
        let is_terminal = match query.all("tty").as_slice() {
            [] => true,
            [one] if one == "true" || one == "1" => true,
            [one] if one == "false" || one == "0" => false,
            _ => return Err(ApiError::bad("`tty` is `true` or `false`")),
        };
        let cols = query.number("cols", 1, 1000)?.unwrap_or(80);
        let rows = query.number("rows", 1, 1000)?.unwrap_or(24);
        query.finish()?;
        if !is_container(&container) {
            return Err(ApiError::no_container());
        }
        if command.is_empty() {
            command.push("/bin/sh".to_owned());
        }
        if command.len() > API_EXEC_WORDS_MAX {
            return Err(ApiError::bad(format!(
                "a command has from 1 to {API_EXEC_WORDS_MAX} words"
            )));
        }
        Ok(Self {
            container,
            command,
            is_terminal,
            cols,
            rows,
        })
    }

    fn size(&self) -> [u64; 2] {
        [self.rows, self.cols]
    }

    fn config(&self) -> ExecConfig {
        ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(self.is_terminal),
            cmd: Some(self.command.clone()),
            console_size: self.is_terminal.then(|| {
                let size = self
                    .size()
                    .map(|cells| usize::try_from(cells).unwrap_or(usize::MAX));
                size.to_vec()
            }),
            ..ExecConfig::default()
        }
    }
}

/// What a text message says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    resize: Size,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    cols: u16,
    rows: u16,
}

/// Why it ends.
enum End {
    /// The command did, or its stream broke off.
    Command,
    /// They left, or do not read.
    Gone,
    /// They said what makes no sense.
    Malformed,
    /// They may no longer.
    Withdrawn,
}

impl Session {
    async fn run(self, socket: WebSocket, stream: Upgraded) {
        let (mut to, mut from) = socket.split();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let end = {
            let typed = async {
                while let Some(Ok(message)) = from.next().await {
                    let end = match message {
                        Message::Binary(bytes) if bytes.is_empty() => {
                            writer.shutdown().await.err().map(|_| End::Command)
                        }
                        Message::Binary(bytes) => writer.write_all(&bytes).await.err().map(|_| End::Command),
                        Message::Text(text) => self.resize(&text).await.err(),
                        Message::Close(_) => Some(End::Gone),
                        Message::Ping(_) | Message::Pong(_) => None,
                    };
                    if let Some(end) = end {
                        return end;
                    }
                }
                End::Gone
            };
            let shown = self.show(&mut reader, &mut to);
            tokio::pin!(typed, shown);
            tokio::select! {
                () = self.leave.clone().withdrawn() => End::Withdrawn,
                end = &mut shown => end,
                // What a command still writes when its input is refused is shown.
                end = &mut typed => match end {
                    End::Command => shown.await,
                    end => end,
                },
            }
        };
        let close = match end {
            End::Gone => return,
            End::Malformed => CloseFrame {
                code: close_code::INVALID,
                reason: "a text message is {\"resize\":{\"cols\":N,\"rows\":N}}".into(),
            },
            End::Withdrawn => CloseFrame {
                code: close_code::POLICY,
                reason: WITHDRAWN.into(),
            },
            End::Command => CloseFrame {
                code: close_code::NORMAL,
                reason: self.outcome().await.into(),
            },
        };
        let _ = timeout(SOCKET_WRITE, to.send(Message::Close(Some(close)))).await;
    }

    /// Shows what is written, until that ends. Pings in between tell whether anybody is there.
    async fn show(
        &self,
        reader: &mut (impl tokio::io::AsyncRead + Unpin),
        to: &mut SplitSink<WebSocket, Message>,
    ) -> End {
        let mut pieces = if self.is_terminal {
            Pieces::raw()
        } else {
            Pieces::shared()
        };
        let mut ping = interval_at(Instant::now() + SOCKET_PING, SOCKET_PING);
        let mut buffer = vec![0; TERMINAL_DATA];
        loop {
            let message = tokio::select! {
                read = reader.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return End::Command,
                    Ok(length) => {
                        let mut bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                        let mut shown = Vec::with_capacity(length);
                        while let Some((_, piece)) = pieces.next(&mut bytes) {
                            shown.extend_from_slice(&piece);
                        }
                        Message::Binary(shown.into())
                    }
                },
                _ = ping.tick() => Message::Ping(Bytes::new()),
            };
            if !matches!(timeout(SOCKET_WRITE, to.send(message)).await, Ok(Ok(()))) {
                return End::Gone;
            }
        }
    }

    async fn resize(&self, text: &str) -> Result<(), End> {
        let said: Said = serde_json::from_str(text).map_err(|_| End::Malformed)?;
        let Size { cols, rows } = said.resize;
        let target = format!("/exec/{}/resize?h={rows}&w={cols}", self.exec_id);
        let far = self.desk.far(&self.node_id);
        // A terminal that has just ended has no size, and its end is told anyway.
        let _ = far.order(plain(Method::POST, &target), Some(reach::USUAL)).await;
        Ok(())
    }

    /// How the command ended, for the reason of the close.
    async fn outcome(&self) -> String {
        let asked = plain(Method::GET, &format!("/exec/{}/json", self.exec_id));
        let far = self.desk.far(&self.node_id);
        let ended: Result<ExecInspectResponse, _> = far.ask(asked, reach::USUAL).await;
        let exit_code = ended.ok().and_then(|ended| ended.exit_code);
        json!({ "exit_code": exit_code }).to_string()
    }
}
