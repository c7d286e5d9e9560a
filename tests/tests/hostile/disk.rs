//! A container that fills the disk under everything.

use std::fs;
use std::path::Path;

use harness::{Pair, pace, rootfs};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use crate::scene::{PROMPT, promptly};

/// A small disk under the whole state directory, which only this thread and what it starts can see.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount_at(dir: &Path) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let place = dir.join("bridge");
        fs::create_dir(&place).unwrap();
        let options = Some("size=24m,mode=700");
        mount(Some("small"), &place, Some("tmpfs"), MsFlags::empty(), options).unwrap();
        Self(place)
    }
}

impl Drop for SmallDisk {
    /// After the pair in a test that fails: then its directory could not be removed for this mount.
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        if std::thread::panicking() {
            let _ = self.0.parent().map(fs::remove_dir_all);
        }
    }
}

#[test]
fn a_container_that_fills_the_disk_is_stopped_and_removed_all_the_same() {
    let mut disk = None;
    let pair = Pair::start_in(|dir| disk = Some(SmallDisk::mount_at(dir)));
    let docker = pair.docker();
    docker.import("bb:latest", &rootfs::busybox());
    docker.run(
        "other",
        "trap 'exit 0' TERM; echo here; while :; do sleep 0.1; done",
    );
    docker.run(
        "greedy",
        "cat /dev/zero > /filler; echo full > /dev/stderr; while :; do echo more; echo x >> /more; done 2>/dev/null",
    );
    let seen = |name: &str| {
        let logs = docker.get(&format!("/containers/{name}/logs?stdout=1&stderr=1"));
        String::from_utf8_lossy(&logs.expect(200).body).into_owned()
    };
    let directory = pair.dir().join("bridge");
    let full = || nix::sys::statvfs::statvfs(&directory).unwrap().blocks_available() == 0;
    pace::until("the disk is full", PROMPT, || full().then_some(()));
    // What only shows, shows; what runs, runs.
    for path in [
        "/containers/json?all=1",
        "/containers/other/json",
        "/containers/other/top",
        "/containers/other/archive?path=/etc/plain",
        "/containers/greedy/changes",
        "/system/df",
        "/info",
    ] {
        promptly(path, || {
            docker.get(path).expect(200);
        });
    }
    assert!(seen("other").contains("here"));
    assert_eq!(docker.inspect("other")["State"]["Running"], true);
    // What cannot be told is not done; so the end of the greedy one is its own, or its owner's who makes room.
    let killed = docker.post("/containers/greedy/kill");
    if killed.status != 204 {
        assert_eq!(killed.status, 500, "{killed}");
        assert!(killed.message().contains("journal"), "{}", killed.message());
        let id = docker.inspect("greedy")["Id"].as_str().unwrap().to_owned();
        let filler = directory.join("native/containers").join(id).join("upper/filler");
        fs::remove_file(filler).unwrap();
        docker.post("/containers/greedy/kill").expect(204);
    }
    docker.wait("greedy");
    promptly("its removal", || {
        docker.delete("/containers/greedy?force=1").expect(204);
    });
    assert!(!full(), "what it took is not given back");
    let body = json!({ "Image": "bb:latest", "Cmd": ["true"] });
    docker.create_from("next", &body);
    docker.start("next");
    assert_eq!(docker.wait("next"), 0);
    assert_eq!(docker.inspect("other")["State"]["Running"], true);
    // Before the pair goes, which removes the directory that this is mounted in.
    for name in ["next", "other"] {
        docker.delete(&format!("/containers/{name}?force=1")).expect(204);
    }
    drop(disk);
    drop(pair);
}
