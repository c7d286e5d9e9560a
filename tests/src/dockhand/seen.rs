//! What the server has seen, for tests to look at.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

/// What the server has seen so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Requests for a WebSocket.
    pub attempts: Vec<Attempt>,
    /// What came of each hello.
    pub hellos: Vec<Hello>,
    /// How many messages of each type came; `?` are those without one.
    pub kinds: BTreeMap<String, usize>,
    /// What happened to containers, with the environment whose agent told.
    pub events: Vec<(u64, Value)>,
    /// Messages with figures of hosts, with the environment whose agent told.
    pub metrics: Vec<(u64, Value)>,
    /// Messages `error`.
    pub errors: Vec<Value>,
    /// Answers that nobody waits for.
    pub strays: Vec<Value>,
    /// How many messages could not be read.
    pub unparseable: usize,
    /// Messages of a type that it does not know.
    pub unknown: Vec<Value>,
    /// What it stumbled over, as its runtime throws: a status that is none, a body where none may be.
    pub threw: Vec<String>,
    /// How connections ended.
    pub ends: Vec<End>,
    /// Pings of WebSocket itself that were answered.
    pub control_pongs: usize,
}

/// A request for a WebSocket.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When.
    pub at: Instant,
    /// For what.
    pub path: String,
    /// Headers, names in lower case, in their order.
    pub headers: Vec<(String, String)>,
}

/// A hello and what came of it.
#[derive(Debug, Clone)]
pub struct Hello {
    /// When it was answered.
    pub at: Instant,
    /// The number of the connection.
    pub link: u64,
    /// Itself.
    pub hello: Value,
    /// `welcome`, or the message of the refusal.
    pub outcome: String,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The number of the connection.
    pub link: u64,
    /// A code and a reason where the agent said them, or what broke.
    pub how: String,
}

impl Seen {
    /// How many hellos were welcome.
    pub fn welcomes(&self) -> usize {
        self.hellos
            .iter()
            .filter(|hello| hello.outcome == "welcome")
            .count()
    }

    /// How many messages of a type came.
    pub fn count(&self, kind: &str) -> usize {
        self.kinds.get(kind).copied().unwrap_or(0)
    }

    /// Events of one environment: `start web`, in the order in which they came.
    pub fn acts(&self, environment: u64) -> Vec<String> {
        let own = self.events.iter().filter(|(of, _)| *of == environment);
        own.map(|(_, event)| {
            let text = |name: &str| event[name].as_str().unwrap_or_default();
            format!("{} {}", text("action"), text("containerName"))
        })
        .collect()
    }
}
