//! Clients that mean no good, over HTTP.

mod bodies;
mod corpus;
mod crowd;
mod escapes;
mod smuggling;

use std::time::Duration;

use harness::http::Connection;
use harness::{Address, Pair};

use crate::front::say;

/// How long the server may take to close a connection that it is done with.
const CLOSE_LIMIT: Duration = Duration::from_secs(20);

/// How long an answer is waited for that may never come, and one more after the first.
const GLANCE: Duration = Duration::from_millis(300);

/// Sends bytes as they are and reads what comes: for so long, then until the other side closes, which is told
/// that there is no more.
fn exchange(address: &Address, bytes: &[u8], patience: Duration) -> String {
    let mut connection = Connection::open(address).unwrap();
    // It may have answered and closed before it took everything.
    let _ = connection.send_raw(bytes);
    let mut answers = Vec::new();
    let mut piece = [0; 4096];
    for patience in [patience, GLANCE] {
        connection.patience(patience).unwrap();
        while let Ok(count @ 1..) = connection.read_raw(&mut piece) {
            answers.extend_from_slice(&piece[..count]);
            connection.patience(GLANCE).unwrap();
        }
    }
    connection.finish();
    connection.patience(CLOSE_LIMIT).unwrap();
    answers.extend(rest(&mut connection));
    String::from_utf8_lossy(&answers).into_owned()
}

/// The statuses of the answers in this text, in their order.
fn statuses(answers: &str) -> Vec<u16> {
    let starts = answers.split("HTTP/1.").skip(1);
    starts
        .filter_map(|answer| answer.get(2..5)?.parse().ok())
        .collect()
}

/// The pair serves as before, and has nothing in its logs that a terminal would obey.
fn is_well(pair: &mut Pair) {
    assert_eq!(pair.docker().get("/_ping").status, 200);
    assert!(!pair.socketd().has_ended() && !pair.bridge().has_ended());
    for log in [pair.socketd().log(), pair.bridge().log()] {
        let obeyed = log
            .chars()
            .find(|char| char.is_control() && *char != '\n' && *char != '\t');
        assert_eq!(obeyed, None, "{log:?}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Reads until nothing more comes.
fn rest(connection: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = connection.read_raw(&mut piece) {
        bytes.extend_from_slice(&piece[..count]);
    }
    bytes
}

/// Shown where a test fails, or with `--nocapture`.
fn say_count(what: &str, count: usize) {
    say(&format!("{count} {what}"));
}
