//! Start, stop, restart, kill, wait, rename, remove, prune: what they are asked with and what they answer.

use serde::Serialize;
use wire::request::{ContainerRef, Kill, Remove, Rename, Stop, Wait, WaitCondition};
use wire::response::Exited;

use super::signal::parse_signal;
use crate::docker::error::{ApiError, invalid_name};
use crate::docker::query::Query;

/// Longest name, in bytes. Docker has no limit but the directory entry the name once was; this is that.
pub const NAME_BYTES_MAX: usize = 255;

/// What a client calls a container, without the slash that names begin with in answers.
#[must_use]
pub fn reference(text: &str) -> &str {
    text.strip_prefix('/').unwrap_or(text)
}

/// The same, as the bridge is asked.
#[must_use]
pub fn container_ref(text: &str) -> ContainerRef {
    ContainerRef {
        reference: reference(text).to_owned(),
    }
}

/// Reads a name, with or without a slash before it.
///
/// # Errors
/// 400 with Docker's sentence for a name that cannot be one.
pub fn parse_name(text: &str) -> Result<String, ApiError> {
    let name = reference(text);
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && (2..=NAME_BYTES_MAX).contains(&name.len()) {
        Ok(name.to_owned())
    } else {
        Err(ApiError::bad_request(invalid_name(text)))
    }
}

/// Reads `t` and `signal` of a stop or a restart.
///
/// # Errors
/// 400 for a time that is no number or a signal that is none.
pub fn parse_stop(reference_text: &str, query: &Query) -> Result<Stop, ApiError> {
    let timeout = query.integer("t")?.map(|seconds| {
        // Any negative time means to wait for ever, as with Docker.
        let longest = i64::from(wire::limits::STOP_TIMEOUT_S_MAX);
        i32::try_from(seconds.clamp(-1, longest)).unwrap_or(-1)
    });
    Ok(Stop {
        reference: reference(reference_text).to_owned(),
        timeout_s: timeout,
        signal: signal(query)?,
    })
}

/// Reads `signal` of a kill.
///
/// # Errors
/// 400 for a signal that is none.
pub fn parse_kill(reference_text: &str, query: &Query) -> Result<Kill, ApiError> {
    Ok(Kill {
        reference: reference(reference_text).to_owned(),
        signal: signal(query)?,
    })
}

fn signal(query: &Query) -> Result<u32, ApiError> {
    match query.text("signal") {
        None | Some("") => Ok(0),
        Some(text) => parse_signal(text),
    }
}

/// Reads `force`, `v` and `link` of a removal. There are no anonymous volumes, so `v` changes nothing.
///
/// # Errors
/// 501 for `link`, which would remove a link instead of the container.
pub fn parse_remove(reference_text: &str, query: &Query) -> Result<Remove, ApiError> {
    if query.flag("link") {
        return Err(ApiError::not_implemented(
            "removing a link between containers is not served: there are no links",
        ));
    }
    Ok(Remove {
        reference: reference(reference_text).to_owned(),
        force: query.flag("force"),
    })
}

/// Reads `name` of a rename.
///
/// # Errors
/// 400 for a name that cannot be one.
pub fn parse_rename(reference_text: &str, query: &Query) -> Result<Rename, ApiError> {
    match query.text("name") {
        None | Some("") => Err(ApiError::bad_request("Neither old nor new names may be empty")),
        Some(name) => Ok(Rename {
            reference: reference(reference_text).to_owned(),
            name: parse_name(name)?,
        }),
    }
}

/// Reads `condition` of a wait.
///
/// # Errors
/// 400 for a condition that is none.
pub fn parse_wait(reference_text: &str, query: &Query) -> Result<Wait, ApiError> {
    let condition = match query.text("condition") {
        None | Some("" | "not-running") => WaitCondition::NotRunning,
        Some("next-exit") => WaitCondition::NextExit,
        Some("removed") => WaitCondition::Removed,
        Some(other) => return Err(ApiError::bad_request(format!("invalid condition: {other:?}"))),
    };
    Ok(Wait {
        reference: reference(reference_text).to_owned(),
        condition,
    })
}

/// The answer to a wait.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Waited {
    /// Why it could not be started, where that is how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
    /// Exit code; 255 where nobody saw the end.
    pub status_code: u32,
}

