//! What a container uses and has, freezing it, and changing what it may use, while it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bridge::runtime::{Condition, Runtime, RuntimeError};
use wire::ContainerId;
use wire::stats::BlockKind;

use crate::scene::{DEADLINE, Scene};

/// A file of the container's groups, whichever version has it.
fn file(id: &ContainerId, names: &[&str]) -> PathBuf {
    let groups = Scene::groups(id);
    let found = names
        .iter()
        .flat_map(|name| groups.iter().map(move |group| group.join(name)))
        .find(|path| path.exists());
    found.unwrap_or_else(|| panic!("none of {names:?}"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

fn value(id: &ContainerId, names: &[&str]) -> String {
    read(&file(id, names))
}

/// Processor time used so far, in clock ticks, as the kernel counts it for one process.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let words: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    words[11].parse::<u64>().unwrap() + words[12].parse::<u64>().unwrap()
}

fn close(a: u64, b: u64) -> bool {
    a.abs_diff(b) * 100 <= a.max(b)
}

#[test]
fn statistics_are_what_the_files_say() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell(
        "dd if=/dev/zero of=/tmp/f bs=1M count=8 2>/dev/null; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; \
         sleep 600 & echo ready; wait",
    );
    spec.resources.memory_bytes = 256 << 20;
    spec.resources.pids_max = 40;
    let (id, _) = scene.start(spec);
    scene.await_output(&id, "ready");
    // Frozen, so that nothing changes between two looks.
    scene.runtime.freeze(&id, true).unwrap();
    let stats = scene.runtime.stats(&id).unwrap();
    assert!(stats.running && !stats.read_at.is_never());
    let total = match value(&id, &["cpuacct.usage", "cpu.stat"]).parse::<u64>() {
        Ok(ns) => ns,
        Err(_) => {
            let text = value(&id, &["cpu.stat"]);
            let line = text.lines().find(|line| line.starts_with("usage_usec ")).unwrap();
            line["usage_usec ".len()..].parse::<u64>().unwrap() * 1000
        }
    };
    assert!(
        stats.cpu.total_ns > 0 && close(stats.cpu.total_ns, total),
        "{stats:?}"
    );
    let tick = 10_000_000;
    assert!(
        (stats.cpu.user_ns + stats.cpu.kernel_ns).abs_diff(total) <= total / 10 + 4 * tick,
        "{stats:?}"
    );
    let uptime: f64 = read(Path::new("/proc/uptime"))
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(stats.cpu.online > 0 && stats.cpu.machine_ns > 0);
    assert!(stats.cpu.machine_ns <= (uptime * 1.1e9) as u64 * u64::from(stats.cpu.online));
    let memory = stats.memory.as_ref().unwrap();
    let usage: u64 = value(&id, &["memory.usage_in_bytes", "memory.current"])
        .parse()
        .unwrap();
    assert!(close(memory.usage, usage), "{} and {usage}", memory.usage);
    assert_eq!(memory.limit, 256 << 20);
    let counter = |name: &str| {
        let found = memory.counters.iter().find(|counter| counter.name == name);
        found.map(|counter| counter.value)
    };
    assert!(
        counter("cache").or_else(|| counter("file")).unwrap() >= 4 << 20,
        "what was written is cached"
    );
    assert_eq!((stats.pids, stats.pids_max), (2, 40));
    assert!(
        stats.interfaces.is_empty(),
        "a network of its own has loopback only"
    );
    for counter in &stats.block {
        assert!(matches!(counter.kind, BlockKind::Bytes | BlockKind::Operations) || counter.value < u64::MAX);
    }
    scene.runtime.freeze(&id, false).unwrap();
}

#[test]
fn without_a_limit_it_is_the_machines() {
    let mut scene = Scene::new();
    let (id, _) = scene.start(Scene::command(&["sleep", "600"]));
    let stats = scene.runtime.stats(&id).unwrap();
    let text = read(Path::new("/proc/meminfo"));
    let line = text.lines().find(|line| line.starts_with("MemTotal:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(stats.memory.unwrap().limit, kib * 1024);
    assert_eq!(stats.pids_max, 0);
    let never = scene.create(Scene::command(&["true"]));
    assert!(matches!(
        scene.runtime.stats(&never),
        Err(RuntimeError::NotRunning)
    ));
}

#[test]
fn a_scene_takes_along_what_is_frozen() {
    let mut scene = Scene::new();
    let (id, _) = scene.start(Scene::shell("echo ready; exec sleep 1000"));
    scene.await_output(&id, "ready");
    scene.runtime.freeze(&id, true).unwrap();
    // It waits for the end, and looks for what is left.
    drop(scene);
    assert!(Scene::groups(&id).is_empty());
}

#[test]
fn nothing_runs_while_frozen() {
    let mut scene = Scene::new();
    let (id, started) = scene.start(Scene::shell("echo ready; while :; do :; done"));
    scene.await_output(&id, "ready");
    scene.runtime.freeze(&id, true).unwrap();
    let at_first = ticks(started.pid);
    // Other work, for as long as a process that ran would be seen to.
    let until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < until {
        std::thread::yield_now();
    }
    assert_eq!(ticks(started.pid), at_first);
    scene.restart();
    let found = scene.found.iter().find(|found| found.container.id == id).unwrap();
    assert!(matches!(found.condition, Condition::Running { frozen: true, .. }));
    scene.runtime.freeze(&id, false).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while ticks(started.pid) == at_first {
        assert!(Instant::now() < deadline, "it runs again");
        std::thread::yield_now();
    }
    scene.runtime.freeze(&id, true).unwrap();
    scene.runtime.signal(&id, 9).unwrap();
    // On a kernel that lets it die frozen there is nothing left to thaw.
    let _ = scene.runtime.freeze(&id, false);
    assert_eq!(scene.end(&id).code, 137);
    assert!(matches!(
        scene.runtime.freeze(&id, true),
        Err(RuntimeError::NotRunning)
    ));
}

#[test]
fn limits_change_while_it_runs() {
    let mut scene = Scene::new();
    let (id, started) = scene.start(Scene::command(&["sleep", "600"]));
    scene.restart();
    let found = scene.found.iter().find(|found| found.container.id == id).unwrap();
    let mut container = found.container.clone();
    let memory = &["memory.limit_in_bytes", "memory.max"];
    // Up, down, and up again past the old limit of both together.
    for mib in [64u64, 16, 512] {
        container.spec.resources.memory_bytes = mib << 20;
        scene.runtime.update(&container).unwrap();
        assert_eq!(value(&id, memory), (mib << 20).to_string());
    }
    let resources = &mut container.spec.resources;
    resources.cpu_shares = 512;
    resources.nano_cpus = 500_000_000;
    resources.pids_max = 30;
    resources.cpuset_cpus = "0".to_owned();
    scene.runtime.update(&container).unwrap();
    assert!(["512", "20"].contains(&value(&id, &["cpu.shares", "cpu.weight"]).as_str()));
    assert!(["50000", "50000 100000"].contains(&value(&id, &["cpu.cfs_quota_us", "cpu.max"]).as_str()));
    assert_eq!(value(&id, &["pids.max"]), "30");
    assert_eq!(value(&id, &["cpuset.cpus"]), "0");
    let status = read(Path::new(&format!("/proc/{}/status", started.pid)));
    assert!(status.contains("Cpus_allowed_list:\t0\n"), "it was moved there");
    // What the kernel refuses changes nothing, in the groups or on disk.
    let kept = container.clone();
    container.spec.resources.pids_max = 31;
    container.spec.resources.cpuset_cpus = "4000".to_owned();
    assert!(matches!(
        scene.runtime.update(&container),
        Err(RuntimeError::InvalidSpec(_))
    ));
    assert_eq!(value(&id, &["pids.max"]), "30");
    assert_eq!(value(&id, &["cpuset.cpus"]), "0");
    scene.restart();
    let found = scene.found.iter().find(|found| found.container.id == id).unwrap();
    assert_eq!(found.container.spec.resources, kept.spec.resources);
    // Without limits again.
    container.spec.resources = wire::spec::Resources::default();
    scene.runtime.update(&container).unwrap();
    assert_eq!(value(&id, &["pids.max"]), "max");
    assert!(["-1", "max 100000"].contains(&value(&id, &["cpu.cfs_quota_us", "cpu.max"]).as_str()));
    let limit = value(&id, memory);
    assert!(
        limit == "max" || limit.parse::<u64>().unwrap() > 1 << 62,
        "{limit}"
    );
}

#[test]
fn processes_are_listed() {
    let mut scene = Scene::new();
    let (id, started) = scene.start(Scene::shell("sleep 601 & sleep 602 & echo ready; wait"));
    scene.await_output(&id, "ready");
    let deadline = Instant::now() + DEADLINE;
    let processes = loop {
        let processes = scene.runtime.processes(&id).unwrap();
        assert_eq!(processes.len(), 3, "{processes:?}");
        // Each begins as a copy of the shell.
        if processes[1..].iter().all(|process| process.name == "sleep") {
            break processes;
        }
        assert!(Instant::now() < deadline, "{processes:?}");
        std::thread::yield_now();
    };
    let first = &processes[0];
    assert_eq!(
        (first.pid, first.name.as_str(), first.uid),
        (started.pid, "sh", 0)
    );
    assert_eq!(first.arguments[..2], ["sh", "-c"]);
    assert!(first.resident_bytes > 0 && first.virtual_bytes > first.resident_bytes && first.threads == 1);
    let apart = first.started_at.0.abs_diff(started.started_at.0);
    assert!(apart < 2_000_000_000, "{apart} ns apart");
    let mut rest: Vec<&str> = processes[1..].iter().map(|p| p.arguments[1].as_str()).collect();
    rest.sort_unstable();
    assert_eq!(rest, ["601", "602"]);
    assert!(processes[1..].iter().all(|process| process.parent == started.pid));
    scene.runtime.signal(&id, 9).unwrap();
    scene.end(&id);
    assert!(matches!(
        scene.runtime.processes(&id),
        Err(RuntimeError::NotRunning)
    ));
}
