//! Health checks: as they are asked for, and as they are shown.

use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use wire::container::{Health, HealthStatus, Probe, State};
use wire::spec::HealthCheck;

use crate::docker::error::ApiError;
use crate::docker::time::{duration_nanos, rfc3339_nano};

/// Shortest time, in nanoseconds. The first value of the range is nought: the default.
const TIMES_REFUSED: RangeInclusive<i64> = 1..=999_999;

/// What every other word of Docker's for a health is; for one that is not checked.
pub(super) const NONE: &str = "none";

/// A check as clients send it and are shown it. Times are in nanoseconds.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub(in crate::docker) struct Healthcheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_unset")]
    interval: Option<i64>,
    #[serde(skip_serializing_if = "is_unset")]
    timeout: Option<i64>,
    #[serde(skip_serializing_if = "is_unset")]
    start_period: Option<i64>,
    #[serde(skip_serializing_if = "is_unset")]
    start_interval: Option<i64>,
    #[serde(skip_serializing_if = "is_unset")]
    retries: Option<i64>,
}

fn is_unset(number: &Option<i64>) -> bool {
    number.is_none_or(|number| number == 0)
}

fn refuse<T>(message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::bad_request(message))
}

/// A time in nanoseconds.
fn time(field: &str, value: Option<i64>) -> Result<u64, ApiError> {
    let value = value.unwrap_or_default();
    if value < 0 || TIMES_REFUSED.contains(&value) {
        return refuse(format!("{field} in Healthcheck cannot be less than 1ms"));
    }
    Ok(u64::try_from(value).unwrap_or_default())
}

/// The check asked for over that of the image, whose values stand wherever none is given.
///
/// # Errors
/// 400 with Docker's sentence for times and counts that cannot be, or a kind of test that is none.
pub(in crate::docker) fn parse_check(
    asked: Option<&Healthcheck>,
    image: Option<&HealthCheck>,
) -> Result<Option<HealthCheck>, ApiError> {
    let Some(asked) = asked else {
        return Ok(image.cloned());
    };
    let retries = asked.retries.unwrap_or_default();
    let Ok(retries) = u32::try_from(retries.min(i64::from(u32::MAX))) else {
        return refuse("Retries in Healthcheck cannot be negative");
    };
    let mut check = HealthCheck {
        interval_ns: time("Interval", asked.interval)?,
        timeout_ns: time("Timeout", asked.timeout)?,
        start_period_ns: time("StartPeriod", asked.start_period)?,
        start_interval_ns: time("StartInterval", asked.start_interval)?,
        retries,
        ..HealthCheck::default()
    };
    match (asked.test.as_deref().unwrap_or_default(), image) {
        // Times without anything to do in them.
        ([], None) => return Ok(None),
        ([], Some(image)) => {
            check.arguments.clone_from(&image.arguments);
            check.shell = image.shell;
            check.disabled = image.disabled;
        }
        ([kind, words @ ..], _) => set_test(&mut check, kind, words)?,
    }
    if let Some(image) = image {
        let or_image = |own: &mut u64, image: u64| {
            if *own == 0 {
                *own = image;
            }
        };
        or_image(&mut check.interval_ns, image.interval_ns);
        or_image(&mut check.timeout_ns, image.timeout_ns);
        or_image(&mut check.start_period_ns, image.start_period_ns);
        or_image(&mut check.start_interval_ns, image.start_interval_ns);
        if check.retries == 0 {
            check.retries = image.retries;
        }
    }
    Ok(Some(check))
}

fn set_test(check: &mut HealthCheck, kind: &str, words: &[String]) -> Result<(), ApiError> {
    match kind {
        "NONE" => check.disabled = true,
        "CMD" | "CMD-SHELL" if words.is_empty() => {
            return refuse(format!("{kind} in Healthcheck has no command"));
        }
        "CMD" => {}
        "CMD-SHELL" => check.shell = true,
        _ => {
            return refuse(format!(
                "Unknown probe type '{kind}' (expected 'NONE', 'CMD' or 'CMD-SHELL') in Healthcheck"
            ));
        }
    }
    if !check.disabled {
        check.arguments = words.to_vec();
    }
    Ok(())
}

