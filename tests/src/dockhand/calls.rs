//! What the server asks of an agent, and how it waits for the answers.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Bytes;

use super::hub::{Hub, State};
use super::shell::Shell;

/// Whoever waits for an answer.
#[derive(Debug)]
pub(super) enum Pending {
    Plain {
        link: u64,
        sender: Sender<Result<Reply, String>>,
        /// What came before the answer, as compose sends its output.
        pieces: Vec<Vec<u8>>,
    },
    Stream {
        link: u64,
        sender: Sender<Piece>,
    },
    Exec {
        link: u64,
        sender: Sender<Said>,
    },
}

impl Pending {
    pub(super) fn link(&self) -> u64 {
        match self {
            Self::Plain { link, .. } | Self::Stream { link, .. } | Self::Exec { link, .. } => *link,
        }
    }

    /// The agent is gone. Whoever waits may have gone, too.
    pub(super) fn lose(self, why: &str) {
        let why = why.to_owned();
        match self {
            Self::Plain { sender, .. } => drop(sender.send(Err(why))),
            Self::Stream { sender, .. } => drop(sender.send(Piece::Lost(why))),
            Self::Exec { sender, .. } => drop(sender.send(Said::Lost(why))),
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers, as the agent wrote them.
    pub headers: Value,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// Whether it came as base64.
    pub is_binary: bool,
    /// Streamed before it.
    pub pieces: Vec<Vec<u8>>,
}

impl Reply {
    /// The same, if it has this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The sentence of an error.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn message(&self) -> String {
        let message = self.json()["message"].as_str().map(str::to_owned);
        message.unwrap_or_else(|| panic!("no message: {self}"))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// Something of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes.
    Data(Bytes),
    /// Its end, with the reason.
    End(String),
    /// The agent went, with the reason.
    Lost(String),
}

/// Something that a terminal said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It is there.
    Ready,
    /// Text of one message, decoded by itself.
    Output(String),
    /// Its end, with the reason.
    End(String),
    /// There is none, and why.
    Error(String),
    /// The agent went, with the reason.
    Lost(String),
}

/// What a request carries.
#[derive(Debug, Clone)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON, as it is.
    Json(Value),
    /// Text that is no JSON: it comes as a JSON string.
    Text(String),
    /// Bytes, in base64.
    Binary(Vec<u8>),
}

/// A request that is under way.
#[derive(Debug)]
pub struct Call {
    hub: Arc<Hub>,
    /// Its id.
    pub id: String,
    what: String,
    limit: Duration,
    receiver: Receiver<Result<Reply, String>>,
}

impl Call {
    /// The answer.
    ///
    /// # Errors
    /// What the server says where there is none.
    pub fn reply(self) -> Result<Reply, String> {
        match self.receiver.recv_timeout(self.limit) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                // The agent is not told.
                self.hub.with(|state| state.pending.remove(&self.id));
                Err(format!("{}: timed out after {:?}", self.what, self.limit))
            }
        }
    }
}

/// One environment, as its pages use it.
#[derive(Debug, Clone)]
pub struct Environment {
    pub(super) hub: Arc<Hub>,
    pub(super) id: u64,
}

impl Environment {
    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Begins a request.
    ///
    /// # Errors
    /// When no agent is connected.
    pub fn begin(&self, method: &str, path: &str, body: Body) -> Result<Call, String> {
        let (sender, receiver) = channel();
        let message = request(method, path, body, false);
        let id = self.hub.with(|state| {
            let pending = |link| Pending::Plain {
                link,
                sender,
                pieces: Vec::new(),
            };
            self.send(state, message, "requestId", pending)
        })?;
        let options = &self.hub.options;
        let limit = if path == "/_ping" {
            options.ping_limit
        } else if path == "/_hawser/compose" || path.ends_with("/prune") {
            options.long_limit
        } else {
            options.request_limit
        };
        Ok(Call {
            hub: Arc::clone(&self.hub),
            id,
            what: format!("{method} {path}"),
            limit,
            receiver,
        })
    }

    /// Asks and waits.
    ///
    /// # Errors
    /// What the server says where no answer comes.
    pub fn try_ask(&self, method: &str, path: &str, body: Body) -> Result<Reply, String> {
        self.begin(method, path, body)?.reply()
    }

    /// Asks, and panics where no answer comes.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: Body) -> Reply {
        self.try_ask(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// `GET`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, Body::None)
    }

    /// `POST` without a body.
    #[track_caller]
    pub fn post(&self, path: &str) -> Reply {
        self.ask("POST", path, Body::None)
    }

    /// `POST` with JSON.
    #[track_caller]
    pub fn post_json(&self, path: &str, body: Value) -> Reply {
        self.ask("POST", path, Body::Json(body))
    }

    /// Begins a request whose answer streams.
    ///
    /// # Panics
    /// When no agent is connected.
    #[track_caller]
    pub fn stream(&self, method: &str, path: &str, body: Body) -> Stream {
        self.try_stream(method, path, body).unwrap()
    }

