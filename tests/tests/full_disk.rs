//! A disk that is full under the journal: what cannot be told is not done, what happened all the
//! same is not lost, and everything is well again once the disk is.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::{Docker, Pair, pace, rootfs};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Room for the journal, enough for its first events.
const DISK: &str = "size=256k,mode=700";
/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A small file system under the journal, which only this thread and what it starts can see.
struct SmallDisk {
    journal: PathBuf,
}

impl SmallDisk {
    fn mount_below(dir: &Path) {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let journal = dir.join("bridge/journal");
        fs::create_dir_all(&journal).unwrap();
        mount(
            Some("small"),
            &journal,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(DISK),
        )
        .unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.journal.join("filler")
    }

    fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.journal, MntFlags::MNT_DETACH);
    }
}

/// Makes containers until one is refused: the last page of the journal may still have room.
fn exhaust(docker: &Docker) -> String {
    let body =
        serde_json::json!({"Image": "bb:latest", "Cmd": ["true"], "Labels": {"room": "x".repeat(1000)}});
    for number in 0..100 {
        let answer = docker.post_json(&format!("/containers/create?name=last{number}"), &body);
        if answer.status != 201 {
            assert_eq!(answer.status, 500, "{answer}");
            return answer.message();
        }
    }
    panic!("a full disk took a hundred events");
}

#[test]
fn nothing_is_done_that_cannot_be_told_and_nothing_told_is_lost() {
    let pair = Pair::start_in(SmallDisk::mount_below);
    let disk = SmallDisk {
        journal: pair.dir().join("bridge/journal"),
    };
    let docker = pair.docker();
    docker.import("bb:latest", &rootfs::busybox());
    docker.run("worker", "exec sleep 100000");
    disk.fill();

    let message = exhaust(&docker);
    assert!(message.contains("journal cannot be written"), "{message}");
    let refused = docker.post("/containers/worker/stop?t=0");
    assert_eq!(refused.status, 500, "{refused}");
    let before = docker.get("/containers/json?all=1").expect(200).json();

    // It ends by itself: the list says so although the journal cannot.
    let pid = docker.inspect("worker")["State"]["Pid"].as_i64().unwrap();
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
    pace::until("the end is seen", LIMIT, || {
        (docker.inspect("worker")["State"]["Status"] == "exited").then_some(())
    });
    assert_eq!(docker.inspect("worker")["State"]["ExitCode"], 137);
    let after = docker.get("/containers/json?all=1").expect(200).json();
    assert_eq!(before.as_array().map(Vec::len), after.as_array().map(Vec::len));

    disk.empty();
    docker.create("again", "true");
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    let worker = "%7B%22container%22%3A%5B%22worker%22%5D%7D";
    let events = docker.events(&format!("since=0&until={soon}&filters={worker}"));
    let actions: Vec<_> = events
        .iter()
        .map(|event| event["Action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["create", "start", "die"]);
    assert_eq!(events[2]["Actor"]["Attributes"]["exitCode"], "137");
}