/// A line `HEALTHCHECK ...` of a Dockerfile, without its first word.
///
/// # Errors
/// 400 with the sentence of Docker's own reader.
pub(in crate::docker) fn parse_instruction(text: &str) -> Result<HealthCheck, ApiError> {
    let mut check = HealthCheck::default();
    let mut rest = text;
    while let Some(flag) = rest.strip_prefix("--") {
        let (word, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let Some((name, value)) = word.split_once('=') else {
            return refuse(format!("Missing a value on flag: {word}"));
        };
        set_flag(&mut check, name, value)?;
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    match kind.to_ascii_uppercase().as_str() {
        "NONE" if command.is_empty() => check.disabled = true,
        "NONE" => return refuse("HEALTHCHECK NONE takes no arguments"),
        "CMD" if command.is_empty() => return refuse("Missing command after HEALTHCHECK CMD"),
        "CMD" => match serde_json::from_str::<Vec<String>>(command) {
            Ok(words) if !words.is_empty() => check.arguments = words,
            Ok(_) => return refuse("Missing command after HEALTHCHECK CMD"),
            Err(_) => {
                check.shell = true;
                check.arguments = vec![command.to_owned()];
            }
        },
        other => return refuse(format!("Unknown type {other:?} in HEALTHCHECK (try CMD)")),
    }
    Ok(check)
}

fn set_flag(check: &mut HealthCheck, name: &str, value: &str) -> Result<(), ApiError> {
    let nanos = || -> Result<u64, ApiError> {
        let nanos = match value {
            "0" => Some(0),
            _ => duration_nanos(value),
        };
        let Some(nanos) = nanos else {
            return refuse(format!("time: invalid duration {value:?}"));
        };
        match u64::try_from(nanos) {
            Ok(nanos) if nanos == 0 || nanos >= 1_000_000 => Ok(nanos),
            _ => refuse(format!("Interval {name:?} cannot be less than 1ms")),
        }
    };
    match name {
        "interval" => check.interval_ns = nanos()?,
        "timeout" => check.timeout_ns = nanos()?,
        "start-period" => check.start_period_ns = nanos()?,
        "start-interval" => check.start_interval_ns = nanos()?,
        "retries" => {
            let count = crate::docker::query::integer(value)?;
            let Ok(count) = u32::try_from(count.min(i64::from(u32::MAX))) else {
                return refuse(format!("--retries must be at least 0 (not {count})"));
            };
            check.retries = count;
        }
        _ => return refuse(format!("Unknown flag: {name}")),
    }
    Ok(())
}

/// The check as an inspection shows it.
#[must_use]
pub(in crate::docker) fn shown_check(check: &HealthCheck) -> Healthcheck {
    let kind = match (check.disabled, check.shell) {
        (true, _) => "NONE",
        (false, true) => "CMD-SHELL",
        (false, false) => "CMD",
    };
    let nanos = |nanos: u64| Some(i64::try_from(nanos).unwrap_or(i64::MAX));
    let words = core::iter::once(kind.to_owned()).chain(check.arguments.iter().cloned());
    Healthcheck {
        test: Some(words.collect()),
        interval: nanos(check.interval_ns),
        timeout: nanos(check.timeout_ns),
        start_period: nanos(check.start_period_ns),
        start_interval: nanos(check.start_interval_ns),
        retries: Some(i64::from(check.retries)),
    }
}

/// Docker's word; what a later version calls otherwise is at least not known to be well.
pub(in crate::docker) fn health_word(health: &Health) -> &'static str {
    match health.status {
        HealthStatus::Starting => "starting",
        HealthStatus::Healthy => "healthy",
        HealthStatus::Unhealthy | HealthStatus::Unknown(_) => "unhealthy",
    }
}

/// The word a filter knows.
pub(super) fn filter_word(state: &State) -> &'static str {
    state.health.as_ref().map_or(NONE, health_word)
}

/// `State.Health` of an inspection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HealthShape<'a> {
    status: &'static str,
    failing_streak: u32,
    log: Vec<ProbeShape<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProbeShape<'a> {
    start: String,
    end: String,
    exit_code: i32,
    output: &'a str,
}

impl<'a> HealthShape<'a> {
    /// Before the first check there is one entry that says so: Portainer looks at the last entry
    /// without asking whether there is one, and compose takes a container without health for one
    /// without a check.
    pub(super) fn new(state: &'a State) -> Option<Self> {
        let health = state.health.as_ref()?;
        let mut log: Vec<_> = health.log.iter().map(ProbeShape::new).collect();
        if log.is_empty() {
            log.push(ProbeShape {
                start: rfc3339_nano(state.started_at),
                end: rfc3339_nano(state.started_at),
                exit_code: -1,
                output: "No check has been run yet.",
            });
        }
        Some(Self {
            status: health_word(health),
            failing_streak: health.failing_streak,
            log,
        })
    }
}

impl<'a> ProbeShape<'a> {
    fn new(probe: &'a Probe) -> Self {
        Self {
            start: rfc3339_nano(probe.started_at),
            end: rfc3339_nano(probe.ended_at),
            exit_code: probe.exit_code,
            output: &probe.output,
        }
    }
}

#[cfg(test)]
mod tests;
