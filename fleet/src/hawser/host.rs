//! How the machine is, as Hawser measures it: processors, memory, the disk that Docker's files are on, and networks.
//!
//! What the kernel does not let this program see is zero, but for disks, which are left out.

use std::path::{Path, PathBuf};

use hyper::Method;
use procfs::{Current as _, CurrentSI as _};
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::docker::Docker;
use crate::limits;

/// Where Docker's files are, if it does not say.
const USUAL_ROOT: &str = "/var/lib/docker";

/// What is measured, as servers read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// How busy all processors were together since the time before, from 0 to 100.
    pub cpu_usage: f64,
    /// Processors that this program may use.
    pub cpu_cores: u32,
    /// In bytes, as are all that follow but the last.
    pub memory_total: u64,
    /// What is neither free nor could be made so.
    pub memory_used: u64,
    /// What programs could have.
    pub memory_free: u64,
    /// The disk, where it is known.
    #[serde(flatten)]
    pub disk: Option<Disk>,
    /// Received since the machine started, by every interface but the loopback.
    pub network_rx_bytes: u64,
    /// Sent since then.
    pub network_tx_bytes: u64,
    /// Seconds since the machine started.
    pub uptime: u64,
}

/// Room on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// All there is.
    pub disk_total: u64,
    /// What is not free.
    pub disk_used: u64,
    /// What a program without privilege can have.
    pub disk_free: u64,
}

/// Takes measure, and remembers what it takes to tell how busy the machine was in between.
#[derive(Debug)]
pub struct Host {
    has_disk: bool,
    /// Where Docker's files are, once it has said so.
    root: Option<PathBuf>,
    last: Option<Ticks>,
    /// A question about a disk that has no answer yet.
    asked: Option<JoinHandle<Option<Disk>>>,
}

impl Host {
    /// Nothing is measured yet. Without `has_disk` nothing is told of disks.
    pub fn new(has_disk: bool) -> Self {
        Self {
            has_disk,
            root: None,
            last: None,
            asked: None,
        }
    }

    /// Takes measure. `docker` is asked where its files are, until it has said so. The first time the processors are told
    /// as idle.
    pub async fn measure(&mut self, docker: &Docker) -> Metrics {
        let disk = if self.has_disk {
            self.disk(docker).await
        } else {
            None
        };
        let now = ticks();
        let usage = usage(self.last, now);
        self.last = now.or(self.last);
        let (memory_total, memory_free) = memory();
        let (network_rx_bytes, network_tx_bytes) = traffic();
        Metrics {
            cpu_usage: usage,
            cpu_cores: cores(),
            memory_total,
            memory_used: memory_total.saturating_sub(memory_free),
            memory_free,
            disk,
            network_rx_bytes,
            network_tx_bytes,
            uptime: uptime(),
        }
    }

    async fn disk(&mut self, docker: &Docker) -> Option<Disk> {
        if self.root.is_none() {
            self.root = root(docker).await;
        }
        let root = self.root.clone().unwrap_or_else(|| PathBuf::from(USUAL_ROOT));
        // One that hangs is not asked again: each would take a thread.
        let mut asked = self
            .asked
            .take()
            .unwrap_or_else(|| tokio::task::spawn_blocking(move || room(&root)));
        match timeout(limits::DISK_ANSWER, &mut asked).await {
            Ok(answer) => answer.ok().flatten(),
            Err(_late) => {
                self.asked = Some(asked);
                None
            }
        }
    }
}

/// Seconds since the machine started; zero where nobody says.
pub fn uptime() -> u64 {
    procfs::Uptime::current().map_or(0, |uptime| uptime.uptime_duration().as_secs())
}

/// Where Docker says that its files are.
async fn root(docker: &Docker) -> Option<PathBuf> {
    let asked = docker.ask::<bollard_stubs::models::SystemInfo>(Method::GET, "/info", None);
    let info = timeout(limits::DOCKER_CONNECT, asked).await.ok()?.ok()?;
    info.docker_root_dir
        .filter(|root| root.starts_with('/'))
        .map(PathBuf::from)
}

fn room(root: &Path) -> Option<Disk> {
    let of = rustix::fs::statvfs(root).ok()?;
    let total = of.f_blocks.saturating_mul(of.f_frsize);
    let free = of.f_bavail.saturating_mul(of.f_frsize);
    (total > 0).then(|| Disk {
        disk_total: total,
        disk_used: total.saturating_sub(free),
        disk_free: free,
    })
}

