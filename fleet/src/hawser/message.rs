//! Every message of Hawser's protocol 1.0, as JSON has it.
//!
//! What a server sends becomes an [`Incoming`]; fields that are not needed are not looked at, and a kind that is not
//! known is an [`Incoming::Unknown`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::host::Metrics;

/// The protocol's version, which both ends name.
pub const PROTOCOL: &str = "1.0";

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// The agent may begin.
    Welcome,
    /// Something failed; before the welcome: there will be none.
    Error(ServerError),
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
    /// Something is asked of Docker.
    Request(Request),
    /// Nobody waits for the answer to this request any more.
    Cancel(String),
    /// A terminal is asked for.
    ExecStart(ExecStart),
    /// Something was typed: bytes, in base64.
    ExecInput(String, String),
    /// A terminal has another size.
    ExecResize(String, Size),
    /// A terminal is to end.
    ExecEnd(String),
    /// Something else; the name of its type.
    Unknown(String),
}

/// What a server says has failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerError {
    /// Its own words.
    pub text: String,
    /// Seconds before it wants to be asked again.
    pub retry_after: Option<u64>,
}

/// What is asked of Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Comes back in every answer.
    pub id: String,
    /// As HTTP has it.
    pub method: String,
    /// Path and query, without a version.
    pub path: String,
    /// As HTTP has them.
    pub headers: BTreeMap<String, String>,
    /// What is sent along.
    pub body: RequestBody,
    /// Whether the answer comes in pieces.
    pub is_streaming: bool,
}

/// What a request sends along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// Nothing.
    None,
    /// JSON, letter by letter as the server wrote it.
    Json(String),
    /// A text that is no JSON.
    Text(String),
    /// Bytes, in base64.
    Base64(String),
}

/// A terminal that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecStart {
    /// The server's own id.
    pub id: String,
    /// Where to start it.
    pub container: String,
    /// One word: a program.
    pub command: String,
    /// Who it is to be; empty for the container's own.
    pub user: String,
    /// Its size, where it is known.
    pub size: Option<Size>,
}

/// Of a terminal, in letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// Why a text is no message.
#[derive(Debug)]
pub enum MessageError {
    /// It is no JSON, or a field has a type that it never has; the request that it would have been, where one can be
    /// told.
    Shape(serde_json::Error, Option<String>),
    /// A field is missing that its kind must have.
    Lacks(&'static str),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(error, _) => error.fmt(f),
            Self::Lacks(field) => write!(f, "it has no `{field}`"),
        }
    }
}

impl std::error::Error for MessageError {}

/// Every field that any kind has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(rename = "type")]
    kind: String,
    request_id: Option<String>,
    method: Option<String>,
    path: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    is_binary: Option<bool>,
    streaming: Option<bool>,
    exec_id: Option<String>,
    container_id: Option<String>,
    cmd: Option<String>,
    user: Option<String>,
    cols: Option<u32>,
    rows: Option<u32>,
    data: Option<String>,
    error: Option<String>,
    message: Option<String>,
    retry_after: Option<f64>,
}

/// The least of a request that could be answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remains {
    #[serde(rename = "type")]
    kind: String,
    request_id: String,
}

impl Incoming {
    /// Of what a server sent.
    ///
    /// # Errors
    /// It is no message.
    pub fn decode(text: &[u8]) -> Result<Self, MessageError> {
        let fields: Fields<'_> = serde_json::from_slice(text).map_err(|error| {
            let remains = serde_json::from_slice::<Remains>(text).ok();
            let request = remains.filter(|remains| remains.kind == "request");
            MessageError::Shape(error, request.map(|request| request.request_id))
        })?;
        Ok(match fields.kind.as_str() {
            "welcome" => Self::Welcome,
            "error" => Self::Error(fields.error()),
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "request" => Self::Request(fields.request()?),
            "stream_end" => Self::Cancel(needed(fields.request_id, "requestId")?),
            "exec_start" => Self::ExecStart(fields.exec_start()?),
            "exec_input" => Self::ExecInput(needed(fields.exec_id, "execId")?, needed(fields.data, "data")?),
            "exec_resize" => {
                let size = fields.size().ok_or(MessageError::Lacks("cols"))?;
                Self::ExecResize(needed(fields.exec_id, "execId")?, size)
            }
            "exec_end" => Self::ExecEnd(needed(fields.exec_id, "execId")?),
            _ => Self::Unknown(fields.kind),
        })
    }
}

fn needed(field: Option<String>, name: &'static str) -> Result<String, MessageError> {
    field.ok_or(MessageError::Lacks(name))
}

