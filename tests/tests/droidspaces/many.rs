//! A thousand containers on a machine that has much else to do.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::pace;

use crate::phone::{LIMIT, Phone};

const COUNT: usize = 1000;
const OTHERS: usize = 800;
const LISTS: u64 = 50;

/// Other processes of the machine; they end with this value.
struct Others(Vec<Child>);

impl Others {
    fn new() -> Self {
        let one = || {
            let mut command = Command::new("sleep");
            command.arg("1000").stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(Stdio::null()).spawn().unwrap()
        };
        let mut own = Self(Vec::new());
        // One by one, so that those that are there end where the next cannot be started.
        (0..OTHERS).for_each(|_| own.0.push(one()));
        own
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

/// Calls of the kernel that read, and clock ticks in all, of a process so far.
fn spent(pid: i32) -> (u64, u64) {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let reads = io.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (reads.parse().unwrap(), ticks)
}

fn names(phone: &Phone) -> Vec<String> {
    let list = phone.list();
    let mut names: Vec<String> = list
        .iter()
        .map(|item| item["Names"][0].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// How long it takes until a list shows a change.
#[track_caller]
fn shows(phone: &Phone, what: &str, seen: impl Fn(&[String]) -> bool) {
    let begin = Instant::now();
    pace::until(what, LIMIT, || seen(&names(phone)).then_some(()));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{what}: {:?}",
        begin.elapsed()
    );
}

#[test]
fn lists_cost_nothing_that_grows() {
    let _others = Others::new();
    let mut phone = Phone::new(|workspace| workspace.populate("c", COUNT));
    let mut expected: Vec<String> = (0..COUNT).map(|number| format!("/c{number}")).collect();
    expected.sort();
    assert_eq!(names(&phone), expected);
    pace::until("the root file system is measured", LIMIT, || {
        let images = phone.docker().get("/images/json").expect(200).json();
        (images[0]["Size"].as_i64()? > 0 && images[0]["Containers"] == COUNT).then_some(())
    });
    let bridge = phone.pair().bridge().pid();
    let (reads, ticks) = spent(bridge);
    let docker = phone.docker();
    for _ in 0..LISTS {
        let answer = docker.get("/containers/json?all=1").expect(200);
        assert_eq!(answer.json().as_array().unwrap().len(), COUNT);
    }
    let (reads_after, ticks_after) = spent(bridge);
    // A look at each container or each process would be hundreds of calls and a tick for every list.
    assert!(reads_after - reads < 4 * LISTS, "{} reads", reads_after - reads);
    assert!(ticks_after - ticks < LISTS, "{} ticks", ticks_after - ticks);

    let rootfs = phone.rootfs().path().to_owned();
    phone.container("new").rootfs_at(&rootfs).write();
    shows(&phone, "one more", |names| names.contains(&"/new".to_owned()));
    phone
        .container("c7")
        .set("name", "seven")
        .rootfs_at(&rootfs)
        .set("uuid", &format!("{:032x}", 7))
        .write();
    fs::remove_dir_all(phone.container_file("c8", "")).unwrap();
    shows(&phone, "one less", |names| !names.contains(&"/c8".to_owned()));
    shows(&phone, "another name", |names| {
        names.contains(&"/seven".to_owned()) && names.len() == COUNT
    });
    fs::rename(phone.container_file("c9", ""), phone.container_file("nine", "")).unwrap();
    phone.fence();
    assert_eq!(
        names(&phone).iter().filter(|name| *name == "/c9").count(),
        1,
        "a directory moved"
    );
    assert_eq!(
        phone.docker().get("/info").expect(200).json()["Containers"],
        COUNT + 1
    );
}
