//! A terminal, as the browser's side of it sees it.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::calls::{Environment, Said};

/// How long it may be silent.
const LIMIT: Duration = Duration::from_secs(30);

/// A terminal.
#[derive(Debug)]
pub struct Shell {
    environment: Environment,
    /// Its id.
    pub id: String,
    receiver: Receiver<Said>,
    shown: String,
}

impl Shell {
    pub(super) fn new(environment: Environment, id: String, receiver: Receiver<Said>) -> Self {
        Self {
            environment,
            id,
            receiver,
            shown: String::new(),
        }
    }

    /// What it says next.
    ///
    /// # Panics
    /// When it says nothing in time.
    #[track_caller]
    pub fn hear(&mut self) -> Said {
        let next = self.receiver.recv_timeout(LIMIT);
        let said = next.unwrap_or_else(|error| panic!("terminal {}: {error}; {:?}", self.id, self.shown));
        if let Said::Output(text) = &said {
            self.shown.push_str(text);
        }
        said
    }

    /// Types.
    pub fn type_in(&self, text: &str) {
        let data = BASE64_STANDARD.encode(text);
        let message = json!({ "type": "exec_input", "execId": self.id, "data": data });
        self.environment.tell(&message);
    }

    /// The window has another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let message = json!({ "type": "exec_resize", "execId": self.id, "cols": columns, "rows": rows });
        self.environment.tell(&message);
    }

    /// The window was closed.
    pub fn close(&self) {
        let message = json!({ "type": "exec_end", "execId": self.id, "reason": "user_closed" });
        self.environment.tell(&message);
    }

    /// Waits until everything shown so far holds this, and gives it.
    ///
    /// # Panics
    /// When the terminal ends before.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> &str {
        while !self.shown.contains(text) {
            match self.hear() {
                Said::Ready | Said::Output(_) => {}
                other => panic!("{other:?} before {text:?}: {:?}", self.shown),
            }
        }
        &self.shown
    }

    /// Waits for its end, and gives what was shown and how it ended.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn end(mut self) -> (String, Said) {
        loop {
            match self.hear() {
                Said::Ready | Said::Output(_) => {}
                end => return (self.shown, end),
            }
        }
    }
}
