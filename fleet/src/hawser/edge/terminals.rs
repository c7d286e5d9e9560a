//! A terminal: a program in a container, what is typed into it in order, and what it shows.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard_stubs::models::ExecConfig;
use hyper::Method;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::agent::{Agent, Failure};
use super::cut;
use super::socket::{Gone, Outbox};
use super::streams::Pieces;
use crate::access::{self, audit};
use crate::docker::{DockerError, Upgraded, full};
use crate::hawser::message::{ExecEnd, ExecStart, Outgoing, Size};
use crate::limits;

/// What is done to a terminal, in order.
#[derive(Debug)]
enum Act {
    /// These bytes are typed; the room they take until they are.
    Type(Vec<u8>, OwnedSemaphorePermit),
    /// It has another size.
    Resize(Size),
}

/// A terminal, as the session has it.
#[derive(Debug)]
pub(super) struct Terminal {
    acts: mpsc::Sender<Act>,
    room: Arc<Semaphore>,
    end: Option<oneshot::Sender<Reason>>,
}

/// What a terminal runs on.
#[derive(Debug)]
pub(super) struct Keyboard {
    acts: mpsc::Receiver<Act>,
    end: oneshot::Receiver<Reason>,
}

/// Why a terminal is told to end.
#[derive(Debug, Clone, Copy)]
enum Reason {
    Closed,
    Overrun,
}

impl Terminal {
    /// Both ends of a new one.
    pub(super) fn new() -> (Self, Keyboard) {
        let (acts, acts_out) = mpsc::channel(limits::TYPED_MESSAGES);
        let (end, end_out) = oneshot::channel();
        let terminal = Self {
            acts,
            room: Arc::new(Semaphore::new(limits::TYPED_BYTES)),
            end: Some(end),
        };
        (
            terminal,
            Keyboard {
                acts: acts_out,
                end: end_out,
            },
        )
    }

    /// Types what this base64 says. A terminal that has too much to read ends.
    pub(super) fn type_in(&mut self, data: &str) {
        let Ok(bytes) = STANDARD.decode(data) else {
            tracing::warn!("what was typed is no base64");
            return;
        };
        let room = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match self.room.clone().try_acquire_many_owned(room) {
            Ok(room) => self.act(Act::Type(bytes, room)),
            Err(_) => self.finish(Reason::Overrun),
        }
    }

    /// Gives it another size.
    pub(super) fn resize(&mut self, size: Size) {
        self.act(Act::Resize(size));
    }

    /// Ends it.
    pub(super) fn close(&mut self) {
        self.finish(Reason::Closed);
    }

    fn act(&mut self, act: Act) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.acts.try_send(act) {
            self.finish(Reason::Overrun);
        }
    }

    fn finish(&mut self, reason: Reason) {
        if let Some(end) = self.end.take() {
            let _ = end.send(reason);
        }
    }
}

/// Why a terminal does not go on.
enum Broken {
    Gone,
    /// And the code of the error that says so.
    Failure(&'static str, Failure),
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Runs a terminal to its end.
///
/// # Errors
/// The connection is gone.
pub(super) async fn run(
    agent: &Agent,
    outbox: &Outbox,
    start: ExecStart,
    keyboard: Keyboard,
) -> Result<(), Gone> {
    let Keyboard { acts, end } = keyboard;
    let outcome = tokio::select! {
        outcome = live(agent, outbox, &start, acts) => outcome.map(|()| ExecEnd::ContainerExit),
        reason = end => match reason {
            Ok(Reason::Closed) | Err(_) => Ok(ExecEnd::UserClosed),
            Ok(Reason::Overrun) => {
                Err(Broken::Failure("EXEC_INPUT_ERROR", Failure::new(502, "the terminal does not read what is typed")))
            }
        },
    };
    match outcome {
        Ok(reason) => {
            outbox
                .send(&Outgoing::ExecEnd {
                    exec_id: &start.id,
                    reason,
                })
                .await
        }
        Err(Broken::Gone) => Err(Gone),
        Err(Broken::Failure(code, failure)) => refuse(outbox, &start.id, code, &failure).await,
    }
}

/// Says why there is no terminal, or none any more.
///
/// # Errors
/// The connection is gone.
pub(super) async fn refuse(outbox: &Outbox, id: &str, code: &str, failure: &Failure) -> Result<(), Gone> {
    let error = &failure.message;
    outbox
        .send(&Outgoing::Error {
            request_id: id,
            error,
            code,
        })
        .await?;
    outbox
        .send(&Outgoing::ExecEnd {
            exec_id: id,
            reason: ExecEnd::Error,
        })
        .await
}

async fn live(
    agent: &Agent,
    outbox: &Outbox,
    start: &ExecStart,
    acts: mpsc::Receiver<Act>,
) -> Result<(), Broken> {
    let failed = |code| move |error: DockerError| Broken::Failure(code, error.into());
    let begin = async {
        let exec = create(agent, start).await;
        let exec = exec.map_err(|failure| Broken::Failure("EXEC_CREATE_ERROR", failure))?;
        let stream = begin(agent, &exec).await.map_err(failed("EXEC_START_ERROR"))?;
        Ok::<_, Broken>((exec, stream))
    };
    let late = |_| failed("EXEC_START_ERROR")(DockerError::Late(agent.request_timeout));
    let (exec, stream) = timeout(agent.request_timeout, begin).await.map_err(late)??;
    outbox.send(&Outgoing::ExecReady { exec_id: &start.id }).await?;
    if let Some(size) = start.size {
        resize(agent, &exec, size).await;
    }
    let (output, input) = tokio::io::split(stream);
    tokio::select! {
        shown = show(outbox, &start.id, output) => shown,
        never = take(agent, &exec, input, acts) => match never {},
    }
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "Id")]
    id: String,
}

