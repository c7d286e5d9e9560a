//! What a container uses.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, Uri};
use bollard_stubs::models::{ContainerCpuStats, ContainerStatsResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::ApiError;
use super::place::{Id, Place};
use super::principal::Principal;
use super::reach::{self, plain};
use super::{Desk, describe};

/// What a container uses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    /// Of this request.
    id: String,
    /// As it was asked for.
    container_id: String,
    /// In numbers; all are 0 where the container does not run.
    stats: Usage,
}

/// In numbers.
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct Usage {
    /// Share of one processor in the last second or so, in percent: 200 are two whole ones. Null where the engine gives
    /// one reading alone.
    cpu_percent: Option<f64>,
    /// Time of processors since it started.
    cpu_nanoseconds_total: u64,
    /// Memory, without what can be given back at once.
    memory_bytes: u64,
    /// 0 where there is none.
    memory_limit_bytes: u64,
    /// Since it started.
    network_received_bytes: u64,
    /// Since it started.
    network_sent_bytes: u64,
    /// Since it started.
    block_read_bytes: u64,
    /// Since it started.
    block_written_bytes: u64,
    /// Processes and threads.
    pids: u64,
}

/// What a container uses, measured now; it takes a second or two.
#[utoipa::path(
    get, path = "/api/containers/{id}/stats", tag = "containers",
    params(describe::ContainerId, describe::NodeId),
    responses((status = 200, body = Stats), describe::OfContainer),
)]
pub(super) async fn stats(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<Stats>, ApiError> {
    let place = Place::of(&desk, &principal, &uri, &id)?;
    place.query.finish()?;
    desk.connected(&place.node_id)?;
    let asked = plain(
        Method::GET,
        &format!("/containers/{}/stats?stream=false", place.container),
    );
    let told: ContainerStatsResponse = desk.far(&place.node_id).ask(asked, reach::USUAL).await?;
    Ok(Json(Stats {
        id: super::request_id(),
        container_id: id,
        stats: Usage::of(told),
    }))
}

impl Usage {
    fn of(told: ContainerStatsResponse) -> Self {
        let memory = told.memory_stats.unwrap_or_default();
        let kept = |name: &str| -> u64 {
            let known: Option<&HashMap<_, _>> = memory.stats.as_ref();
            known.and_then(|known| known.get(name)).copied().unwrap_or(0)
        };
        // Version 2 of control groups has one name for it, version 1 another.
        let returnable = kept("inactive_file").max(kept("total_inactive_file"));
        let networks = told.networks.unwrap_or_default();
        let sum = |pick: fn(&bollard_stubs::models::ContainerNetworkStats) -> Option<u64>| {
            networks.values().filter_map(pick).fold(0, u64::saturating_add)
        };
        let blocks = told
            .blkio_stats
            .and_then(|block| block.io_service_bytes_recursive);
        let block = |op: &str| {
            let all = blocks.iter().flatten();
            all.filter(|entry| {
                entry
                    .op
                    .as_deref()
                    .is_some_and(|known| known.eq_ignore_ascii_case(op))
            })
            .filter_map(|entry| entry.value)
            .fold(0, u64::saturating_add)
        };
        Self {
            cpu_percent: percent(told.cpu_stats.as_ref(), told.precpu_stats.as_ref()),
            cpu_nanoseconds_total: told.cpu_stats.as_ref().map_or(0, total),
            memory_bytes: memory.usage.unwrap_or(0).saturating_sub(returnable),
            memory_limit_bytes: memory.limit.unwrap_or(0),
            network_received_bytes: sum(|network| network.rx_bytes),
            network_sent_bytes: sum(|network| network.tx_bytes),
            block_read_bytes: block("read"),
            block_written_bytes: block("write"),
            pids: told.pids_stats.and_then(|pids| pids.current).unwrap_or(0),
        }
    }
}

fn total(cpu: &ContainerCpuStats) -> u64 {
    let usage = cpu.cpu_usage.as_ref();
    usage.and_then(|usage| usage.total_usage).unwrap_or(0)
}

/// As the `docker` command reckons it.
fn percent(now: Option<&ContainerCpuStats>, before: Option<&ContainerCpuStats>) -> Option<f64> {
    let (now, before) = (now?, before?);
    let system = now.system_cpu_usage?.checked_sub(before.system_cpu_usage?)?;
    let own = total(now).checked_sub(total(before))?;
    let processors = now.online_cpus.unwrap_or(1).max(1);
    (system > 0).then(|| wide(own) / wide(system) * f64::from(processors) * 100.0)
}

/// A count as a number with a point; what is lost is far behind it.
fn wide(count: u64) -> f64 {
    Duration::from_nanos(count).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_tells() {
        let told = serde_json::json!({
            "cpu_stats": {
                "cpu_usage": { "total_usage": 3_000_000_000_u64 },
                "system_cpu_usage": 20_000_000_000_u64, "online_cpus": 2,
            },
            "precpu_stats": {
                "cpu_usage": { "total_usage": 2_000_000_000_u64 },
                "system_cpu_usage": 18_000_000_000_u64, "online_cpus": 2,
            },
            "memory_stats": { "usage": 1000, "limit": 5000, "stats": { "inactive_file": 100 } },
            "networks": { "a": { "rx_bytes": 1, "tx_bytes": 2 }, "b": { "rx_bytes": 10, "tx_bytes": 20 } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "op": "Read", "value": 7 }, { "op": "write", "value": 8 }, { "op": "read", "value": 1 },
            ] },
            "pids_stats": { "current": 4 },
        });
        let expected = Usage {
            cpu_percent: Some(100.0),
            cpu_nanoseconds_total: 3_000_000_000,
            memory_bytes: 900,
            memory_limit_bytes: 5000,
            network_received_bytes: 11,
            network_sent_bytes: 22,
            block_read_bytes: 8,
            block_written_bytes: 8,
            pids: 4,
        };
        assert_eq!(Usage::of(serde_json::from_value(told).unwrap()), expected);
    }

    #[test]
    fn of_one_that_does_not_run() {
        let told = serde_json::json!({ "cpu_stats": {}, "precpu_stats": {}, "networks": null });
        assert_eq!(Usage::of(serde_json::from_value(told).unwrap()), Usage::default());
    }
}
