//! Who is let in, and who is told to come back later.

use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::config::Limits;
use crate::observe::metrics::{DoorMetrics, OpenConnection};
use crate::policy::crowd::{Crowd, Member};
use crate::policy::failures::Source;

/// What a client is told that has too many connections, before anything of it is read.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Content-Length: 75\r\nConnection: close\r\n\r\n\
    {\"message\":\"too many connections are open from where this one comes from\"}\n";

/// Held as long as the connection lives.
#[derive(Debug)]
pub(super) struct Admission {
    _permit: OwnedSemaphorePermit,
    _member: Member,
    _open: OpenConnection,
}

/// What decides about it, for one listener.
#[derive(Debug)]
pub(super) struct Doorman {
    pub(super) crowd: Arc<Crowd>,
    pub(super) metrics: DoorMetrics,
    pub(super) limits: Limits,
}

impl Doorman {
    /// Lets a connection in, unless whoever opened it has enough of them.
    pub(super) fn admit(&self, source: Source, permit: OwnedSemaphorePermit) -> Option<Admission> {
        let max = match source {
            Source::Address(_) => self.limits.connections_per_address(),
            Source::User(_) => self.limits.connections_per_user(),
        };
        let Some(member) = self.crowd.admit(source, max) else {
            self.metrics.turn_away();
            tracing::debug!(?source, max, "a caller has too many connections");
            return None;
        };
        Some(Admission {
            _permit: permit,
            _member: member,
            _open: self.metrics.open(),
        })
    }
}

/// Says why, as far as that goes without waiting for anybody.
pub(super) fn turn_away_tcp(stream: &TcpStream) {
    let _ = stream.try_write(TOO_MANY);
}

/// As above.
pub(super) fn turn_away_unix(stream: &UnixStream) {
    let _ = stream.try_write(TOO_MANY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(value["message"].is_string());
    }
}
