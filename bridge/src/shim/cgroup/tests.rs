use nix::mount::MsFlags;

use super::*;

fn entry(mount_point: &str, file_system: &str, super_options: &str) -> MountEntry {
    MountEntry {
        id: 0,
        mount_point: PathBuf::from(mount_point),
        flags: MsFlags::empty(),
        file_system: file_system.to_owned(),
        super_options: super_options.to_owned(),
    }
}

fn places(layout: &Layout) -> Vec<(String, String)> {
    let id = ContainerId::default();
    let short = |path: &Path| path.display().to_string().replace(id.hex().as_str(), "ID");
    Groups::of(layout, &id)
        .groups
        .into_iter()
        .map(|group| (short(&group.path), group.name))
        .collect()
}

fn pair(path: &str, name: &str) -> (String, String) {
    (path.to_owned(), name.to_owned())
}

#[test]
fn nothing() {
    let layout = Layout::from_mounts(&[entry("/proc", "proc", "rw")]);
    assert_eq!((layout.version(), places(&layout)), ("", Vec::new()));
    assert_eq!(layout.support(), LimitSupport::default());
}

#[test]
fn version_1_with_controllers_together_and_mounted_twice() {
    let layout = Layout::from_mounts(&[
        entry("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
        entry("/sys/fs/cgroup/systemd", "cgroup", "rw,name=systemd"),
        entry("/dev/memcg", "cgroup", "rw,memory"),
        entry("/other", "cgroup", "rw,memory"),
    ]);
    assert_eq!(layout.version(), "1");
    assert_eq!(
        places(&layout),
        [
            pair("/sys/fs/cgroup/cpu,cpuacct/socketd/ID", "cpu,cpuacct"),
            pair("/dev/memcg/socketd/ID", "memcg")
        ]
    );
}

#[test]
fn version_2_alone_is_the_root_itself() {
    let layout = Layout::from_mounts(&[entry("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate")]);
    assert_eq!(
        (layout.version(), places(&layout)),
        ("2", vec![pair("/sys/fs/cgroup/socketd/ID", "")])
    );
}

#[test]
fn both_at_once() {
    let layout = Layout::from_mounts(&[
        entry("/sys/fs/cgroup/pids", "cgroup", "rw,pids"),
        entry("/sys/fs/cgroup/unified", "cgroup2", "rw"),
    ]);
    assert_eq!(layout.version(), "1");
    assert_eq!(
        places(&layout),
        [
            pair("/sys/fs/cgroup/pids/socketd/ID", "pids"),
            pair("/sys/fs/cgroup/unified/socketd/ID", "unified")
        ]
    );
}

/// Directories that stand in for a container's groups.
struct Stage(PathBuf);

impl Stage {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("socketd-cgroup-{}-{name}", std::process::id()));
        fs::create_dir(&path).expect("a fresh directory");
        Self(path)
    }

    /// A group with these controllers and files.
    fn group(&self, version: Version, controllers: &[&str], files: &[(&str, &str)]) -> Group {
        let name = controllers.join(",");
        let path = self.0.join(&name);
        fs::create_dir(&path).expect("a fresh directory");
        for (file, text) in files {
            fs::write(path.join(file), text).expect("written");
        }
        Group {
            path,
            name,
            controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
            version,
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn usage(groups: Vec<Group>) -> wire::Stats {
    let mut stats = wire::Stats::default();
    Groups { groups }.usage(&mut Reader::default(), 100, &mut stats);
    stats
}

fn block(stats: &wire::Stats) -> Vec<(u32, u32, &str, u64)> {
    stats
        .block
        .iter()
        .map(|count| (count.major, count.minor, count.operation.as_str(), count.value))
        .collect()
}

#[test]
fn usage_in_version_1() {
    let stage = Stage::new("v1");
    let (one, cpu_stat) = (
        Version::One,
        "nr_periods 5\nnr_throttled 2\nthrottled_time 1234\n",
    );
    let stats = usage(vec![
        stage.group(one, &["cpu"], &[("cpu.stat", cpu_stat)]),
        stage.group(
            one,
            &["cpuacct"],
            &[
                ("cpuacct.usage", "3000000000\n"),
                ("cpuacct.usage_percpu", "1000000000 2000000000 \n"),
                ("cpuacct.stat", "user 200\nsystem 99\n"),
            ],
        ),
        stage.group(
            one,
            &["memory"],
            &[
                ("memory.usage_in_bytes", "4096\n"),
                ("memory.max_usage_in_bytes", "8192\n"),
                ("memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory.failcnt", "7\n"),
                ("memory.stat", "cache 10\ntotal_inactive_file 20\nbad\n"),
            ],
        ),
        stage.group(one, &["pids"], &[("pids.current", "3\n"), ("pids.max", "max\n")]),
        stage.group(
            one,
            &["blkio"],
            &[
                ("blkio.io_service_bytes_recursive", "Total 0\n"),
                (
                    "blkio.throttle.io_service_bytes_recursive",
                    "8:0 Read 4096\n8:0 Total 4096\n253:1 Write 5\nTotal 4101\n",
                ),
                ("blkio.time_recursive", "8:0 9\n"),
            ],
        ),
    ]);
    let cpu = &stats.cpu;
    assert_eq!(
        (cpu.total_ns, cpu.user_ns, cpu.kernel_ns),
        (3_000_000_000, 2_000_000_000, 990_000_000)
    );
    assert_eq!(cpu.per_cpu_ns, [1_000_000_000, 2_000_000_000]);
    assert_eq!(
        (cpu.periods, cpu.throttled_periods, cpu.throttled_ns),
        (5, 2, 1234)
    );
    let memory = stats.memory.as_ref().expect("it is counted");
    assert_eq!(
        (memory.usage, memory.usage_max, memory.limit, memory.failures),
        (4096, 8192, 0, 7)
    );
    let names: Vec<_> = memory.counters.iter().map(|count| count.name.as_str()).collect();
    assert_eq!(names, ["cache", "total_inactive_file"]);
    assert_eq!((stats.pids, stats.pids_max, stats.group_version), (3, 0, 1));
    assert_eq!(
        block(&stats),
        [
            (8, 0, "Read", 4096),
            (8, 0, "Total", 4096),
            (253, 1, "Write", 5),
            (8, 0, "", 9)
        ]
    );
}

#[test]
fn usage_in_version_2() {
    let stage = Stage::new("v2");
    let stats = usage(vec![stage.group(
        Version::Two,
        &["memory", "cpu", "pids", "io"],
        &[
            (
                "cpu.stat",
                "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 1\nnr_throttled 1\nthrottled_usec 4\n",
            ),
            ("memory.current", "4096\n"),
            ("memory.max", "8192\n"),
            ("memory.events", "low 0\nhigh 0\nmax 6\noom 1\noom_kill 0\n"),
            ("memory.stat", "anon 1\nfile 2\n"),
            ("pids.current", "3\n"),
            ("pids.max", "9\n"),
            ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:16\n"),
        ],
    )]);
    let cpu = &stats.cpu;
    assert_eq!(
        (cpu.total_ns, cpu.user_ns, cpu.kernel_ns, cpu.throttled_ns),
        (3_000_000, 2_000_000, 1_000_000, 4000)
    );
    let memory = stats.memory.as_ref().expect("it is counted");
    assert_eq!((memory.usage, memory.limit, memory.failures), (4096, 8192, 6));
    assert_eq!((stats.pids, stats.pids_max, stats.group_version), (3, 9, 2));
    assert_eq!(
        block(&stats),
        [
            (8, 0, "Read", 1),
            (8, 0, "Write", 2),
            (8, 0, "Read", 3),
            (8, 0, "Write", 4)
        ]
    );
}

#[test]
fn usage_with_both_versions_and_with_none() {
    let stage = Stage::new("both");
    let stats = usage(vec![
        stage.group(Version::One, &["pids"], &[("pids.current", "3\n")]),
        stage.group(
            Version::Two,
            &["memory"],
            &[("memory.current", "4096\n"), ("cpu.stat", "usage_usec 7\n")],
        ),
    ]);
    let memory = stats.memory.as_ref().map(|memory| memory.usage);
    assert_eq!(
        (stats.pids, memory, stats.cpu.total_ns, stats.group_version),
        (3, Some(4096), 7000, 1)
    );
    assert_eq!(usage(Vec::new()), wire::Stats::default());
}

#[test]
fn freezing_in_version_1_and_where_it_cannot_be() {
    let stage = Stage::new("freezer");
    let groups = Groups {
        groups: vec![stage.group(Version::One, &["freezer"], &[("freezer.state", "THAWED\n")])],
    };
    assert_eq!(groups.frozen(), Some(false));
    groups.freeze(true).expect("frozen");
    assert_eq!(groups.frozen(), Some(true));
    groups.freeze(false).expect("thawed");
    assert_eq!(groups.frozen(), Some(false));
    let none = Groups {
        groups: vec![stage.group(Version::Two, &["pids"], &[])],
    };
    assert_eq!(none.frozen(), None);
    assert_eq!(
        none.freeze(true).map_err(|error| error.kind()),
        Err(io::ErrorKind::Unsupported)
    );
}

#[test]
fn members_of_groups_within_are_members() {
    let stage = Stage::new("members");
    let group = stage.group(Version::Two, &["pids"], &[("cgroup.procs", "30\n10\n")]);
    fs::create_dir(group.path.join("within")).expect("made");
    fs::write(group.path.join("within/cgroup.procs"), "20\n10\n").expect("written");
    let groups = Groups { groups: vec![group] };
    assert_eq!(groups.processes(10), Some(vec![10, 20, 30]));
    assert_eq!(groups.processes(1), Some(vec![30]));
    assert_eq!(Groups::default().processes(10), None);
}

#[test]
fn memory_grows_and_shrinks_in_the_order_the_kernel_takes() {
    let stage = Stage::new("memory");
    let limit = "memory.limit_in_bytes";
    let group = stage.group(
        Version::One,
        &["memory"],
        &[(limit, "100"), ("memory.memsw.limit_in_bytes", "200")],
    );
    let limits = |memory: u64, together: u64| {
        let resources = wire::spec::Resources {
            memory_bytes: memory << 20,
            memory_swap_bytes: i64::try_from(together << 20).expect("small"),
            ..Default::default()
        };
        GroupLimits::new(&resources).expect("they agree")
    };
    let read = |file: &str| fs::read_to_string(group.path.join(file)).expect("there");
    v1::change_memory(&group, &limits(300, 400)).expect("written");
    assert_eq!(
        (read(limit), read("memory.memsw.limit_in_bytes")),
        ((300u64 << 20).to_string(), (400u64 << 20).to_string())
    );
    v1::change_memory(&group, &limits(0, 0)).expect("written");
    assert_eq!(
        (read(limit), read("memory.memsw.limit_in_bytes")),
        ("-1".to_owned(), "-1".to_owned())
    );
}

#[test]
fn a_group_that_somebody_else_made() {
    let top = std::env::temp_dir().join(format!("socketd-found-{}", std::process::id()));
    let place = top.join("them/one");
    fs::create_dir_all(place.join("inner")).expect("it is made");
    for (file, text) in [
        ("cgroup.controllers", "cpu memory\n"),
        ("cgroup.procs", "7\n5\n"),
        ("inner/cgroup.procs", "6\n"),
        ("cpu.stat", "usage_usec 3\nuser_usec 1\nsystem_usec 2\n"),
        ("memory.current", "4096\n"),
        ("memory.max", "max\n"),
        // There is no such controller.
        ("pids.current", "9\n"),
    ] {
        fs::write(place.join(file), text).expect("it is written");
    }
    let layout = Layout {
        v1: Vec::new(),
        v2: Some(Unified {
            mount_point: top.clone(),
            controllers: vec!["pids".to_owned()],
        }),
    };
    let found = Groups::found(&layout, Path::new("them/one")).expect("it is there");
    assert_eq!(found.processes(10), Some(vec![5, 6, 7]));
    let mut stats = wire::stats::Stats::default();
    found.usage(&mut Reader::default(), 100, &mut stats);
    assert_eq!(
        (stats.cpu.total_ns, stats.pids, stats.group_version),
        (3000, 0, 2)
    );
    assert_eq!(
        stats.memory.map(|memory| (memory.usage, memory.limit)),
        Some((4096, 0))
    );
    assert!(Groups::found(&layout, Path::new("them/two")).is_none());
    assert!(Groups::found(&Layout::default(), Path::new("them/one")).is_none());
    fs::remove_dir_all(top).expect("it goes");
}
