//! A newer zip over an older one, and the way out.

use std::fs;

use crate::life::{pid, sleeper};
use crate::module::{first, second};
use crate::place::{Phone, Shell};

/// The numbers and actions of the journal.
fn journal(phone: &Phone) -> Vec<String> {
    let state = "/data/adb/socketd/state";
    let program = "/data/adb/modules/socketd/bin/socketd-bridge";
    let text = phone.sh(&format!(
        "{program} journal show --state-dir {state} --kind container"
    ));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_update_keeps_configuration_journal_and_containers() {
    let mut phone = Phone::with_module(Shell::Busybox);
    phone.list();
    let docker = phone.docker();
    let init = sleeper(&docker, "web");
    let mine = "[[listener]]\nurl = \"tcp://127.0.0.1:2375\"\n[[listener]]\nurl = \"unix:///dev/socketd/api/docker.sock\"\n";
    fs::write(phone.own("etc/socketd.toml"), mine).unwrap();
    let before = journal(&phone);
    assert_eq!(before.len(), 2, "{before:?}");
    let said = phone.install(second());
    assert!(
        said.contains("Keeping /data/adb/socketd/etc/socketd.toml"),
        "{said}"
    );
    // Until the next boot nothing changes.
    assert_eq!(phone.list(), "web running\n");
    assert_eq!(pid(&docker, "web"), init);
    phone.reboot();
    assert!(phone.list().starts_with("web "), "the container is gone");
    let properties = fs::read_to_string(phone.data("adb/modules/socketd/module.prop")).unwrap();
    assert!(properties.contains("version=1.10.0"), "{properties}");
    assert_eq!(fs::read_to_string(phone.own("etc/socketd.toml")).unwrap(), mine);
    assert_eq!(journal(&phone)[..2], before[..]);
    // What its owner wrote permits everything.
    let started = phone.docker_over_tcp(&["start", "web"]);
    assert!(started.status.success(), "{started:?}");
    assert_eq!(phone.list(), "web running\n");
}

#[test]
fn a_newer_module_takes_over_while_containers_run() {
    let phone = Phone::with_module(Shell::Busybox);
    phone.list();
    let docker = phone.docker();
    let init = sleeper(&docker, "web");
    phone.install(second());
    // As managers do that update at once, and as `boot.sh` does at boot: the new folder takes the old one's place.
    phone.sh("cd /data/adb && rm -rf modules/socketd && mv modules_update/socketd modules/socketd");
    for note in ["bridge.pid", "socketd.pid"] {
        phone.sh(&format!("kill $(cat /dev/socketd/{note})"));
    }
    assert_eq!(phone.list(), "web running\n");
    assert_eq!(pid(&docker, "web"), init);
}

fn remove(phone: &mut Phone) {
    phone.list();
    sleeper(&phone.docker(), "web");
    fs::write(phone.data("adb/modules/socketd/remove"), "").unwrap();
}

#[test]
fn what_is_removed_leaves_what_its_owner_has() {
    let mut phone = Phone::with_module(Shell::Busybox);
    remove(&mut phone);
    phone.reboot();
    assert!(!phone.data("adb/modules/socketd").exists());
    assert!(!phone.own("log").exists());
    assert!(phone.own("etc/socketd.toml").exists());
    assert!(
        phone
            .processes()
            .iter()
            .all(|process| !process.line.contains("socketd"))
    );
    // The next installation finds it all.
    phone.install(first());
    phone.reboot();
    assert!(phone.list().starts_with("web "));
}

#[test]
fn whoever_asks_for_it_has_nothing_left() {
    let mut phone = Phone::with_module(Shell::Busybox);
    remove(&mut phone);
    fs::write(phone.own("remove-everything"), "").unwrap();
    phone.reboot();
    assert!(!phone.data("adb/modules/socketd").exists());
    assert!(!phone.own("").exists());
}

#[test]
fn a_removal_at_once_ends_daemons_and_containers() {
    let mut phone = Phone::with_module(Shell::Busybox);
    remove(&mut phone);
    phone.sh("sh /data/adb/modules/socketd/uninstall.sh");
    let left: Vec<_> = phone
        .processes()
        .into_iter()
        .filter(|process| process.line.contains("socketd") || process.line.contains("100000 "))
        .collect();
    // What waits for orphans is a sleeper, too, for a million seconds.
    assert!(
        left.iter().all(|process| process.line.contains("1000000")),
        "{left:?}"
    );
    assert!(!phone.inside("/dev/socketd").exists());
}
