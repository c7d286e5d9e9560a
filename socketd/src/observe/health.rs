//! Whether all is well, in a shape of our own.

use serde::Serialize;
use wire::info::JournalInfo;
use wire::{Info, Time};

use crate::docker::time::rfc3339_nano;
use crate::link::LinkError;

/// What stands behind `/_socketd/health`.
#[derive(Debug, Serialize)]
pub struct Health {
    status: Status,
    version: &'static str,
    since: String,
    bridge: Bridge,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Journal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Degraded,
}

#[derive(Debug, Serialize)]
struct Bridge {
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Journal {
    first_sequence: u64,
    last_sequence: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    failure: String,
}

impl From<JournalInfo> for Journal {
    fn from(info: JournalInfo) -> Self {
        Self {
            first_sequence: info.first_sequence,
            last_sequence: info.last_sequence,
            failure: info.failure,
        }
    }
}

impl Health {
    /// From what the bridge answered, or why it did not. `since`: the start of this process.
    #[must_use]
    pub fn new(answer: Result<Info, LinkError>, since: Time) -> Self {
        let (bridge, journal) = match answer {
            Ok(info) => {
                let bridge = Bridge {
                    reachable: true,
                    version: Some(info.bridge_version),
                    error: None,
                };
                (bridge, Some(Journal::from(info.journal)))
            }
            Err(error) => {
                let bridge = Bridge {
                    reachable: false,
                    version: None,
                    error: Some(error.to_string()),
                };
                (bridge, None)
            }
        };
        let writes = journal.as_ref().is_some_and(|journal| journal.failure.is_empty());
        Self {
            status: if writes { Status::Ok } else { Status::Degraded },
            version: env!("CARGO_PKG_VERSION"),
            since: rfc3339_nano(since),
            bridge,
            journal,
        }
    }

    /// Whether nothing is amiss.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }
}
