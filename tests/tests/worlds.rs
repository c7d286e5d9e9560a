//! Each world is what it says, and a container lives in it from beginning to end. `tests/worlds` runs the whole suite there.

use std::fs;
use std::path::PathBuf;

use harness::binaries::binaries;
use harness::{Docker, Pair, World, rootfs};
use serde_json::json;

/// What a daemon sees of its world.
struct Seen {
    pid: i32,
}

impl Seen {
    fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    fn mounts(&self) -> String {
        fs::read_to_string(format!("/proc/{}/mountinfo", self.pid)).unwrap()
    }

    /// How many filters of system calls its first thread has; kernels before 5.9 do not say.
    fn filters(&self) -> u32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Seccomp_filters:"));
        line.expect("a kernel that counts filters")
            .trim()
            .parse()
            .unwrap()
    }
}

/// All that a container can do, and that the daemons go and come meanwhile.
fn live(pair: &mut Pair) {
    let docker = pair.docker();
    docker.import("bb:latest", &rootfs::busybox());
    let body = json!({
        "Image": "bb:latest", "StopTimeout": 1, "User": "ana",
        "Cmd": ["/bin/sh", "-c", "trap 'exit 4' TERM; id -u; while :; do sleep 1000 & wait; done"],
        "HostConfig": { "Memory": 64 << 20, "PidsLimit": 50, "Init": true }
    });
    docker.create_from("web", &body);
    docker.start("web");
    let exec = docker.post_json(
        "/containers/web/exec",
        &json!({ "AttachStdout": true, "Cmd": ["id", "-u"] }),
    );
    let path = format!("/exec/{}/start", exec.expect(201).json()["Id"].as_str().unwrap());
    let said = docker.post_json(&path, &json!({})).expect(200).body;
    assert!(said.ends_with(b"1000\n"), "{said:?}");
    docker.post("/containers/web/pause").expect(204);
    assert_eq!(docker.inspect("web")["State"]["Paused"], true);
    docker.post("/containers/web/unpause").expect(204);
    let stats = docker
        .get("/containers/web/stats?stream=false")
        .expect(200)
        .json();
    assert!(stats["memory_stats"]["usage"].as_u64().unwrap() > 0, "{stats}");
    let tar = docker
        .get("/containers/web/archive?path=/etc/passwd")
        .expect(200)
        .body;
    assert!(tar.windows(3).any(|text| text == b"ana"));

    pair.bridge().crash();
    pair.restart_bridge();
    assert_eq!(docker.inspect("web")["State"]["Running"], true);
    docker.post("/containers/web/stop?t=20").expect(204);
    assert_eq!(docker.wait("web"), 4);
    let log = docker.get("/containers/web/logs?stdout=1").expect(200).body;
    assert!(log.ends_with(b"1000\n"), "{log:?}");
    fails_as_told(&docker);
    docker.delete("/containers/web").expect(204);
}

fn fails_as_told(docker: &Docker) {
    let body = json!({ "Image": "bb:latest", "Cmd": ["/nothere"] });
    docker.create_from("wrong", &body);
    let answer = docker.post("/containers/wrong/start");
    assert_eq!(answer.status, 400, "{answer}");
    docker.delete("/containers/wrong").expect(204);
}

fn check(world: World, as_said: impl Fn(&Seen)) {
    let mut pair = Pair::start_in_world(world, &[]);
    for pid in [pair.bridge().pid(), pair.socketd().pid()] {
        as_said(&Seen { pid });
    }
    live(&mut pair);
    let log = pair.socketd().log();
    // What a world does not have is said, once, and the others stand.
    let lacks = |wall: &str| log.matches(wall).count();
    let walls = (lacks("no landlock"), lacks("no system call filters"));
    let expected = match world {
        World::Linux3_10 => (1, 1),
        World::Linux4_14 | World::Linux5_4 | World::Android => (1, 0),
        World::CgroupV1 => (0, 0),
    };
    assert_eq!(walls, expected, "{log}");
}

#[test]
fn linux_3_10() {
    check(World::Linux3_10, |seen| assert!(seen.filters() > 0));
}

#[test]
fn linux_4_14() {
    check(World::Linux4_14, |seen| assert!(seen.filters() > 0));
}

#[test]
fn linux_5_4() {
    check(World::Linux5_4, |seen| assert!(seen.filters() > 0));
}

#[test]
fn android() {
    check(World::Android, |seen| {
        assert!(seen.filters() > 0);
        for missing in ["/system/etc/passwd", "/run", "/tmp", "/var", "/home", "/usr/bin"] {
            // Where the daemons' programs lie, a way leads to them.
            let way = binaries().bridge.starts_with(missing);
            assert!(way || !seen.inside(missing).exists(), "{missing}");
        }
        for there in ["/system/bin/sh", "/data", "/dev/cpuset"] {
            assert!(seen.inside(there).exists(), "{there}");
        }
        for unwritable in ["/", "/system", "/mnt"] {
            let made = fs::create_dir(seen.inside(unwritable).join("made"));
            assert!(made.is_err(), "{unwritable} can be written to");
        }
        assert!(!seen.mounts().contains(" /sys/fs/cgroup"), "{}", seen.mounts());
    });
}

#[test]
fn control_groups_of_the_first_version_alone() {
    check(World::CgroupV1, |seen| {
        let mounts = seen.mounts();
        assert!(
            mounts.contains(" - cgroup ") && !mounts.contains(" - cgroup2 "),
            "{mounts}"
        );
    });
}
