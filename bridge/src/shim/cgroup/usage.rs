//! What a container's groups have used, as the kernel counts it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use wire::stats::{BlockCounter, BlockKind, Counter, CpuStats, MemoryStats, Stats};

use super::{Group, Groups, Version};

/// Longest file of counts that is read, in bytes: thousands of block devices. Stops one that never ends.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A limit of version 1 from here on is none: the kernel writes the greatest whole number of pages.
const NO_LIMIT: u64 = 1 << 62;

/// Where version 1 counts about block devices: the schedulers that have been, then what counts whatever
/// schedules. The first that has counted anything is taken.
const BLOCK_FILES: &[(BlockKind, &[&str])] = &[
    (
        BlockKind::Bytes,
        &[
            "blkio.io_service_bytes_recursive",
            "blkio.bfq.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes",
        ],
    ),
    (
        BlockKind::Operations,
        &[
            "blkio.io_serviced_recursive",
            "blkio.bfq.io_serviced_recursive",
            "blkio.throttle.io_serviced_recursive",
            "blkio.throttle.io_serviced",
        ],
    ),
    (BlockKind::Queued, &["blkio.io_queued_recursive"]),
    (BlockKind::ServiceTime, &["blkio.io_service_time_recursive"]),
    (BlockKind::WaitTime, &["blkio.io_wait_time_recursive"]),
    (BlockKind::Merged, &["blkio.io_merged_recursive"]),
    (BlockKind::Time, &["blkio.time_recursive"]),
    (BlockKind::Sectors, &["blkio.sectors_recursive"]),
];

/// Reads small files of the kernel, one after the other, into the same room.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// The text of a file; none where it is not there or cannot be read.
    pub fn text(&mut self, path: &Path) -> Option<&str> {
        self.buffer.clear();
        File::open(path)
            .ok()?
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut self.buffer)
            .ok()?;
        std::str::from_utf8(&self.buffer).ok()
    }

    /// The number in a file; none also for a word, as `max`.
    pub fn number(&mut self, path: &Path) -> Option<u64> {
        self.text(path)?.trim().parse().ok()
    }
}

