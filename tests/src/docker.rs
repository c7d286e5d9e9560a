//! The acts that most tests need, in Docker's words.

use std::io;

use serde_json::{Value, json};

use crate::http::{Address, Answer, Connection};
use crate::pair::IMAGE;

/// A client; each request has a connection of its own.
#[derive(Debug, Clone)]
pub struct Docker {
    address: Address,
}

impl Docker {
    /// A client of this address.
    pub fn new(address: Address) -> Self {
        Self { address }
    }

    /// Where it asks.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// A connection.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.address).unwrap_or_else(|error| panic!("{}: {error}", self.address))
    }

    /// Asks, and panics where no whole answer comes.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> Answer {
        let answer = self.connect().ask(method, path, body);
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// `GET`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None)
    }

    /// `POST` without a body.
    #[track_caller]
    pub fn post(&self, path: &str) -> Answer {
        self.ask("POST", path, None)
    }

    /// `POST` with JSON.
    #[track_caller]
    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.ask(
            "POST",
            path,
            Some(("application/json", body.to_string().as_bytes())),
        )
    }

    /// `DELETE`.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None)
    }

    /// Imports a tar as an image; gives its id.
    #[track_caller]
    pub fn import(&self, reference: &str, tar: &[u8]) -> String {
        let (repo, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let path = format!("/images/create?fromSrc=-&repo={repo}&tag={tag}");
        let answer = self
            .ask("POST", &path, Some(("application/x-tar", tar)))
            .expect(200);
        let text = String::from_utf8(answer.body).unwrap();
        let last: Value = serde_json::from_str(text.trim_end().lines().last().unwrap()).unwrap();
        let id = last["status"].as_str().unwrap_or_else(|| panic!("no id: {text}"));
        assert!(id.starts_with("sha256:"), "{text}");
        id.to_owned()
    }

    /// Makes a container that runs a shell script; gives its id.
    #[track_caller]
    pub fn create(&self, name: &str, script: &str) -> String {
        // Most scripts do not hear SIGTERM; nobody waits ten seconds for them at the end of a test.
        self.create_from(
            name,
            &json!({ "Image": IMAGE, "Cmd": ["/bin/sh", "-c", script], "StopTimeout": 1 }),
        )
    }

    /// Makes a container; gives its id.
    #[track_caller]
    pub fn create_from(&self, name: &str, body: &Value) -> String {
        let answer = self
            .post_json(&format!("/containers/create?name={name}"), body)
            .expect(201);
        answer.json()["Id"].as_str().unwrap().to_owned()
    }

    /// Starts it.
    #[track_caller]
    pub fn start(&self, name: &str) {
        self.post(&format!("/containers/{name}/start")).expect(204);
    }

    /// Makes and starts a container that runs a shell script; gives its id.
    #[track_caller]
    pub fn run(&self, name: &str, script: &str) -> String {
        let id = self.create(name, script);
        self.start(name);
        id
    }

    /// Waits until it does not run; gives its exit code.
    #[track_caller]
    pub fn wait(&self, name: &str) -> i64 {
        let answer = self.post(&format!("/containers/{name}/wait")).expect(200);
        answer.json()["StatusCode"].as_i64().unwrap()
    }

    /// Everything about it.
    #[track_caller]
    pub fn inspect(&self, name: &str) -> Value {
        self.get(&format!("/containers/{name}/json")).expect(200).json()
    }

    /// What a list shows of it; none where it is not in the list of all.
    #[track_caller]
    pub fn listed(&self, name: &str) -> Option<Value> {
        let list = self.get("/containers/json?all=1").expect(200).json();
        let slashed = format!("/{name}");
        list.as_array()
            .unwrap()
            .iter()
            .find(|item| item["Names"][0] == slashed.as_str())
            .cloned()
    }

    /// Past events of a span of time (`since=..&until=..`), and filters.
    #[track_caller]
    pub fn events(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/events?{query}")).expect(200);
        let text = String::from_utf8(answer.body).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Events as they come.
    #[track_caller]
    pub fn follow(&self, query: &str) -> Follow {
        let mut connection = self.connect();
        connection.send("GET", &format!("/events?{query}"), None).unwrap();
        let head = connection.head(false).unwrap();
        assert_eq!(head.status, 200);
        Follow { connection }
    }
}

/// A stream of events.
#[derive(Debug)]
pub struct Follow {
    connection: Connection,
}

impl Follow {
    /// The next event.
    ///
    /// # Errors
    /// The connection broke; the end of the stream is [`io::ErrorKind::UnexpectedEof`].
    pub fn event(&mut self) -> io::Result<Value> {
        let line = self.connection.body_line()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        serde_json::from_str(&line).map_err(io::Error::from)
    }

    /// Events up to and with the first one that passes.
    ///
    /// # Panics
    /// When the stream ends before.
    #[track_caller]
    pub fn up_to(&mut self, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self
                .event()
                .unwrap_or_else(|error| panic!("{error}, after {events:?}"));
            events.push(event);
            if events.last().is_some_and(&is_last) {
                return events;
            }
        }
    }
}

/// What happened to containers: `create web`.
pub fn acts(events: &[Value]) -> Vec<String> {
    let containers = events.iter().filter(|event| event["Type"] == "container");
    let told = containers.map(|event| {
        (
            event["Action"].as_str(),
            event["Actor"]["Attributes"]["name"].as_str(),
        )
    });
    told.map(|(action, name)| format!("{} {}", action.unwrap(), name.unwrap()))
        .collect()
}
