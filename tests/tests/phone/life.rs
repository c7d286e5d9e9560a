//! Daemons that run, come back, and leave containers alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::docker::Docker;
use harness::{pace, rootfs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::looks;
use crate::place::{LIMIT, Phone, Shell};

/// A container that does nothing, and the number of its process.
pub(crate) fn sleeper(docker: &Docker, name: &str) -> i64 {
    docker.import("bb:latest", &rootfs::busybox());
    let body = json!({"Image": "bb:latest", "Cmd": ["/bin/sleep", "100000"]});
    docker
        .post_json(&format!("/containers/create?name={name}"), &body)
        .expect(201);
    docker.post(&format!("/containers/{name}/start")).expect(204);
    pid(docker, name)
}

pub(crate) fn pid(docker: &Docker, name: &str) -> i64 {
    docker.inspect(name)["State"]["Pid"].as_i64().unwrap()
}

/// Kills a daemon as a crash would, and waits for another.
fn crash(phone: &Phone, note: &str) {
    let before = phone.process(note);
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    pace::until("another one runs", LIMIT, || {
        (phone.process(note) != before).then_some(())
    });
}

fn check(shell: Shell) {
    let phone = Phone::with_module(shell);
    assert_eq!(phone.list(), "");
    let docker = phone.docker();
    let init = sleeper(&docker, "web");
    assert_eq!(phone.list(), "web running\n");
    for note in ["bridge.pid", "socketd.pid"] {
        crash(&phone, note);
        pace::until("it answers again", LIMIT, || {
            (phone.list() == "web running\n").then_some(())
        });
        assert_eq!(pid(&docker, "web"), init);
    }
    looks::check_well(&phone);
    let log = fs::read_to_string(phone.own("log/bridge.log")).unwrap();
    assert!(
        log.contains("keep.sh: bridge ended with status 137; starting it again in 1 s"),
        "{log}"
    );
}

#[test]
fn daemons_come_back_and_containers_run_on() {
    check(Shell::Busybox);
}

#[test]
fn android_s_own_shell_and_tools_will_do() {
    check(Shell::Android);
}

#[test]
fn nobody_but_root_changes_anything() {
    let phone = Phone::with_module(Shell::Busybox);
    phone.list();
    let docker = phone.docker();
    sleeper(&docker, "web");
    // Every app can speak to TCP on the phone itself.
    let refused = phone.docker_over_tcp(&["stop", "web"]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("authorization denied"), "{error}");
    let status = |note: &str| fs::read_to_string(format!("/proc/{}/status", phone.process(note))).unwrap();
    let front = status("socketd.pid");
    for expected in [
        "Uid:\t60750\t60750\t60750\t60750",
        "Gid:\t60750\t60750\t60750\t60750",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(front.contains(expected), "{expected}: {front}");
    }
    assert!(status("bridge.pid").contains("Uid:\t0\t0\t0\t0"));
    // Else a container that takes all memory would outlive everything else.
    let web = pid(&docker, "web");
    let score = fs::read_to_string(phone.inside(&format!("/proc/{web}/oom_score_adj"))).unwrap();
    assert_eq!(score, "0\n");
    for (path, mode) in [
        ("adb", 0o700),
        ("adb/socketd", 0o711),
        ("adb/socketd/log", 0o700),
        ("adb/socketd/etc/socketd.toml", 0o644),
        ("adb/socketd/state/bridge", 0o700),
    ] {
        let found = fs::metadata(phone.data(path)).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode, "{path}");
    }
}

#[test]
fn whoever_keeps_and_logs_sleeps_in_one_call() {
    let phone = Phone::with_module(Shell::Busybox);
    phone.list();
    for (script, calls) in [
        // wait4, or rt_sigsuspend until a child ends.
        ("keep.sh", &["61 ", "130 "][..]),
        // read, or poll without end before it.
        ("log.sh", &["0 0x0 ", "7 "]),
    ] {
        let processes = phone.processes();
        let those: Vec<_> = processes
            .iter()
            .filter(|process| process.line.contains(script))
            .collect();
        assert_eq!(those.len(), 2, "{processes:?}");
        for process in those {
            pace::until("it waits without end", LIMIT, || {
                let call = fs::read_to_string(format!("/proc/{}/syscall", process.outer)).ok()?;
                let is_bounded = call.starts_with("7 ") && call.split(' ').nth(3) != Some("0xffffffff");
                let waits = calls.iter().any(|begin| call.starts_with(begin));
                (waits && !is_bounded).then_some(())
            });
        }
    }
}

#[test]
fn droidspaces_shows_where_it_is_installed() {
    let mut phone = Phone::with_module(Shell::Busybox);
    assert_eq!(phone.list(), "");
    let workspace = harness::droidspaces::Workspace::new(&phone.data("local/Droidspaces"));
    workspace
        .container("box")
        .rootfs_at(std::path::Path::new("/nowhere"))
        .write();
    // Installed after the module, it is there from the next boot on.
    phone.reboot();
    assert_eq!(phone.list(), "box created\n");
    // Whoever chooses gets what was chosen.
    fs::write(phone.own("etc/bridge.args"), "# mine\r\n--runtime native\r\n").unwrap();
    phone.reboot();
    assert_eq!(phone.list(), "");
}

#[test]
fn rights_are_read_again_below_a_folder_that_is_root_s_alone() {
    let phone = Phone::with_module(Shell::Busybox);
    phone.list();
    sleeper(&phone.docker(), "web");
    let path = phone.own("etc/socketd.toml");
    let text = fs::read_to_string(&path).unwrap();
    let more = text.replace("\naccess = \"read\"\n", "\naccess = \"operate\"\n");
    assert_ne!(text, more);
    fs::write(&path, more).unwrap();
    phone.sh("kill -HUP $(cat /dev/socketd/socketd.pid)");
    pace::until("one may stop containers now", LIMIT, || {
        let stopped = phone.docker_over_tcp(&["stop", "-t", "0", "web"]);
        stopped.status.success().then_some(())
    });
}

#[test]
fn a_daemon_is_kept_where_its_log_is_not() {
    let phone = Phone::with_module(Shell::Busybox);
    phone.list();
    for process in phone.processes() {
        if process.line.contains("log.sh") {
            kill(Pid::from_raw(process.outer), Signal::SIGKILL).unwrap();
        }
    }
    let notes = ["bridge.pid", "socketd.pid"];
    let before = notes.map(|note| phone.process(note));
    // Both say something about this, and nobody hears it.
    sleeper(&phone.docker(), "web");
    assert_eq!(phone.list(), "web running\n");
    assert_eq!(notes.map(|note| phone.process(note)), before);
    for note in notes {
        crash(&phone, note);
    }
    assert_eq!(phone.list(), "web running\n");
}

#[test]
fn beside_a_service_of_the_image_the_module_is_silent() {
    let mut phone = Phone::new(Shell::Busybox);
    fs::write(phone.vendor("socketd-bridge"), "").unwrap();
    phone.boot();
    let said = phone.install(crate::module::first());
    assert!(said.contains("the module will stay silent"), "{said}");
    phone.reboot();
    let log = fs::read_to_string(phone.own("log/service.log")).unwrap();
    assert!(log.contains("init starts it"), "{log}");
    let kept = phone
        .processes()
        .into_iter()
        .any(|process| process.line.contains("keep.sh"));
    assert!(!kept);
}
