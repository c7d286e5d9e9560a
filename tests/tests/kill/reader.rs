//! Whoever reads events, and comes back however often the stream breaks.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use harness::{Address, Connection, pace};
use serde_json::Value;

/// Time for both daemons to be back.
const BACK_LIMIT: Duration = Duration::from_secs(60);

/// By what a reader finds its place again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// `since` the latest time it saw, as with Docker. What it knows comes again, and is passed over.
    Time(u64),
    /// After the event it saw last.
    Cursor(u64),
}

impl Place {
    fn query(self) -> String {
        match self {
            Self::Time(time) => format!("since={}.{:09}", time / 1_000_000_000, time % 1_000_000_000),
            Self::Cursor(last) => format!("cursor={last}"),
        }
    }

    /// Goes on to an event, and takes from it what it was found by.
    fn step(&mut self, event: &mut Value) {
        match self {
            // An end that was found late has an earlier time than what was told before it.
            Self::Time(latest) => *latest = (*latest).max(event["timeNano"].as_u64().unwrap()),
            Self::Cursor(last) => {
                let attributes = event["Actor"]["Attributes"].as_object_mut().unwrap();
                let cursor = attributes.remove("cursor").unwrap();
                let cursor = cursor.as_str().unwrap().parse().unwrap();
                assert!(cursor > *last, "event {cursor} came after {last}");
                *last = cursor;
            }
        }
    }
}

/// What one reader has heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Each event once, in the order in which they came.
    pub(crate) events: Vec<String>,
    /// How often it had to come back.
    pub(crate) breaks: usize,
    /// Events that it knew when it came back by time.
    pub(crate) repeated: usize,
}

/// Reads from the beginning to the event that `is_last`.
pub(crate) fn read(address: &Address, mut place: Place, is_last: impl Fn(&Value) -> bool) -> Heard {
    let mut heard = Heard::default();
    let mut known = HashSet::new();
    loop {
        let mut stream = pace::until("events are served", BACK_LIMIT, || open(address, place).ok());
        let mut of_this_stream = HashSet::new();
        // Half a line is an error of the stream, and never an event.
        while let Ok(Some(line)) = stream.body_line() {
            let mut event: Value = serde_json::from_str(&line).unwrap();
            place.step(&mut event);
            let event_is_last = is_last(&event);
            let key = key(&event);
            // Known from this very stream: nobody asked for it again, and it stands out in what was heard.
            let is_doubled = !of_this_stream.insert(key.clone());
            if known.insert(key) || is_doubled || matches!(place, Place::Cursor(_)) {
                heard.events.push(event.to_string());
            } else {
                heard.repeated += 1;
            }
            if event_is_last {
                return heard;
            }
        }
        heard.breaks += 1;
    }
}

/// By what a reader knows an event again.
fn key(event: &Value) -> (u64, String, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let time = event["timeNano"].as_u64().unwrap();
    (time, text(&event["Actor"]["ID"]), text(&event["Action"]))
}

fn open(address: &Address, place: Place) -> io::Result<Connection> {
    let mut connection = Connection::open(address)?;
    connection.send("GET", &format!("/events?{}", place.query()), None)?;
    match connection.head(false)?.status {
        200 => Ok(connection),
        // One of the two is not there.
        503 => Err(io::ErrorKind::NotConnected.into()),
        status => panic!("/events?{}: {status}", place.query()),
    }
}
