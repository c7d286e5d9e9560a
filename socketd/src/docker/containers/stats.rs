//! `GET /containers/{id}/stats`.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::stats::{BlockCounter, BlockKind, CpuStats, InterfaceStats, MemoryStats};
use wire::{ContainerId, Stats, Time};

use crate::docker::query::Query;
use crate::docker::time::rfc3339_nano;

/// How many samples are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// One a second, until the client leaves.
    Stream,
    /// One, with the one before it.
    Pair,
    /// One alone.
    One,
}

/// Reads `stream` and `one-shot`. The latter means nothing to a stream, as with Docker.
#[must_use]
pub fn parse_samples(query: &Query) -> Samples {
    match (query.flag_or("stream", true), query.flag("one-shot")) {
        (true, _) => Samples::Stream,
        (false, true) => Samples::One,
        (false, false) => Samples::Pair,
    }
}

/// A sample, with the one before it where there was one. A container that does not run has the
/// zeros Docker shows of it.
#[must_use]
pub fn sample<'a>(
    id: ContainerId,
    name: &str,
    now: Option<&'a Stats>,
    before: Option<&'a Stats>,
) -> impl Serialize + use<'a> {
    let now = now.filter(|now| now.running);
    let before = before.filter(|before| before.running && now.is_some());
    let read_at = |stats: Option<&Stats>| rfc3339_nano(stats.map_or(Time::NEVER, |stats| stats.read_at));
    let version = now.map_or(0, |now| now.group_version);
    Sample {
        name: format!("/{name}"),
        id: id.to_string(),
        read: read_at(now),
        preread: read_at(before),
        pids_stats: now.map(Pids::new).unwrap_or_default(),
        blkio_stats: now.map(Block::new).unwrap_or_default(),
        num_procs: 0,
        storage_stats: Storage {},
        cpu_stats: now.map(|now| Cpu::new(&now.cpu, version)).unwrap_or_default(),
        precpu_stats: before
            .map(|before| Cpu::new(&before.cpu, version))
            .unwrap_or_default(),
        memory_stats: now
            .and_then(|now| now.memory.as_ref())
            .map(Memory::new)
            .unwrap_or_default(),
        networks: now
            .map(|now| now.interfaces.iter().map(Interface::named).collect())
            .unwrap_or_default(),
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Serialize)]
struct Sample<'a> {
    name: String,
    id: String,
    read: String,
    preread: String,
    pids_stats: Pids,
    blkio_stats: Block,
    /// Only ever counted on Windows.
    num_procs: u32,
    storage_stats: Storage,
    cpu_stats: Cpu<'a>,
    precpu_stats: Cpu<'a>,
    memory_stats: Memory<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    networks: BTreeMap<&'a str, Interface>,
}

/// Only ever filled on Windows.
#[derive(Debug, Serialize)]
struct Storage {}

#[derive(Debug, Default, Serialize)]
struct Pids {
    #[serde(skip_serializing_if = "is_zero")]
    current: u64,
    #[serde(skip_serializing_if = "is_zero")]
    limit: u64,
}