/// Docker's id of it.
async fn create(agent: &Agent, start: &ExecStart) -> Result<String, Failure> {
    let config = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(true),
        cmd: Some(vec![start.command.clone()]),
        user: Some(start.user.clone()).filter(|user| !user.is_empty()),
        ..ExecConfig::default()
    };
    let body = serde_json::to_value(config).unwrap_or_default();
    let path = format!("/containers/{}/exec", name(&start.container));
    let denied = access::judge(agent.role, &Method::POST, &path);
    let created: Result<Created, Failure> = match denied {
        Err(denied) => Err(Failure::new(403, denied.to_string())),
        Ok(()) => agent
            .docker
            .ask(Method::POST, &path, Some(&body))
            .await
            .map_err(Failure::from),
    };
    audit::request(
        &Method::POST,
        &path,
        created.as_ref().map_or_else(|failure| failure.status, |_| 201),
    );
    created.map(|created| created.id)
}

async fn begin(agent: &Agent, exec: &str) -> Result<Upgraded, DockerError> {
    let mut request = hyper::Request::new(full(r#"{"Detach":false,"Tty":true}"#));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("/exec/{}/start", name(exec)).parse().unwrap_or_default();
    let json = hyper::header::HeaderValue::from_static("application/json");
    request.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    agent.docker.upgrade(request).await
}

/// A terminal of the wrong size is still a terminal.
async fn resize(agent: &Agent, exec: &str, size: Size) {
    let path = format!("/exec/{}/resize?h={}&w={}", name(exec), size.rows, size.columns);
    match timeout(agent.request_timeout, agent.docker.order(Method::POST, &path)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a terminal keeps its size"),
        Err(_late) => tracing::debug!("a terminal keeps its size: Docker does not answer"),
    }
}

/// Sends what the program shows, until it shows no more.
async fn show(
    outbox: &Outbox,
    id: &str,
    mut output: impl tokio::io::AsyncRead + Unpin,
) -> Result<(), Broken> {
    let pieces = Pieces::like(&Outgoing::ExecOutput {
        exec_id: id,
        data: "",
    });
    let (mut bytes, mut len) = (vec![0; limits::TERMINAL_DATA], 0);
    loop {
        let room = bytes.get_mut(len..).unwrap_or_default();
        let count = output.read(room).await;
        let is_end = matches!(count, Ok(0) | Err(_));
        len += count.as_ref().copied().unwrap_or(0);
        let shown = bytes.get(..len).unwrap_or_default();
        // A server reads each message as a text of its own.
        let ready = if is_end { len } else { cut::letters(shown) };
        if ready > 0 {
            outbox
                .send_encoded(pieces.with(shown.get(..ready).unwrap_or_default()))
                .await?;
            bytes.copy_within(ready..len, 0);
            len -= ready;
        }
        match count {
            Ok(0) => return Ok(()),
            // A program that ends may take its terminal with it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => {
                let failure = Failure::new(502, format!("Docker broke off: {error}"));
                return Err(Broken::Failure("EXEC_READ_ERROR", failure));
            }
            Ok(_) => {}
        }
    }
}

/// Does what is done to it, in order, as long as it lives.
async fn take(
    agent: &Agent,
    exec: &str,
    mut input: impl tokio::io::AsyncWrite + Unpin,
    mut acts: mpsc::Receiver<Act>,
) -> std::convert::Infallible {
    while let Some(act) = acts.recv().await {
        match act {
            Act::Type(bytes, _room) => {
                let typed = async {
                    input.write_all(&bytes).await?;
                    input.flush().await
                };
                if typed.await.is_err() {
                    // It is ending; what it shows last still comes.
                    break;
                }
            }
            Act::Resize(size) => resize(agent, exec, size).await,
        }
    }
    std::future::pending().await
}

/// A name as a part of a path, whatever it has in it.
fn name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    // Nothing that leads elsewhere.
    if name.chars().all(|letter| letter == '.') {
        name.replace('.', "%2E")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |text: &str, expected: &str| assert_eq!(name(text), expected, "{text}");
        check("web_1.x-y", "web_1.x-y");
        check("../x", "..%2Fx");
        check("..", "%2E%2E");
        check("a?b#c%", "a%3Fb%23c%25");
        check("", "");
    }
}