/// Why a container that was waited for could not be started.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct WaitError {
    /// In words.
    pub message: String,
}

/// What a wait answers.
#[must_use]
pub fn waited(exited: &Exited) -> Waited {
    Waited {
        error: (!exited.error.is_empty()).then(|| WaitError {
            message: exited.error.clone(),
        }),
        status_code: if exited.exit.unknown {
            255
        } else {
            exited.exit.code
        },
    }
}

/// The answer to a prune.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Pruned {
    /// Full ids; null when nothing went.
    pub containers_deleted: Option<Vec<String>>,
    /// Bytes of their own layers.
    pub space_reclaimed: u64,
}

impl Pruned {
    /// What was removed, and how many bytes that freed.
    #[must_use]
    pub fn new(ids: Vec<String>, bytes: u64) -> Self {
        Self {
            containers_deleted: (!ids.is_empty()).then_some(ids),
            space_reclaimed: bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(Some(text))
    }

    #[test]
    fn names_may_begin_with_a_slash_and_little_else() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            let wanted = expected.map(str::to_owned).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
                ))
            });
            assert_eq!(parse_name(text), wanted);
        }
        check("web", Some("web"));
        check("/web", Some("web"));
        check("a.b_c-1", Some("a.b_c-1"));
        check("-bad-", None);
        check("x", None);
        check("", None);
        check("//web", None);
        check("a/b", None);
        check("wéb", None);
        check(&"x".repeat(256), None);
    }

    #[test]
    fn a_stop_has_a_time_and_a_signal() {
        #[track_caller]
        fn check(text: &str, timeout_s: Option<i32>, signal: u32) {
            let stop = parse_stop("/web", &query(text)).unwrap();
            assert_eq!(
                (stop.reference.as_str(), stop.timeout_s, stop.signal),
                ("web", timeout_s, signal)
            );
        }
        check("", None, 0);
        check("t=0", Some(0), 0);
        check("t=-5", Some(-1), 0);
        check("t=99999999999", Some(86_400), 0);
        check("t=3&signal=SIGINT", Some(3), 2);
        let error = parse_stop("web", &query("t=x")).unwrap_err();
        assert_eq!(error.message, "strconv.Atoi: parsing \"x\": invalid syntax");
        let error = parse_kill("web", &query("signal=NOPE")).unwrap_err();
        assert_eq!(error, ApiError::bad_request("Invalid signal: NOPE"));
    }

    #[test]
    fn a_rename_needs_a_name() {
        for text in ["", "name="] {
            let error = parse_rename("web", &query(text)).unwrap_err();
            assert_eq!(
                error,
                ApiError::bad_request("Neither old nor new names may be empty")
            );
        }
        assert_eq!(parse_rename("web", &query("name=/new")).unwrap().name, "new");
    }

    #[test]
    fn a_wait_has_three_conditions() {
        let condition = |text| parse_wait("web", &query(text)).map(|wait| wait.condition);
        assert_eq!(condition(""), Ok(WaitCondition::NotRunning));
        assert_eq!(condition("condition=next-exit"), Ok(WaitCondition::NextExit));
        assert_eq!(condition("condition=removed"), Ok(WaitCondition::Removed));
        assert_eq!(condition("condition=bogus").unwrap_err().status, 400);
    }

    #[test]
    fn a_link_cannot_be_removed() {
        assert_eq!(parse_remove("web", &query("link=1")).unwrap_err().status, 501);
        assert!(parse_remove("web", &query("force=1&v=1")).unwrap().force);
    }

    #[test]
    fn answers_have_dockers_shape() {
        let json = |value: &Waited| serde_json::to_string(value).unwrap();
        let mut exited = Exited::default();
        exited.exit.code = 137;
        assert_eq!(json(&waited(&exited)), r#"{"StatusCode":137}"#);
        exited.exit.unknown = true;
        exited.error = "no".into();
        assert_eq!(
            json(&waited(&exited)),
            r#"{"Error":{"Message":"no"},"StatusCode":255}"#
        );
        let pruned = serde_json::to_string(&Pruned::new(Vec::new(), 0)).unwrap();
        assert_eq!(pruned, r#"{"ContainersDeleted":null,"SpaceReclaimed":0}"#);
    }
}