impl Pids {
    fn new(stats: &Stats) -> Self {
        Self {
            current: stats.pids,
            limit: match (stats.pids_max, stats.group_version) {
                // As the second version of control groups says that there is none.
                (0, 2) => u64::MAX,
                (limit, _) => limit,
            },
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Cpu<'a> {
    cpu_usage: CpuUsage<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    system_cpu_usage: u64,
    #[serde(skip_serializing_if = "is_zero")]
    online_cpus: u64,
    throttling_data: Throttling,
}

#[derive(Debug, Default, Serialize)]
struct CpuUsage<'a> {
    total_usage: u64,
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    percpu_usage: &'a [u64],
    usage_in_kernelmode: u64,
    usage_in_usermode: u64,
}

#[derive(Debug, Default, Serialize)]
struct Throttling {
    periods: u64,
    throttled_periods: u64,
    throttled_time: u64,
}

impl<'a> Cpu<'a> {
    fn new(cpu: &'a CpuStats, group_version: u32) -> Self {
        Self {
            cpu_usage: CpuUsage {
                total_usage: cpu.total_ns,
                // The second version of control groups does not tell, whatever a runtime found out.
                percpu_usage: if group_version == 1 { &cpu.per_cpu_ns } else { &[] },
                usage_in_kernelmode: cpu.kernel_ns,
                usage_in_usermode: cpu.user_ns,
            },
            system_cpu_usage: cpu.machine_ns,
            online_cpus: u64::from(cpu.online),
            throttling_data: Throttling {
                periods: cpu.periods,
                throttled_periods: cpu.throttled_periods,
                throttled_time: cpu.throttled_ns,
            },
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Memory<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    usage: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_usage: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stats: BTreeMap<&'a str, u64>,
    #[serde(skip_serializing_if = "is_zero")]
    failcnt: u64,
    #[serde(skip_serializing_if = "is_zero")]
    limit: u64,
}

impl<'a> Memory<'a> {
    fn new(memory: &'a MemoryStats) -> Self {
        Self {
            usage: memory.usage,
            max_usage: memory.usage_max,
            stats: memory
                .counters
                .iter()
                .map(|counter| (counter.name.as_str(), counter.value))
                .collect(),
            failcnt: memory.failures,
            limit: memory.limit,
        }
    }
}

type Entries = Option<Vec<BlockEntry>>;

/// Lists that are `null` where the kernel counts no such thing.
#[derive(Debug, Default, Serialize)]
struct Block {
    io_service_bytes_recursive: Entries,
    io_serviced_recursive: Entries,
    io_queue_recursive: Entries,
    io_service_time_recursive: Entries,
    io_wait_time_recursive: Entries,
    io_merged_recursive: Entries,
    io_time_recursive: Entries,
    sectors_recursive: Entries,
}

#[derive(Debug, Serialize)]
struct BlockEntry {
    major: u32,
    minor: u32,
    op: String,
    value: u64,
}

impl Block {
    fn new(stats: &Stats) -> Self {
        let entries = |kind: BlockKind| -> Vec<BlockEntry> {
            let of_kind = stats.block.iter().filter(|counter| counter.kind == kind);
            of_kind
                .map(|counter| BlockEntry::new(counter, stats.group_version))
                .collect()
        };
        if stats.group_version == 1 {
            return Self {
                io_service_bytes_recursive: Some(entries(BlockKind::Bytes)),
                io_serviced_recursive: Some(entries(BlockKind::Operations)),
                io_queue_recursive: Some(entries(BlockKind::Queued)),
                io_service_time_recursive: Some(entries(BlockKind::ServiceTime)),
                io_wait_time_recursive: Some(entries(BlockKind::WaitTime)),
                io_merged_recursive: Some(entries(BlockKind::Merged)),
                io_time_recursive: Some(entries(BlockKind::Time)),
                sectors_recursive: Some(entries(BlockKind::Sectors)),
            };
        }
        // With the second version Docker shows bytes alone.
        let bytes = entries(BlockKind::Bytes);
        Self {
            io_service_bytes_recursive: (!bytes.is_empty()).then_some(bytes),
            ..Self::default()
        }
    }
}

impl BlockEntry {
    fn new(counter: &BlockCounter, group_version: u32) -> Self {
        Self {
            major: counter.major,
            minor: counter.minor,
            // The first version's own words have a capital; Docker writes those of the second without.
            op: if group_version == 1 {
                counter.operation.clone()
            } else {
                counter.operation.to_ascii_lowercase()
            },
            value: counter.value,
        }
    }
}

#[derive(Debug, Serialize)]
struct Interface {
    rx_bytes: u64,
    rx_packets: u64,
    rx_errors: u64,
    rx_dropped: u64,
    tx_bytes: u64,
    tx_packets: u64,
    tx_errors: u64,
    tx_dropped: u64,
}

impl Interface {
    fn named(stats: &InterfaceStats) -> (&str, Self) {
        let shown = Self {
            rx_bytes: stats.rx_bytes,
            rx_packets: stats.rx_packets,
            rx_errors: stats.rx_errors,
            rx_dropped: stats.rx_dropped,
            tx_bytes: stats.tx_bytes,
            tx_packets: stats.tx_packets,
            tx_errors: stats.tx_errors,
            tx_dropped: stats.tx_dropped,
        };
        (stats.name.as_str(), shown)
    }
}

#[cfg(test)]
mod tests;
