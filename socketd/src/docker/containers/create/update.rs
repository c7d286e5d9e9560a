//! `POST /containers/{id}/update`, which reads a part of what a create reads.

use serde::Serialize;
use wire::Container;
use wire::files::Update;
use wire::spec::{Resources, RestartKind};

use super::body::HostConfig;
use super::{limits, read_json, unserved};
use crate::docker::error::ApiError;

/// Reads the body: what the container `has` stays wherever nothing, nought or an empty text is
/// said. Answers the order for the bridge with warnings to go before the bridge's own.
///
/// # Errors
/// 400, 409 or 501 with Docker's sentence.
pub fn parse_update(
    body: &[u8],
    content_type: Option<&str>,
    has: &Container,
) -> Result<(Update, Vec<String>), ApiError> {
    let host: HostConfig = read_json(body, content_type)?.unwrap_or_default();
    unserved::refuse_resources(&host)?;
    limits::check_memory(&host)?;
    limits::check_processors(&host)?;
    check_together(&host, &has.spec.resources).map_err(|error| cannot(has, &error))?;
    let restart = match host.restart_policy.name.as_str() {
        "" => None,
        _ => Some(limits::restart(&host)?),
    };
    if has.spec.auto_remove
        && restart
            .as_ref()
            .is_some_and(|policy| policy.kind != RestartKind::No)
    {
        let error = ApiError::conflict(
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        );
        return Err(cannot(has, &error));
    }
    let some =
        |field: &str, value: i64| limits::unsigned(field, value).map(|value| (value != 0).then_some(value));
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let signed = |value: i64| (value != 0).then_some(value);
    let update = Update {
        reference: has.id.to_string(),
        memory_bytes: some("memory limit", *host.memory)?,
        memory_swap_bytes: signed(*host.memory_swap),
        memory_reservation_bytes: some("memory reservation", *host.memory_reservation)?,
        nano_cpus: some("NanoCpus", *host.nano_cpus)?,
        cpu_shares: some("CpuShares", *host.cpu_shares)?,
        cpu_period_us: some("CpuPeriod", *host.cpu_period)?,
        cpu_quota_us: signed(*host.cpu_quota),
        cpuset_cpus: text(&host.cpuset_cpus),
        cpuset_mems: text(&host.cpuset_mems),
        pids_max: signed(*host.pids_limit),
        restart,
    };
    Ok((update, unserved::warnings(&host)))
}

fn cannot(has: &Container, error: &ApiError) -> ApiError {
    let message = format!("Cannot update container {}: {}", has.id, error.message);
    ApiError::new(error.status, message)
}

/// What is asked must agree with what stays.
fn check_together(host: &HostConfig, has: &Resources) -> Result<(), ApiError> {
    let conflicts = [
        (
            *host.nano_cpus > 0 && has.cpu_period_us > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            *host.nano_cpus > 0 && has.cpu_quota_us > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            *host.cpu_quota > 0 && has.nano_cpus > 0,
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            *host.cpu_period > 0 && has.nano_cpus > 0,
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            *host.memory_swap == 0 && has.memory_swap_bytes > 0 && *host.memory > has.memory_swap_bytes,
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
    ];
    match conflicts.iter().find(|(conflict, _)| *conflict) {
        Some((_, words)) => Err(ApiError::conflict(*words)),
        None => Ok(()),
    }
}

/// The answer to an update.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Updated {
    /// Null when there are none.
    warnings: Option<Vec<String>>,
}

/// What an update answers (200).
#[must_use]
pub fn updated(warnings: Vec<String>) -> Updated {
    Updated {
        warnings: (!warnings.is_empty()).then_some(warnings),
    }
}

#[cfg(test)]
mod tests;
