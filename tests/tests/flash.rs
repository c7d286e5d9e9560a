//! A disk of a phone: it may hang for seconds when it writes, and every byte wears it.
//!
//! An ext4 of its own on a loop device lies under the journal. Frozen, it takes neither a write nor a sync until it is
//! thawed, as flash that is busy with itself; the kernel counts what reaches the device.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::docker::acts;
use harness::{Docker, Pair, rootfs};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

/// Bytes of the device: a phone's smallest partitions are larger.
const DEVICE_BYTES: u64 = 16 << 20;
/// A list is answered from memory within this, however long the disk hangs.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How many lives the count of bytes is taken over.
const LIVES: u64 = 20;

/// An ext4 under the journal that only this thread and what it starts can see.
struct Flash {
    journal: PathBuf,
    device: PathBuf,
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Flash {
    fn mount_below(dir: &Path) -> Self {
        let (file, journal) = (dir.join("flash"), dir.join("bridge/journal"));
        fs::File::create(&file).unwrap().set_len(DEVICE_BYTES).unwrap();
        // Blocks as on a phone.
        run("mkfs.ext4", &["-q", "-b", "4096", file.to_str().unwrap()]);
        let device = run("losetup", &["--find", "--show", file.to_str().unwrap()]).into();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        fs::create_dir_all(&journal).unwrap();
        mount(
            Some(&device),
            &journal,
            Some("ext4"),
            MsFlags::MS_NOATIME,
            None::<&str>,
        )
        .unwrap();
        Self { journal, device }
    }

    fn freeze(&self) -> Frozen<'_> {
        run("fsfreeze", &["--freeze", self.journal.to_str().unwrap()]);
        Frozen(self)
    }

    /// Bytes that the device was given to write so far.
    fn written(&self) -> u64 {
        let name = self.device.file_name().unwrap().to_str().unwrap();
        let stat = fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
        stat.split_whitespace().nth(6).unwrap().parse::<u64>().unwrap() * 512
    }

    /// Bytes of the journal's files.
    fn kept(&self) -> u64 {
        let files = fs::read_dir(&self.journal).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap())
            .filter(fs::Metadata::is_file)
            .map(|file| file.len())
            .sum()
    }
}

impl Drop for Flash {
    fn drop(&mut self) {
        let _ = umount2(&self.journal, MntFlags::MNT_DETACH);
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}

/// Thawed when dropped, or nobody would get at it any more.
struct Frozen<'f>(&'f Flash);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["--unfreeze", self.0.journal.to_str().unwrap()]);
    }
}

fn begin() -> (Pair, Flash) {
    let mut flash = None;
    let pair = Pair::start_in(|dir| flash = Some(Flash::mount_below(dir)));
    pair.docker().import("bb:latest", &rootfs::busybox());
    (pair, flash.unwrap())
}

fn everything(docker: &Docker, last: &str) -> Vec<String> {
    let is_last = |event: &Value| acts(std::slice::from_ref(event)) == [last];
    acts(&docker.follow("since=0").up_to(is_last))
}

#[track_caller]
fn at_once(docker: &Docker, path: &str) -> Value {
    let begin = Instant::now();
    let answer = docker.get(path).expect(200).json();
    assert!(begin.elapsed() < AT_ONCE, "{path}: {:?}", begin.elapsed());
    answer
}

#[test]
fn while_the_disk_hangs_everything_is_answered_that_changes_nothing() {
    let (pair, flash) = begin();
    let docker = pair.docker();
    docker.run("worker", "exec sleep 100000");
    docker.create("waits", "true");
    let mut live = docker.follow("");
    let frozen = flash.freeze();
    let starts: Vec<_> = (0..8)
        .map(|number| {
            let docker = docker.clone();
            thread::spawn(move || docker.create(&format!("new{number}"), "true"))
        })
        .collect();
    let stops = thread::spawn({
        let docker = docker.clone();
        move || docker.post("/containers/worker/kill").expect(204)
    });
    for _ in 0..10 {
        let list = at_once(&docker, "/containers/json?all=1");
        let names: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["Names"][0].as_str().unwrap())
            .collect();
        assert_eq!(names, ["/waits", "/worker"], "what is not durable is not told");
        at_once(&docker, "/containers/worker/json");
        at_once(&docker, "/info");
        at_once(&docker, "/_socketd/health");
    }
    assert!(
        starts.iter().all(|start| !start.is_finished()),
        "answered before it was durable"
    );
    assert!(!stops.is_finished());
    drop(frozen);
    for start in starts {
        start.join().unwrap();
    }
    stops.join().unwrap();
    assert_eq!(docker.wait("worker"), 137);
    docker.create("last", "true");
    let seen = acts(&live.up_to(|event| acts(std::slice::from_ref(event)) == ["create last"]));
    let created = seen.iter().filter(|act| act.starts_with("create new")).count();
    assert_eq!((created, seen.len()), (8, 11), "and kill, die, create: {seen:?}");
    let told = everything(&docker, "create last");
    assert_eq!(
        told[told.len() - seen.len()..],
        seen[..],
        "in the same order for everybody"
    );
}

