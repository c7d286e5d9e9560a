//! `socketd status`, `socketd doctor` and the module's button: what they say on a phone, told nothing of where
//! anything is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::pace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{LIMIT, Phone, Shell};

/// What the button says.
fn button(phone: &Phone) -> String {
    phone.script("adb/modules/socketd/action.sh", &[])
}

#[track_caller]
fn check_text(text: &str, parts: &[&str], others: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
    for other in others {
        assert!(!text.contains(other), "{other}: {text}");
    }
}

/// A line of a finding: what was looked at, with the verdict before it.
#[track_caller]
fn check_finding(text: &str, verdict: &str, check: &str, part: &str) {
    let fits = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some(verdict) && words.next() == Some(check) && line.contains(part)
    };
    assert!(text.lines().any(fits), "{verdict} {check} {part}:\n{text}");
}

/// On a phone with a container called `web` that runs.
pub(crate) fn check_well(phone: &Phone) {
    let (code, status) = phone.program(&["socketd", "status"]);
    assert_eq!(code, 0, "{status}");
    let parts = [
        "socketd-bridge  running, version ",
        "socketd         running, version ",
        "1 running, 0 stopped",
        " KiB, events 1 to ",
        "unix:///dev/socketd/api/docker.sock answers",
        "tcp://127.0.0.1:2375 answers",
    ];
    check_text(&status, &parts, &[]);
    let parts = [
        "socketd 1.2.3\n",
        "tcp://127.0.0.1:2375 answers",
        "socketd doctor",
    ];
    check_text(&button(phone), &parts, &["does NOT run", "runs (process"]);
    let (code, doctor) = phone.program(&["socketd", "doctor"]);
    assert_eq!(code, 0, "{doctor}");
    for (check, part) in [
        ("configuration", "/data/adb/socketd/etc/socketd.toml: 2 listeners"),
        ("state", "/data/adb/socketd/state/bridge: root's, mode 0700"),
        (
            "sockets",
            "/dev/socketd/bridge/watch.sock: owner 0, group 60750, mode 0660",
        ),
        ("bridge", "version "),
        ("listeners", "held by socketd (pid "),
        ("journal", "events 1 to "),
    ] {
        check_finding(&doctor, "ok", check, part);
    }
}

#[test]
fn what_does_not_run_is_told_with_the_end_of_its_log() {
    let mut phone = Phone::with_module(Shell::Busybox);
    phone.list();
    let path = phone.own("etc/socketd.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, "colour = \"blue\"\n").unwrap();
    phone.reboot();
    pace::until("it is started again, and later", LIMIT, || {
        let log = fs::read_to_string(phone.own("log/socketd.log")).ok()?;
        (log.contains("unknown field") && log.contains("starting it again in 2 s")).then_some(())
    });
    let (code, status) = phone.program(&["socketd", "status"]);
    assert_eq!(code, 1, "{status}");
    check_text(
        &status,
        &[
            "socketd-bridge  running",
            "socketd         unknown; ",
            "unknown field",
        ],
        &[],
    );
    check_text(
        &button(&phone),
        &[
            "socketd-bridge  running",
            "socketd (user 60750) does NOT run; it is being started again",
            "starting it again in",
        ],
        &["bridge (root)"],
    );
    let (code, doctor) = phone.program(&["socketd", "doctor"]);
    assert_eq!(code, 1, "{doctor}");
    check_finding(
        &doctor,
        "wrong",
        "configuration",
        "correct it in /data/adb/socketd/etc/socketd.toml",
    );
    check_finding(&doctor, "ok", "bridge", "version ");
    fs::write(&path, text).unwrap();
    assert_eq!(phone.list(), "");

    // Nothing runs, and nobody starts it again.
    for name in ["bridge", "socketd"] {
        phone.sh(&format!("kill $(cat /dev/socketd/{name}.keeper)"));
    }
    pace::until("both have ended", LIMIT, || {
        let kept = phone
            .processes()
            .iter()
            .any(|process| process.line.contains("keep.sh"));
        (!kept).then_some(())
    });
    let (code, status) = phone.program(&["socketd", "status"]);
    assert_eq!(code, 3, "{status}");
    check_text(
        &button(&phone),
        &[
            "socketd-bridge  not running",
            "The bridge (root) does NOT run. Start it: su -c 'sh /data/adb/modules/socketd/service.sh'",
            "keep.sh: asked to end",
        ],
        &["it is being started again"],
    );
}

/// A button is not worth less than the program behind it.
#[test]
fn the_button_says_what_it_can_where_status_cannot_run() {
    let phone = Phone::with_module(Shell::Busybox);
    phone.list();
    let program = phone.data("adb/modules/socketd/bin/socketd");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).unwrap();
    check_text(
        &button(&phone),
        &[
            "The bridge (root) runs (process ",
            "socketd (user 60750) runs (process ",
            "\"tcp://127.0.0.1:2375\"",
        ],
        &["does NOT run"],
    );
    // As it is: its keeper says so, and goes on.
    kill(Pid::from_raw(phone.process("socketd.pid")), Signal::SIGKILL).unwrap();
    pace::until("it does not run", LIMIT, || {
        button(&phone)
            .contains("socketd (user 60750) does NOT run; it is being started again")
            .then_some(())
    });
}
