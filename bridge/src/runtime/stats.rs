//! The machine to measure a container by, and network interfaces.

use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};
use wire::stats::{CpuStats, InterfaceStats, Stats};

use crate::shim;
use crate::shim::cgroup::Reader;

/// Ticks of the kernel's clock in a second where it does not say: what it is everywhere.
const TICKS_DEFAULT: u64 = 100;

/// Counts of a line of `/proc/stat` that are time of its own: user, nice, system, idle, waiting, and two
/// of interrupts. What comes after is counted in these, or is another machine's.
const TIMES: usize = 7;

/// Ticks of the kernel's clock in a second.
pub(super) fn ticks() -> u64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks
        .and_then(|ticks| u64::try_from(ticks).ok())
        .filter(|&ticks| ticks > 0)
        .unwrap_or(TICKS_DEFAULT)
}

/// So many of them, in nanoseconds.
pub(super) fn ticks_in_ns(count: u64) -> u64 {
    count.saturating_mul(1_000_000_000 / ticks())
}

/// Statistics of this moment, of a container that runs.
pub(super) fn begin() -> Stats {
    Stats {
        read_at: shim::now(),
        running: true,
        ..Stats::default()
    }
}

/// Adds what the machine says: its own time, its processors, and its memory where that is the only limit.
pub(super) fn finish(reader: &mut Reader, ticks: u64, stats: &mut Stats) {
    if let Some(text) = reader.text(Path::new("/proc/stat")) {
        machine(text, ticks, &mut stats.cpu);
    }
    if let Some(memory) = &mut stats.memory
        && memory.limit == 0
    {
        let text = reader.text(Path::new("/proc/meminfo"));
        memory.limit = text.map(memory_bytes).unwrap_or_default();
    }
}

/// Traffic of the network interfaces that this process sees.
pub(super) fn interfaces_of(pid: u32, reader: &mut Reader) -> Vec<InterfaceStats> {
    let path = format!("/proc/{pid}/net/dev");
    let text = reader.text(Path::new(&path));
    text.map(interfaces).unwrap_or_default()
}

/// The machine's own time, and its processors.
fn machine(text: &str, ticks: u64, cpu: &mut CpuStats) {
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next().and_then(|name| name.strip_prefix("cpu")) {
            Some("") => {
                let spent: u64 = words
                    .take(TIMES)
                    .filter_map(|word| word.parse::<u64>().ok())
                    .fold(0, u64::saturating_add);
                cpu.machine_ns = spent.saturating_mul(1_000_000_000 / ticks);
            }
            Some(_) => cpu.online += 1,
            None => return,
        }
    }
}

fn memory_bytes(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}

/// `eth0: rx bytes packets errors dropped fifo frame compressed multicast, tx bytes packets errors dropped`.
/// What a container tells itself over loopback is no traffic.
fn interfaces(text: &str) -> Vec<InterfaceStats> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, counts)| (name.trim(), counts))
        .filter(|(name, _)| *name != "lo")
        .filter_map(|(name, counts)| {
            let counts: Vec<u64> = counts
                .split_ascii_whitespace()
                .map_while(|word| word.parse().ok())
                .collect();
            let [
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                _,
                _,
                _,
                _,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
                ..,
            ] = *counts
            else {
                return None;
            };
            Some(InterfaceStats {
                name: name.to_owned(),
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine() {
        let mut cpu = CpuStats::default();
        let text = "cpu  1 2 3 4 5 6 7 100 100 100\ncpu0 1 2 3\ncpu1 0 0 0\nintr 5\ncpu9 1\n";
        machine(text, 100, &mut cpu);
        assert_eq!((cpu.machine_ns, cpu.online), (280_000_000, 2));
        assert_eq!(memory_bytes("MemTotal:       2048 kB\nMemFree: 1 kB\n"), 2 << 20);
    }

    #[test]
    fn traffic_but_not_with_oneself() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n    \
                    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n  \
                    eth0:1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n  short: 1 2\n";
        let found = interfaces(text);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found.first(),
            Some(&InterfaceStats {
                name: "eth0".to_owned(),
                rx_bytes: 1,
                rx_packets: 2,
                rx_errors: 3,
                rx_dropped: 4,
                tx_bytes: 5,
                tx_packets: 6,
                tx_errors: 7,
                tx_dropped: 8,
            })
        );
    }
}
