//! A user's WebSocket.

use std::net::TcpStream;

use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use crate::scene::LIMIT;

/// One that is open.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
    /// Bytes that were shown and not yet looked for.
    shown: String,
}

impl Socket {
    /// Opens one; without a key nothing is shown.
    ///
    /// # Errors
    /// The status of who refuses.
    pub(crate) fn open(users: &str, key: Option<&str>, path: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(users).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut request = format!("ws://{users}{path}").into_client_request().unwrap();
        if let Some(key) = key {
            let shown = format!("Bearer {key}").parse().unwrap();
            request.headers_mut().insert("authorization", shown);
        }
        match client(request, stream) {
            Ok((socket, _)) => Ok(Self {
                socket,
                shown: String::new(),
            }),
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// The next message that says something.
    fn message(&mut self) -> Message {
        loop {
            match self.socket.read().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    /// The next message, which is JSON.
    #[track_caller]
    pub(crate) fn json(&mut self) -> Value {
        match self.message() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("no JSON: {other:?}"),
        }
    }

    /// Messages up to and with the first that passes.
    #[track_caller]
    pub(crate) fn up_to(&mut self, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut all = Vec::new();
        while !all.last().is_some_and(&is_last) {
            all.push(self.json());
        }
        all
    }

    /// Types into a terminal.
    pub(crate) fn type_in(&mut self, keys: &str) {
        self.socket
            .send(Message::binary(keys.as_bytes().to_vec()))
            .unwrap();
    }

    /// Tells of another size.
    pub(crate) fn say(&mut self, what: &Value) {
        self.socket.send(Message::text(what.to_string())).unwrap();
    }

    /// Waits until a text has appeared, and takes everything up to its end.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.shown.find(text) {
                return self.shown.drain(..at + text.len()).collect();
            }
            match self.message() {
                Message::Binary(bytes) => self.shown.push_str(std::str::from_utf8(&bytes).unwrap()),
                other => panic!("{text:?} does not appear in {:?}, and then {other:?}", self.shown),
            }
        }
    }

    /// What is still shown, and then the number and the reason of the close.
    #[track_caller]
    pub(crate) fn end(mut self) -> (String, u16, String) {
        loop {
            match self.message() {
                Message::Binary(bytes) => self.shown.push_str(std::str::from_utf8(&bytes).unwrap()),
                Message::Close(Some(frame)) => {
                    return (self.shown, frame.code.into(), frame.reason.as_str().to_owned());
                }
                // The number that stands for none.
                Message::Close(None) => return (self.shown, 1005, String::new()),
                other => panic!("no close: {other:?}"),
            }
        }
    }
}