    /// The same.
    ///
    /// # Errors
    /// When no agent is connected.
    pub fn try_stream(&self, method: &str, path: &str, body: Body) -> Result<Stream, String> {
        let (sender, receiver) = channel();
        let message = request(method, path, body, true);
        let id = self.hub.with(|state| {
            let pending = |link| Pending::Stream { link, sender };
            self.send(state, message, "requestId", pending)
        })?;
        Ok(Stream {
            environment: self.clone(),
            id,
            limit: self.hub.options.long_limit,
            receiver,
        })
    }

    /// Opens a terminal in a container, with the size that the server always asks for.
    ///
    /// # Panics
    /// When no agent is connected.
    #[track_caller]
    pub fn exec(&self, container: &str, command: &str, user: &str) -> Shell {
        self.try_exec(container, command, user).unwrap()
    }

    /// The same.
    ///
    /// # Errors
    /// When no agent is connected.
    pub fn try_exec(&self, container: &str, command: &str, user: &str) -> Result<Shell, String> {
        let (sender, receiver) = channel();
        let message = json!({
            "type": "exec_start", "containerId": container, "cmd": command, "user": user,
            "cols": 120, "rows": 30
        });
        let id = self.hub.with(|state| {
            let pending = |link| Pending::Exec { link, sender };
            self.send(state, message, "execId", pending)
        })?;
        Ok(Shell::new(self.clone(), id, receiver))
    }

    /// Says anything to the agent.
    pub fn tell(&self, message: &Value) {
        self.hub.with(|state| {
            if let Some(link) = state.link_of(self.id) {
                state.say(link, message);
            }
        });
    }

    fn send(
        &self,
        state: &mut State,
        mut message: Value,
        name: &str,
        pending: impl FnOnce(u64) -> Pending,
    ) -> Result<String, String> {
        let link = state.link_of(self.id).ok_or("no agent is connected")?;
        let id = format!("00000000-0000-4000-8000-{:012x}", state.number());
        message[name] = id.clone().into();
        state.pending.insert(id.clone(), pending(link));
        state.say(link, &message);
        Ok(id)
    }
}

/// As the server writes it: `isBinary` only where it does not stream.
fn request(method: &str, path: &str, body: Body, is_stream: bool) -> Value {
    let is_binary = matches!(body, Body::Binary(_));
    let kind = if is_binary {
        json!({ "Content-Type": "application/x-tar" })
    } else {
        json!({ "Content-Type": "application/json" })
    };
    let mut message = json!({
        "type": "request", "method": method, "path": path, "headers": kind, "streaming": is_stream
    });
    if !is_stream || is_binary {
        message["isBinary"] = is_binary.into();
    }
    match body {
        Body::None => {}
        Body::Json(value) => message["body"] = value,
        Body::Text(text) => message["body"] = text.into(),
        Body::Binary(bytes) => message["body"] = BASE64_STANDARD.encode(bytes).into(),
    }
    message
}

/// A streaming answer.
#[derive(Debug)]
pub struct Stream {
    environment: Environment,
    /// Its id.
    pub id: String,
    limit: Duration,
    receiver: Receiver<Piece>,
}

impl Stream {
    /// What comes next.
    ///
    /// # Panics
    /// When nothing comes in time.
    #[track_caller]
    pub fn hear(&self) -> Piece {
        let next = self.receiver.recv_timeout(self.limit);
        next.unwrap_or_else(|error| panic!("stream {}: {error}", self.id))
    }

    /// Reads until what came holds this.
    ///
    /// # Panics
    /// When the stream ends before.
    #[track_caller]
    pub fn until(&self, text: &str) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            match self.hear() {
                Piece::Data(data) => all.extend(data),
                other => panic!("{other:?} before {text:?}: {}", String::from_utf8_lossy(&all)),
            }
            if all.windows(text.len()).any(|part| part == text.as_bytes()) {
                return all;
            }
        }
    }

    /// Everything to the end, and its reason, as a page that does not show it live gets it.
    ///
    /// # Panics
    /// When the agent goes.
    #[track_caller]
    pub fn collect(&self) -> (Vec<u8>, String) {
        let (pieces, reason) = self.pieces();
        (pieces.concat(), reason)
    }

    /// The same, message by message.
    ///
    /// # Panics
    /// When the agent goes.
    #[track_caller]
    pub fn pieces(&self) -> (Vec<Bytes>, String) {
        let mut all = Vec::new();
        loop {
            match self.hear() {
                Piece::Data(data) => all.push(data),
                Piece::End(reason) => return (all, reason),
                Piece::Lost(why) => panic!("lost: {why}"),
            }
        }
    }

    /// Progress as pages read it: each message is split into lines, and each line is parsed alone. Lines that were
    /// cut in two are lost; how many were is given, too.
    ///
    /// # Panics
    /// When the agent goes.
    #[track_caller]
    pub fn progress(&self) -> (Vec<Value>, usize) {
        let (pieces, _) = self.pieces();
        let (mut told, mut lost) = (Vec::new(), 0);
        for piece in pieces {
            for line in String::from_utf8_lossy(&piece).split('\n') {
                match serde_json::from_str(line.trim()) {
                    Ok(value) => told.push(value),
                    Err(_) if line.trim().is_empty() => {}
                    Err(_) => lost += 1,
                }
            }
        }
        (told, lost)
    }

    /// The page was left.
    pub fn cancel(&self) {
        let message = json!({ "type": "stream_end", "requestId": self.id, "reason": "cancelled" });
        self.environment.tell(&message);
    }
}