impl Groups {
    /// Fills in what the groups say. `ticks`: of the kernel's clock in a second. Limits that are none stay
    /// zero.
    pub fn usage(&self, reader: &mut Reader, ticks: u64, stats: &mut Stats) {
        self.cpu(reader, ticks, &mut stats.cpu);
        if let Some(group) = self.with("memory") {
            stats.memory = memory(group, reader);
        }
        if let Some(group) = self.with("pids") {
            stats.pids = reader.number(&group.path.join("pids.current")).unwrap_or(0);
            stats.pids_max = reader.number(&group.path.join("pids.max")).unwrap_or(0);
        }
        stats.block = match (self.with("blkio"), self.with("io")) {
            (Some(group), _) => block_v1(&group.path, reader),
            (None, Some(group)) => reader
                .text(&group.path.join("io.stat"))
                .map(block_v2)
                .unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        stats.group_version = match self.groups.first().map(|group| group.version) {
            Some(Version::One) => 1,
            Some(Version::Two) => 2,
            None => 0,
        };
    }

    /// The group that has a controller. One of version 1 comes first, as in the list.
    fn with(&self, controller: &str) -> Option<&Group> {
        self.groups
            .iter()
            .find(|group| group.has(controller) && group.path.exists())
    }

    fn cpu(&self, reader: &mut Reader, ticks: u64, cpu: &mut CpuStats) {
        if let Some(group) = self.with("cpuacct") {
            cpu.total_ns = reader.number(&group.path.join("cpuacct.usage")).unwrap_or(0);
            let per_cpu = reader.text(&group.path.join("cpuacct.usage_percpu"));
            cpu.per_cpu_ns = per_cpu.map(numbers).unwrap_or_default();
            let split = reader.text(&group.path.join("cpuacct.stat")).unwrap_or_default();
            cpu.user_ns = in_ns(value(split, "user"), ticks);
            cpu.kernel_ns = in_ns(value(split, "system"), ticks);
        } else if let Some(group) = self.groups.iter().find(|group| group.version == Version::Two) {
            // Version 2 counts time in every group, whatever controllers it has.
            let text = reader.text(&group.path.join("cpu.stat")).unwrap_or_default();
            cpu.total_ns = value(text, "usage_usec").saturating_mul(1000);
            cpu.user_ns = value(text, "user_usec").saturating_mul(1000);
            cpu.kernel_ns = value(text, "system_usec").saturating_mul(1000);
        }
        if let Some(group) = self.with("cpu") {
            let text = reader.text(&group.path.join("cpu.stat")).unwrap_or_default();
            cpu.periods = value(text, "nr_periods");
            cpu.throttled_periods = value(text, "nr_throttled");
            cpu.throttled_ns = match group.version {
                Version::One => value(text, "throttled_time"),
                Version::Two => value(text, "throttled_usec").saturating_mul(1000),
            };
        }
    }
}

fn memory(group: &Group, reader: &mut Reader) -> Option<MemoryStats> {
    let [usage, usage_max, limit] = match group.version {
        Version::One => [
            "memory.usage_in_bytes",
            "memory.max_usage_in_bytes",
            "memory.limit_in_bytes",
        ],
        Version::Two => ["memory.current", "memory.peak", "memory.max"],
    };
    let limit = reader.number(&group.path.join(limit)).unwrap_or(0);
    Some(MemoryStats {
        usage: reader.number(&group.path.join(usage))?,
        usage_max: reader.number(&group.path.join(usage_max)).unwrap_or(0),
        limit: if limit >= NO_LIMIT { 0 } else { limit },
        failures: match group.version {
            Version::One => reader.number(&group.path.join("memory.failcnt")).unwrap_or(0),
            Version::Two => reader
                .text(&group.path.join("memory.events"))
                .map_or(0, |text| value(text, "max")),
        },
        counters: reader
            .text(&group.path.join("memory.stat"))
            .map(counters)
            .unwrap_or_default(),
    })
}

fn block_v1(directory: &Path, reader: &mut Reader) -> Vec<BlockCounter> {
    let mut block = Vec::new();
    for (kind, files) in BLOCK_FILES {
        let before = block.len();
        for file in *files {
            if let Some(text) = reader.text(&directory.join(file)) {
                block.extend(text.lines().filter_map(|line| block_line(*kind, line)));
            }
            if block.len() > before {
                break;
            }
        }
    }
    block
}

/// `8:0 Read 4096`, or `8:0 4096`; the sum over all devices names none and is passed over.
fn block_line(kind: BlockKind, line: &str) -> Option<BlockCounter> {
    let mut words = line.split_ascii_whitespace();
    let (major, minor) = device(words.next()?)?;
    let (second, third) = (words.next()?, words.next());
    Some(BlockCounter {
        kind,
        major,
        minor,
        operation: third.map(|_| second.to_owned()).unwrap_or_default(),
        value: third.unwrap_or(second).parse().ok()?,
    })
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`.
fn block_v2(text: &str) -> Vec<BlockCounter> {
    let mut block = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((major, minor)) = words.next().and_then(device) else {
            continue;
        };
        for word in words {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let (kind, operation) = match name {
                "rbytes" => (BlockKind::Bytes, "Read"),
                "wbytes" => (BlockKind::Bytes, "Write"),
                "rios" => (BlockKind::Operations, "Read"),
                "wios" => (BlockKind::Operations, "Write"),
                _ => continue,
            };
            block.extend(value.parse().ok().map(|value| BlockCounter {
                kind,
                major,
                minor,
                operation: operation.to_owned(),
                value,
            }));
        }
    }
    block
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn counters(text: &str) -> Vec<Counter> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(name, value)| {
            Some(Counter {
                name: name.to_owned(),
                value: value.trim().parse().ok()?,
            })
        })
        .collect()
}

/// The value of a line `name value`; zero where there is none.
fn value(text: &str, name: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(have, _)| *have == name)
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

fn in_ns(count: u64, ticks: u64) -> u64 {
    count.saturating_mul(1_000_000_000 / ticks.max(1))
}