#[test]
fn a_bridge_that_is_killed_while_the_disk_hangs_has_lost_nothing_that_it_told() {
    let (mut pair, flash) = begin();
    let docker = pair.docker();
    docker.run("worker", "exec sleep 100000");
    let frozen = flash.freeze();
    let create = thread::spawn({
        let docker = docker.clone();
        let body = json!({ "Image": "bb:latest", "Cmd": ["true"] });
        move || docker.post_json("/containers/create?name=late", &body).status
    });
    at_once(&docker, "/containers/json");
    pair.bridge().signal(nix::sys::signal::Signal::SIGKILL);
    // It goes as soon as the disk lets go of it.
    drop(frozen);
    pair.bridge().wait();
    assert_ne!(create.join().unwrap(), 0);
    pair.restart_bridge();
    assert_eq!(docker.inspect("worker")["State"]["Running"], true);
    assert_eq!(
        everything(&docker, "start worker"),
        ["create worker", "start worker"]
    );
}

#[test]
fn a_disk_that_stutters_slows_what_is_done_and_nothing_else() {
    const WORKERS: usize = 4;
    let (pair, flash) = begin();
    let docker = pair.docker();
    let mut live = docker.follow("");
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let docker = docker.clone();
            thread::spawn(move || {
                for round in 0..3 {
                    let name = format!("w{worker}r{round}");
                    docker.run(&name, "exit 3");
                    assert_eq!(docker.wait(&name), 3);
                    docker.delete(&format!("/containers/{name}")).expect(204);
                }
            })
        })
        .collect();
    let mut stutters = 0;
    while !workers.iter().all(thread::JoinHandle::is_finished) {
        let frozen = flash.freeze();
        for _ in 0..20 {
            at_once(&docker, "/containers/json?all=1");
        }
        drop(frozen);
        stutters += 1;
    }
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert!(stutters > 3, "{stutters}");
    docker.create("last", "true");
    let seen = acts(&live.up_to(|event| acts(std::slice::from_ref(event)) == ["create last"]));
    assert_eq!(seen, everything(&docker, "create last"));
    for worker in 0..WORKERS {
        for round in 0..3 {
            let name = format!("w{worker}r{round}");
            let own = seen.iter().filter_map(|act| act.strip_suffix(&name));
            assert_eq!(
                own.collect::<Vec<_>>(),
                ["create ", "start ", "die ", "destroy "],
                "{name}"
            );
        }
    }
}

/// What the documents say an event costs.
#[test]
fn an_event_costs_few_bytes() {
    let (pair, flash) = begin();
    let docker = pair.docker();
    docker.run("warm", "exit 0");
    docker.wait("warm");
    let (kept, written) = (flash.kept(), flash.written());
    for _ in 0..LIVES {
        docker.start("warm");
        docker.wait("warm");
    }
    // Start, die, and the network's connect and disconnect, in two syncs.
    let (kept, written) = (flash.kept() - kept, flash.written() - written);
    let (event, life) = (kept / (4 * LIVES), written / LIVES);
    assert!((100..400).contains(&event), "{event} bytes of an event are kept");
    assert!(
        life < 64 * 1024,
        "{life} bytes reach the device for a start and an end"
    );
    let figures = format!("{event} bytes kept an event; {life} bytes reach an ext4 for a start and an end\n");
    let _ = std::io::stderr().write_all(figures.as_bytes());
}
