//! Start, stop, restart, kill, wait, rename, remove, prune: what they are asked with and what they answer.

use serde::Serialize;
use wire::request::{Kill, Remove, Rename, Stop, Wait};
use wire::response::Exited;

use crate::docker::error::ApiError;
use crate::docker::query::Query;

/// Reads `t` and `signal` of a stop or a restart.
///
/// # Errors
/// 400 for a time that is no number or a signal that is none.
pub fn parse_stop(reference: &str, _query: &Query) -> Result<Stop, ApiError> {
    Ok(Stop {
        reference: reference.to_owned(),
        ..Stop::default()
    })
}

/// Reads `signal` of a kill.
///
/// # Errors
/// 400 for a signal that is none.
pub fn parse_kill(reference: &str, _query: &Query) -> Result<Kill, ApiError> {
    Ok(Kill {
        reference: reference.to_owned(),
        ..Kill::default()
    })
}

/// Reads `force`, `v` and `link` of a removal.
///
/// # Errors
/// 400 or 501 for what cannot be removed so.
pub fn parse_remove(reference: &str, _query: &Query) -> Result<Remove, ApiError> {
    Ok(Remove {
        reference: reference.to_owned(),
        ..Remove::default()
    })
}

/// Reads `name` of a rename.
///
/// # Errors
/// 400 for a name that cannot be one.
pub fn parse_rename(reference: &str, _query: &Query) -> Result<Rename, ApiError> {
    Ok(Rename {
        reference: reference.to_owned(),
        ..Rename::default()
    })
}

/// Reads `condition` of a wait.
///
/// # Errors
/// 400 for a condition that is none.
pub fn parse_wait(reference: &str, _query: &Query) -> Result<Wait, ApiError> {
    Ok(Wait {
        reference: reference.to_owned(),
        ..Wait::default()
    })
}

/// The answer to a wait.
#[derive(Debug, Serialize)]
pub struct Waited {
    /// Exit code; 255 where nobody saw the end.
    #[serde(rename = "StatusCode")]
    pub status_code: u32,
}

/// What a wait answers.
#[must_use]
pub fn waited(exited: &Exited) -> Waited {
    Waited {
        status_code: exited.exit.code,
    }
}

/// The answer to a prune.
#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    /// Full ids; null when nothing went.
    #[serde(rename = "ContainersDeleted")]
    pub containers_deleted: Option<Vec<String>>,
    /// Bytes.
    #[serde(rename = "SpaceReclaimed")]
    pub space_reclaimed: u64,
}
