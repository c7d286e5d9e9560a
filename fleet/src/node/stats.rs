//! What containers use.

use std::time::Duration;

use bollard_stubs::models::ContainerStatsResponse;
use hyper::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::watch::container;
use crate::docker::{Docker, DockerError};
use crate::limits;
use crate::proto::{ContainerSample, Samples};

/// One sample of every running container, by id; those whose sample does not come in time are left out. Its number is
/// for whoever was asked to put in.
pub async fn sample(docker: &Docker) -> Samples {
    let until = Instant::now() + limits::SAMPLE_ALL;
    let mut samples = Samples::default();
    let listed = timeout_at(until, container::list(docker, "", false)).await;
    let ids = match listed {
        Ok(Ok(ids)) => ids,
        Ok(Err(error)) => {
            tracing::debug!(%error, "there is nothing to sample");
            return samples;
        }
        Err(_late) => return samples,
    };
    let mut ids = ids.into_iter().take(limits::NODE_CONTAINERS_MAX);
    let mut asked = JoinSet::new();
    for id in ids.by_ref().take(limits::SAMPLES_AT_ONCE) {
        asked.spawn(one(docker.clone(), id));
    }
    while let Ok(Some(sample)) = timeout_at(until, asked.join_next()).await {
        samples.containers.extend(sample.ok().flatten());
        if let Some(id) = ids.next() {
            asked.spawn(one(docker.clone(), id));
        }
    }
    // What is still asked ends with the set.
    samples
        .containers
        .sort_unstable_by(|one, other| one.id.cmp(&other.id));
    samples
}

async fn one(docker: Docker, id: String) -> Option<ContainerSample> {
    let path = format!("/containers/{id}/stats?stream=false&one-shot=true");
    let bound: Duration = limits::SAMPLE_ONE;
    let asked = docker.ask::<ContainerStatsResponse>(Method::GET, &path, None);
    let stats = timeout(bound, asked)
        .await
        .unwrap_or(Err(DockerError::Late(bound)));
    match stats {
        Ok(stats) => Some(told(id, &stats)),
        Err(error) => {
            tracing::debug!(id, %error, "a container is not sampled");
            None
        }
    }
}

fn told(id: String, stats: &ContainerStatsResponse) -> ContainerSample {
    let cpu = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref());
    let memory = stats.memory_stats.as_ref();
    let networks = || stats.networks.iter().flat_map(|networks| networks.values());
    let block = |word: &str| {
        let entries = stats.blkio_stats.as_ref();
        entries
            .and_then(|entries| entries.io_service_bytes_recursive.as_ref())
            .into_iter()
            .flatten()
            .filter(|entry| {
                entry
                    .op
                    .as_deref()
                    .is_some_and(|op| op.eq_ignore_ascii_case(word))
            })
            .fold(0, |sum: u64, entry| sum.saturating_add(entry.value.unwrap_or(0)))
    };
    ContainerSample {
        id,
        cpu_nanoseconds_total: cpu.and_then(|cpu| cpu.total_usage).unwrap_or(0),
        memory_bytes: memory.map_or(0, used),
        memory_limit_bytes: memory.and_then(|memory| memory.limit).unwrap_or(0),
        network_received_bytes: networks().fold(0, |sum, network| {
            sum.saturating_add(network.rx_bytes.unwrap_or(0))
        }),
        network_sent_bytes: networks().fold(0, |sum, network| {
            sum.saturating_add(network.tx_bytes.unwrap_or(0))
        }),
        block_read_bytes: block("read"),
        block_written_bytes: block("write"),
        pids: stats
            .pids_stats
            .as_ref()
            .and_then(|pids| pids.current)
            .unwrap_or(0),
    }
}

/// As `docker stats` counts it: without files that the kernel can forget. Their name is another in each version of
/// cgroups.
fn used(memory: &bollard_stubs::models::ContainerMemoryStats) -> u64 {
    let usage = memory.usage.unwrap_or(0);
    let stats = memory.stats.as_ref();
    let stat = |name: &str| stats.and_then(|stats| stats.get(name)).copied();
    let forgettable = stat("total_inactive_file")
        .or_else(|| stat("inactive_file"))
        .unwrap_or(0);
    if forgettable < usage {
        usage.saturating_sub(forgettable)
    } else {
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sample_says() {
        let stats = serde_json::json!({
            "cpu_stats": { "cpu_usage": { "total_usage": 7 } },
            "memory_stats": { "usage": 100, "limit": 1000, "stats": { "inactive_file": 30 } },
            "networks": { "eth0": { "rx_bytes": 1, "tx_bytes": 2 }, "eth1": { "rx_bytes": 10, "tx_bytes": u64::MAX } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "op": "Read", "value": 3 }, { "op": "read", "value": 4 }, { "op": "write", "value": 5 },
                { "op": "discard", "value": 6 },
            ] },
            "pids_stats": { "current": 9 },
        });
        let sample = told("c1".to_owned(), &serde_json::from_value(stats).unwrap());
        let expected = ContainerSample {
            id: "c1".to_owned(),
            cpu_nanoseconds_total: 7,
            memory_bytes: 70,
            memory_limit_bytes: 1000,
            network_received_bytes: 11,
            network_sent_bytes: u64::MAX,
            block_read_bytes: 7,
            block_written_bytes: 5,
            pids: 9,
        };
        assert_eq!(sample, expected);
        let nothing = told("c1".to_owned(), &ContainerStatsResponse::default());
        assert_eq!(
            nothing,
            ContainerSample {
                id: "c1".to_owned(),
                ..ContainerSample::default()
            }
        );
    }
}