/// Time that all processors have spent, in ticks since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    idle: u64,
}

fn ticks() -> Option<Ticks> {
    let total = procfs::KernelStats::current().ok()?.total;
    Some(Ticks {
        busy: total.user.saturating_add(total.nice).saturating_add(total.system),
        idle: total.idle.saturating_add(total.iowait.unwrap_or(0)),
    })
}

/// From 0 to 100. The kernel's counts may go back a little, which is no time at all.
fn usage(last: Option<Ticks>, now: Option<Ticks>) -> f64 {
    let (Some(last), Some(now)) = (last, now) else {
        return 0.0;
    };
    let spent =
        |now: u64, last: u64| u32::try_from(now.saturating_sub(last)).map_or(f64::from(u32::MAX), f64::from);
    let (busy, idle) = (spent(now.busy, last.busy), spent(now.idle, last.idle));
    if busy == 0.0 {
        0.0
    } else {
        100.0 * busy / (busy + idle)
    }
}

fn cores() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count())
}

/// All there is, and what programs could have.
fn memory() -> (u64, u64) {
    procfs::Meminfo::current().map_or((0, 0), |memory| {
        let old = || {
            memory
                .mem_free
                .saturating_add(memory.buffers)
                .saturating_add(memory.cached)
        };
        (memory.mem_total, memory.mem_available.unwrap_or_else(old))
    })
}

/// Received and sent.
fn traffic() -> (u64, u64) {
    let interfaces = procfs::net::dev_status().unwrap_or_default();
    let counted = interfaces.values().filter(|interface| interface.name != "lo");
    counted.fold((0, 0), |(rx, tx): (u64, u64), interface| {
        (
            rx.saturating_add(interface.recv_bytes),
            tx.saturating_add(interface.sent_bytes),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::Address;

    #[test]
    fn usages() {
        let at = |busy, idle| Some(Ticks { busy, idle });
        let check = |last, now, expected: f64| {
            let usage = usage(last, now);
            assert!((usage - expected).abs() < 1e-9, "{last:?} {now:?}: {usage}");
        };
        check(None, at(5, 5), 0.0);
        check(at(5, 5), None, 0.0);
        check(at(5, 5), at(5, 5), 0.0);
        check(at(100, 100), at(116, 184), 16.0);
        check(at(0, 0), at(7, 0), 100.0);
        check(at(0, 10), at(0, 20), 0.0);
        // Time for input and output may go back.
        check(at(0, 10), at(1, 9), 100.0);
        check(at(10, 0), at(9, 1), 0.0);
        check(at(0, 0), at(u64::MAX, u64::MAX), 50.0);
    }

    #[tokio::test]
    async fn this_machine() {
        let nobody = Docker::new(Address::Unix("/nonexistent/docker.sock".into()));
        let mut host = Host::new(true);
        host.root = Some("/".into());
        let first = host.measure(&nobody).await;
        assert!(first.cpu_usage == 0.0 && first.cpu_cores >= 1, "{first:?}");
        assert!(
            first.memory_total > first.memory_free && first.memory_free > 0,
            "{first:?}"
        );
        assert_eq!(first.memory_used, first.memory_total - first.memory_free);
        let disk = first.disk.unwrap();
        assert!(disk.disk_total > 0 && disk.disk_used == disk.disk_total - disk.disk_free);
        let second = host.measure(&nobody).await;
        assert!((0.0..=100.0).contains(&second.cpu_usage), "{second:?}");
        assert!(second.uptime >= first.uptime && first.uptime > 0);
        assert!(second.network_rx_bytes >= first.network_rx_bytes);
    }

    #[tokio::test]
    async fn fields() {
        let nobody = Docker::new(Address::Unix("/nonexistent/docker.sock".into()));
        let names = async |has_disk: bool, root: &str| {
            let mut host = Host::new(has_disk);
            host.root = Some(root.into());
            let metrics = serde_json::to_value(host.measure(&nobody).await).unwrap();
            let names: Vec<String> = metrics.as_object().unwrap().keys().cloned().collect();
            names.join(" ")
        };
        let without =
            "cpuCores cpuUsage memoryFree memoryTotal memoryUsed networkRxBytes networkTxBytes uptime";
        let with = without.replace(" memoryFree", " diskFree diskTotal diskUsed memoryFree");
        assert_eq!(names(true, "/").await, with);
        assert_eq!(names(true, "/nonexistent").await, without);
        assert_eq!(names(false, "/").await, without);
    }
}