impl Fields<'_> {
    fn error(&self) -> ServerError {
        // Hawser's own servers have the text in `error`, Dockhand has it in `message`.
        let texts = [&self.message, &self.error];
        let text = texts.into_iter().flatten().find(|text| !text.is_empty());
        // Whole seconds, rounded up; what is no number of seconds asks for none.
        let seconds = self.retry_after.filter(|seconds| *seconds > 0.0);
        ServerError {
            text: text.cloned().unwrap_or_default(),
            retry_after: seconds.map(|seconds| seconds.ceil() as u64),
        }
    }

    fn request(self) -> Result<Request, MessageError> {
        let body = match self.body.map(RawValue::get) {
            None | Some("null") => RequestBody::None,
            Some(text) if text.starts_with('"') => {
                let content: String =
                    serde_json::from_str(text).map_err(|error| MessageError::Shape(error, None))?;
                if self.is_binary == Some(true) {
                    RequestBody::Base64(content)
                } else {
                    RequestBody::Text(content)
                }
            }
            Some(text) => RequestBody::Json(text.to_owned()),
        };
        Ok(Request {
            id: needed(self.request_id, "requestId")?,
            method: needed(self.method, "method")?,
            path: needed(self.path, "path")?,
            headers: self.headers.unwrap_or_default(),
            body,
            is_streaming: self.streaming == Some(true),
        })
    }

    fn exec_start(self) -> Result<ExecStart, MessageError> {
        let size = self.size();
        Ok(ExecStart {
            id: needed(self.exec_id, "execId")?,
            container: needed(self.container_id, "containerId")?,
            command: self
                .cmd
                .filter(|cmd| !cmd.is_empty())
                .unwrap_or_else(|| "/bin/sh".to_owned()),
            user: self.user.unwrap_or_default(),
            size,
        })
    }

    /// None where one of both is missing, nothing, or no size of anything.
    fn size(&self) -> Option<Size> {
        let whole = |side: Option<u32>| u16::try_from(side?).ok().filter(|side| *side > 0);
        Some(Size {
            columns: whole(self.cols)?,
            rows: whole(self.rows)?,
        })
    }
}

/// What the agent says.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Outgoing<'a> {
    /// Who it is, and what it can do. Always first.
    Hello {
        /// Of this program.
        version: &'a str,
        /// [`PROTOCOL`].
        protocol: &'a str,
        /// The same over every start.
        agent_id: &'a str,
        /// What people call it.
        agent_name: &'a str,
        /// What lets it in.
        token: &'a str,
        /// SHA-256 of that, in hexadecimal digits.
        token_hash: &'a str,
        /// Of the engine.
        docker_version: &'a str,
        /// This machine's name.
        hostname: &'a str,
        /// What it can do.
        capabilities: &'a [&'a str],
    },
    /// The answer to a request.
    Response(Response<'a>),
    /// A piece of an answer.
    Stream {
        /// The request's.
        request_id: &'a str,
        /// Bytes, in base64.
        data: &'a str,
    },
    /// There are no more pieces.
    StreamEnd {
        /// The request's.
        request_id: &'a str,
        /// Why.
        reason: StreamEnd,
    },
    /// Something failed that nothing else can tell.
    Error {
        /// The request's or the terminal's.
        request_id: &'a str,
        /// Why.
        error: &'a str,
        /// The kind of failure.
        code: &'a str,
    },
    /// Asks for a pong.
    Ping {
        /// Seconds since 1970.
        timestamp: i64,
    },
    /// Answers a ping.
    Pong {
        /// Seconds since 1970.
        timestamp: i64,
    },
    /// Something happened to a container.
    ContainerEvent {
        /// What.
        event: ContainerEvent<'a>,
    },
    /// How the machine is.
    Metrics {
        /// Seconds since 1970.
        timestamp: i64,
        /// How it is.
        metrics: &'a Metrics,
    },
    /// A terminal is there.
    ExecReady {
        /// The server's id of it.
        exec_id: &'a str,
    },
    /// What a terminal shows.
    ExecOutput {
        /// The server's id of it.
        exec_id: &'a str,
        /// Bytes, in base64.
        data: &'a str,
    },
    /// A terminal is gone.
    ExecEnd {
        /// The server's id of it.
        exec_id: &'a str,
        /// Why.
        reason: ExecEnd,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'a> {
    /// The request's.
    pub request_id: &'a str,
    /// As HTTP has it; never below 200.
    pub status_code: u16,
    /// As HTTP has them, each name once.
    pub headers: BTreeMap<String, String>,
    /// Left out where it is empty: some servers take no empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<&'a str>,
    /// Whether the body is base64.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_binary: bool,
}

/// Why a stream has no more pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEnd {
    /// It was all.
    Completed,
    /// The server wanted no more.
    Cancelled,
    /// Docker broke off, or never began.
    Error,
}

/// Why a terminal is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecEnd {
    /// The program in it has ended.
    ContainerExit,
    /// The server wanted it gone.
    UserClosed,
    /// Something failed.
    Error,
}

/// Something that happened to a container.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerEvent<'a> {
    /// The container's full id.
    pub container_id: &'a str,
    /// Its name, where Docker says it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub container_name: &'a str,
    /// Its image, where Docker says it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub image: &'a str,
    /// What happened.
    pub action: &'a str,
    /// Everything else that Docker says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub actor_attributes: BTreeMap<&'a str, &'a str>,
    /// When: RFC 3339 in UTC, with nanoseconds.
    pub timestamp: &'a str,
}

impl Outgoing<'_> {
    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        // Every map has keys that are texts, so that nothing can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
