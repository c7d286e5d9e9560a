//! What the agent says of its machine, held against what the machine's own files say.

use std::collections::BTreeMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::Agent;
use harness::dockhand::Options;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::statvfs::statvfs;
use nix::unistd::Pid;
use serde_json::Value;

use crate::scene::Scene;

/// What other programs may take of memory or of the disk between two looks: a quarter of all there is.
const SHARE: u64 = 4;
/// How far the busyness of half a minute may be from ours of about the same span. Whoever is late to look is so because
/// everything is busy, before and after.
const POINTS: f64 = 20.0;
/// What interfaces may have carried that came and went in between, in bytes.
const PASSING: u64 = 64 << 20;

/// The machine at one moment.
struct Look {
    /// Ticks of all processors: busy, and idle.
    ticks: (u64, u64),
    /// Seconds since it started.
    uptime: u64,
    /// Seconds since 1970.
    now: u64,
    /// Received and sent by each interface but the loopback.
    interfaces: BTreeMap<String, (u64, u64)>,
}

impl Look {
    fn take() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap();
        let stat = read("/proc/stat");
        let fields: Vec<u64> = stat
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|field| field.parse().unwrap())
            .collect();
        let network = read("/proc/net/dev");
        let interfaces = network.lines().filter_map(|line| {
            let (name, counts) = line.split_once(':')?;
            let counts: Vec<u64> = counts
                .split_whitespace()
                .map(|count| count.parse().unwrap())
                .collect();
            Some((name.trim().to_owned(), (counts[0], counts[8])))
        });
        let uptime = read("/proc/uptime");
        Self {
            ticks: (fields[0] + fields[1] + fields[2], fields[3] + fields[4]),
            uptime: uptime.split('.').next().unwrap().parse().unwrap(),
            now: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
            interfaces: interfaces.filter(|(name, _)| name != "lo").collect(),
        }
    }
}

/// So many bytes, as `/proc/meminfo` has them.
fn memory(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: u64 = line
        .trim_start_matches(':')
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    kib * 1024
}

#[track_caller]
fn number(metrics: &Value, name: &str) -> u64 {
    metrics[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name}: {metrics}"))
}

#[track_caller]
fn near(metrics: &Value, name: &str, expected: u64, slack: u64) {
    let value = number(metrics, name);
    assert!(
        value.abs_diff(expected) <= slack,
        "{name} is {value}, not about {expected}"
    );
}

#[track_caller]
fn between(metrics: &Value, name: &str, least: u64, most: u64) {
    let value = number(metrics, name);
    assert!(
        (least..=most).contains(&value),
        "{name} is {value}, not in {least}..={most}"
    );
}

/// Of each direction what was carried at least, and what at most: others' interfaces come and go.
fn carried(before: &Look, after: &Look, of: impl Fn(&(u64, u64)) -> u64) -> (u64, u64) {
    let mut bounds = (0, PASSING);
    for (name, counts) in &before.interfaces {
        let later = after.interfaces.get(name);
        bounds.0 += later.map_or(0, |_| of(counts));
        bounds.1 += later.map_or(of(counts), |later| of(later).max(of(counts)));
    }
    let new = after.interfaces.iter();
    let new = new.filter(|(name, _)| !before.interfaces.contains_key(*name));
    bounds.1 += new.map(|(_, counts)| of(counts)).sum::<u64>();
    bounds
}

/// The first measure is told after half a minute, so two agents are waited for at once: one that tells of disks, and one
/// that does not.
#[test]
fn what_it_says_of_the_machine() {
    let scene = Scene::start_with(Options::quick(), |agent| agent);
    let token = scene.server.make_token(2);
    let dir = scene.pair.dir().join("other");
    let other = Agent::new(scene.pair.unix(), &scene.server.url(), &token, &dir);
    let _other = other.with("SKIP_DF_COLLECTION", "true").start();
    scene.server.connected(2);
    let before = Look::take();
    let measured = |environment: u64| {
        let what = format!("metrics of environment {environment}");
        scene.server.until_long(&what, |seen| {
            let mut own = seen.metrics.iter();
            own.find(|(of, _)| *of == environment)
                .map(|(_, message)| message.clone())
        })
    };
    let message = measured(1);
    let after = Look::take();
    between(&message, "timestamp", before.now, after.now);
    let metrics = &message["metrics"];
    let busy = (after.ticks.0 - before.ticks.0) as f64;
    let ours = 100.0 * busy / (busy + (after.ticks.1 - before.ticks.1) as f64);
    let usage = metrics["cpuUsage"].as_f64().unwrap();
    assert!((0.0..=100.0).contains(&usage), "{metrics}");
    assert!((usage - ours).abs() < POINTS, "{usage}, not about {ours}");
    let processors = sched_getaffinity(Pid::from_raw(scene.agent.pid())).unwrap();
    let count = (0..CpuSet::count()).filter(|at| processors.is_set(*at).unwrap());
    near(metrics, "cpuCores", count.count() as u64, 0);
    let total = memory("MemTotal");
    near(metrics, "memoryTotal", total, 0);
    near(metrics, "memoryFree", memory("MemAvailable"), total / SHARE);
    near(metrics, "memoryUsed", total - number(metrics, "memoryFree"), 0);
    between(metrics, "uptime", before.uptime, after.uptime);
    for (name, of) in [
        ("networkRxBytes", (|counts| counts.0) as fn(&(u64, u64)) -> u64),
        ("networkTxBytes", |counts| counts.1),
    ] {
        let (least, most) = carried(&before, &after, of);
        between(metrics, name, least, most);
    }
    // The disk is the one that the engine says its files are on.
    let info = scene.docker().get("/info").expect(200).json();
    let disk = statvfs(info["DockerRootDir"].as_str().unwrap()).unwrap();
    let total = disk.blocks() * disk.fragment_size();
    near(metrics, "diskTotal", total, 0);
    near(
        metrics,
        "diskFree",
        disk.blocks_available() * disk.fragment_size(),
        total / SHARE,
    );
    near(metrics, "diskUsed", total - number(metrics, "diskFree"), 0);
    // And nothing else is told.
    assert_eq!(metrics.as_object().unwrap().len(), 11, "{metrics}");
    let without = measured(2);
    let names: Vec<&str> = without["metrics"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .filter(|name| name.starts_with("disk"))
        .collect();
    assert_eq!(names, [""; 0]);
    assert_eq!(without["metrics"].as_object().unwrap().len(), 8, "{without}");
}
