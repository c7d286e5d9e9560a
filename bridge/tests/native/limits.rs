//! Limits, and what happens at them.

use std::fs;

use bridge::runtime::{Runtime, RuntimeError};
use wire::spec::Ulimit;

use crate::scene::Scene;

#[test]
fn too_much_memory_is_an_oom_kill() {
    let mut scene = Scene::new();
    let mut spec = Scene::command(&["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]);
    spec.resources.memory_bytes = 16 << 20;
    spec.resources.memory_swap_bytes = 16 << 20;
    let exit = scene.run(spec).exit;
    assert_eq!((exit.code, exit.oom, exit.unknown), (137, true, false));
}

#[test]
fn too_many_processes() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("for i in 1 2 3 4 5 6 7 8; do sleep 60 & done");
    spec.resources.pids_max = 4;
    let outcome = scene.run(spec);
    assert!(outcome.error.contains("fork"), "{outcome:?}");
}

#[test]
fn limits_are_written_where_the_kernel_looks() {
    let mut scene = Scene::new();
    let mut spec = Scene::command(&["sleep", "600"]);
    spec.resources.nano_cpus = 500_000_000;
    spec.resources.cpu_shares = 512;
    spec.resources.memory_bytes = 64 << 20;
    spec.resources.pids_max = 50;
    spec.resources.cpuset_cpus = "0".to_owned();
    let (id, started) = scene.start(spec);
    let groups = Scene::groups(&id);
    let value = |names: &[&str]| {
        let found = groups
            .iter()
            .flat_map(|group| names.iter().map(|name| group.join(name)))
            .find(|path| path.exists());
        fs::read_to_string(found.unwrap_or_else(|| panic!("{names:?}")))
            .unwrap()
            .trim()
            .to_owned()
    };
    assert!(["50000", "50000 100000"].contains(&value(&["cpu.cfs_quota_us", "cpu.max"]).as_str()));
    assert!(["512", "20"].contains(&value(&["cpu.shares", "cpu.weight"]).as_str()));
    assert_eq!(
        value(&["memory.limit_in_bytes", "memory.max"]),
        (64 << 20).to_string()
    );
    assert_eq!(value(&["pids.max"]), "50");
    assert_eq!(value(&["cpuset.cpus"]), "0");
    for group in &groups {
        assert_eq!(
            fs::read_to_string(group.join("cgroup.procs")).unwrap().trim(),
            started.pid.to_string(),
            "{group:?}"
        );
    }
}

#[test]
fn limits_of_the_process() {
    let mut scene = Scene::new();
    let ulimit = |soft, hard| {
        vec![Ulimit {
            name: "nofile".to_owned(),
            soft,
            hard,
        }]
    };
    let mut spec = Scene::shell("ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj");
    spec.resources.ulimits = ulimit(100, 200);
    spec.resources.oom_score_adjustment = 77;
    assert_eq!(scene.output(spec), "100\n200\n77\n");
    let mut spec = Scene::shell("true");
    spec.resources.ulimits = ulimit(200, 100);
    assert!(matches!(
        scene.try_create(spec),
        Err(RuntimeError::InvalidSpec(_))
    ));
    if !caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_SYS_RESOURCE).unwrap() {
        let mut spec = Scene::shell("true");
        spec.resources.ulimits = ulimit(100, 1_000_000);
        let failure = scene.failure(spec);
        assert!(
            matches!(&failure, RuntimeError::InvalidSpec(text) if text.contains("1000000")),
            "{failure:?}"
        );
    }
}

#[test]
fn a_limit_the_kernel_refuses_leaves_nothing() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell("true");
    spec.resources.cpuset_cpus = "4095".to_owned();
    let id = scene.create(spec);
    let failure = scene
        .runtime
        .start(&id)
        .expect_err("there are not so many processors");
    assert!(matches!(failure, RuntimeError::InvalidSpec(_)), "{failure:?}");
    assert_eq!(Scene::groups(&id), Vec::<std::path::PathBuf>::new());
}
