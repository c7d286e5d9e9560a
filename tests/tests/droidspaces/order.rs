//! Runs of one container that follow each other closely, or are there at once.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Child;
use std::thread;

use harness::droidspaces::{Workspace, inside};
use harness::pace;
use nix::libc::O_NONBLOCK;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::phone::{LIMIT, Phone, obedient};
use crate::stand_in::expect;

/// A UUID that no other test on this machine has.
fn own_uuid(last: u8) -> String {
    format!("{:030x}{last:02x}", std::process::id())
}

fn with_uuid(workspace: &Workspace, uuid: &str) {
    let rootfs = workspace.container_file("web", "rootfs");
    let draft = workspace.container("web").rootfs_at(&rootfs);
    draft.set("uuid", uuid).write();
}

/// The command that a bridge runs with this word.
fn command(phone: &Phone, word: &str) -> Pid {
    let program = phone.program();
    let is_it = |pid: &i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = words.split(|byte| *byte == 0);
        words.next() == Some(program.as_os_str().as_bytes()) && words.any(|own| own == word.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap();
    let mut pids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    Pid::from_raw(pids.find(is_it).expect("it runs"))
}

/// One more monitor, as a second `start` at the same time makes it; once its container is one.
fn one_more(phone: &Phone, uuid: &str) -> (Child, i32) {
    let before = phone.pid("web");
    let monitor = phone.command(&["@monitor", "web"]).spawn().unwrap();
    let pid = pace::until("it is a container", LIMIT, || {
        let pid = phone.pid("web").filter(|pid| Some(*pid) != before)?;
        inside(pid, "/run/droidspaces").join(uuid).exists().then_some(pid)
    });
    // It carries its mark by now, and the bridge sees it.
    phone.write_sidecar("web", "pid", &pid.to_string());
    phone.fence();
    (monitor, pid)
}

/// Two commands that start it at once make two runs. The bridge tells of all of them once the start that it
/// was asked for is over, and what that has told already is not told again.
#[test]
fn what_came_before_a_start_was_told_is_not_told_after_it() {
    let uuid = own_uuid(1);
    let phone = Phone::new(|workspace| {
        // Whether it obeys or is killed, it ends with 1.
        obedient(workspace, "web", 1);
        with_uuid(workspace, &uuid);
    });
    let docker = phone.docker();
    let knob = phone.root().join("stand-in/slow-start");
    mkfifo(&knob, Mode::S_IRWXU).unwrap();
    let _held = thread::scope(|scope| {
        let start = scope.spawn(|| docker.post("/containers/web/start"));
        // The container that the command starts waits, and so does the command.
        let held = pace::until("it starts", LIMIT, || {
            let mut options = fs::OpenOptions::new();
            options.write(true).custom_flags(O_NONBLOCK).open(&knob).ok()
        });
        let starting = command(&phone, "start");
        kill(starting, Signal::SIGSTOP).unwrap();
        fs::remove_file(&knob).unwrap();
        let (_, first) = one_more(&phone, &uuid);
        let (mut monitor, second) = one_more(&phone, &uuid);
        // It is the older one's again, as where that was slower to write its number.
        phone.write_sidecar("web", "pid", &first.to_string());
        phone.fence();
        // The command would take it for the same container.
        monitor.kill().unwrap();
        monitor.wait().unwrap();
        pace::until("it is gone", LIMIT, || kill(Pid::from_raw(second), None).err());
        kill(starting, Signal::SIGCONT).unwrap();
        start.join().unwrap().expect(204);
        assert_eq!(phone.state("web")["Pid"], first);
        held
    });
    // Its end is told behind everything that waited.
    docker.post("/containers/web/kill").expect(204);
    assert_eq!(phone.acts("web"), ["create", "start", "kill", "die 1"]);
}

/// Of two runs that were started at once the command finds the one with the later UUID. A stop ends both.
#[test]
fn a_stop_ends_the_run_that_the_command_passes_over() {
    let uuids = [own_uuid(4), own_uuid(5)];
    let phone = Phone::new(|workspace| {
        obedient(workspace, "web", 1);
        with_uuid(workspace, &uuids[0]);
    });
    let docker = phone.docker();
    docker.post("/containers/web/start").expect(204);
    let first = phone.pid("web").unwrap();
    with_uuid(&phone, &uuids[1]);
    let (mut monitor, second) = one_more(&phone, &uuids[1]);
    assert_eq!(phone.state("web")["Pid"], first);
    docker.post("/containers/web/stop").expect(204);
    for pid in [first, second] {
        pace::until("it is gone", LIMIT, || kill(Pid::from_raw(pid), None).err());
    }
    monitor.wait().unwrap();
    assert_eq!(phone.state("web")["Status"], "exited");
    // Who it is from here on is told behind that.
    pace::until("it is the other", LIMIT, || {
        let id = docker.inspect("web")["Id"].as_str()?.to_owned();
        id.starts_with(&uuids[1]).then_some(())
    });
}

/// While nobody knows how it ended, its configuration gets another UUID: it ended as who it was.
#[test]
fn who_has_just_ended_is_who_it_was() {
    let uuids = [own_uuid(2), own_uuid(3)];
    let phone = Phone::new(|workspace| {
        obedient(workspace, "web", 4);
        with_uuid(workspace, &uuids[0]);
    });
    let docker = phone.docker();
    expect(&phone, &["--name=web", "start"], 0);
    phone.until("web", "running");
    let mut follow = docker.follow("filters=%7B%22type%22:[%22container%22]%7D");
    // Who would note the end does not.
    let monitor = command(&phone, "@monitor");
    kill(monitor, Signal::SIGSTOP).unwrap();
    kill(Pid::from_raw(phone.pid("web").unwrap()), Signal::SIGKILL).unwrap();
    with_uuid(&phone, &uuids[1]);
    phone.fence();
    kill(monitor, Signal::SIGCONT).unwrap();
    let mut told = Vec::new();
    while told.len() < 3 {
        let event = follow.event().unwrap();
        if event["Actor"]["Attributes"]["name"] == "web" {
            let id = event["id"].as_str().unwrap()[..32].to_owned();
            told.push((event["Action"].as_str().unwrap().to_owned(), id));
        }
    }
    let expected = [("die", &uuids[0]), ("create", &uuids[1]), ("destroy", &uuids[0])];
    assert_eq!(told, expected.map(|(act, id)| (act.to_owned(), id.clone())));
}
