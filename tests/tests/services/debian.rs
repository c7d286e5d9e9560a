//! The Debian package: installed, upgraded beside a container that runs, removed, purged; and nothing is left.

use std::collections::BTreeSet;

use harness::{Machine, pace};

use crate::package::{FOLDER, Packages};
use crate::story::{Container, SOON, processes};

/// Lets nothing be started, or everything.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// What package management and the tools for users write, whatever is installed.
const ALWAYS: &[&str] = &[
    "/etc/.pwd.lock",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/var/log/dpkg.log",
];

/// Puts the packages on a machine, and a policy that ends with this code; tells how its files are then.
pub(crate) fn prepare(machine: &Machine, policy: u8) -> BTreeSet<String> {
    let packages = Packages::make();
    for name in ["old.deb", "new.deb", "fleet.deb"] {
        machine.put(&packages.path(name), FOLDER);
    }
    put_policy(machine, policy);
    machine.differences()
}

fn put_policy(machine: &Machine, policy: u8) {
    machine.run(&format!(
        "printf '#!/bin/sh\\nexit {policy}\\n' >{POLICY}; chmod 0755 {POLICY}"
    ));
}

/// What is left of the package once it is purged.
#[track_caller]
pub(crate) fn assert_no_trace(machine: &Machine, before: &BTreeSet<String>) {
    let after = machine.differences();
    let is_usual = |path: &str| {
        ALWAYS.contains(&path) || path.starts_with("/var/lib/dpkg/") || path.starts_with("/var/log/journal")
    };
    let left: Vec<_> = after.difference(before).filter(|path| !is_usual(path)).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert!(
        !after
            .iter()
            .any(|path| path.contains("socketd") && !path.starts_with("/opt"))
    );
    assert_eq!(processes(machine), "");
    assert_eq!(machine.run("ls -d /run/*socketd* 2>/dev/null || true"), "");
    assert_eq!(
        machine.run("awk '{ print $2 }' /proc/mounts | grep socketd || true"),
        ""
    );
    let groups = machine.run("find /sys/fs/cgroup -type d -name socketd -o -name 'socketd[.-]*.s*'");
    assert_eq!(groups, "");
    let known = machine.run("dpkg -l | grep socketd || true; getent passwd 60750 socketd || true");
    assert_eq!(known, "");
}

/// A machine that never had systemd: no program of it makes users and folders, and a runlevel is known where there is a
/// file that says so.
fn forget_systemd(machine: &Machine) {
    machine.run(
        "rm -f /usr/bin/systemd-sysusers /usr/bin/systemd-tmpfiles /sbin/runlevel
         printf '#!/bin/sh\\n[ -e /run/runlevel ] && echo N 2\\n' >/sbin/runlevel
         chmod 0755 /sbin/runlevel",
    );
}

#[test]
fn without_systemd() {
    let machine = Machine::idle();
    forget_systemd(&machine);
    let before = prepare(&machine, 101);
    machine.run(&format!("dpkg -i {FOLDER}/old.deb"));
    assert_eq!(processes(&machine), "", "policy-rc.d lets nothing be started");
    machine.run(&format!("rm {POLICY}; /etc/init.d/socketd start"));
    let container = Container::start(&machine);
    machine.run("/etc/init.d/socketd status");

    machine.run(&format!("dpkg -i {FOLDER}/new.deb"));
    container.assert_untouched(&machine);
    // As SysV's init leaves it: then it is invoke-rc.d that starts and stops.
    machine.run(&format!("touch /run/runlevel; dpkg -i {FOLDER}/new.deb"));
    container.assert_untouched(&machine);
    machine.run("/etc/init.d/socketd reload && /etc/init.d/socketd restart");
    container.assert_untouched(&machine);
    machine.run("/etc/init.d/socketd stop");
    assert!(
        container.lives(&machine),
        "to stop the daemons is no reason to stop it"
    );
    assert_eq!(processes(&machine), "socketd-shim\n");
    machine.run("/etc/init.d/socketd start");
    container.assert_untouched(&machine);

    machine.run("dpkg -r socketd");
    assert!(!container.lives(&machine), "nobody could stop it any more");
    assert_eq!(processes(&machine), "");
    machine.run("test -d /var/lib/socketd -a -f /etc/socketd/socketd.toml");
    machine.run(&format!("dpkg -i {FOLDER}/new.deb"));
    pace::until("it is known again", SOON, || {
        let listed = machine.attempt("docker ps -aq -f name=web").ok()?;
        (!listed.is_empty()).then_some(())
    });
    // What runs was started, whatever policy says by now.
    put_policy(&machine, 101);
    machine.run("dpkg -P socketd");
    assert_no_trace(&machine, &before);
}

#[test]
fn what_is_in_it() {
    let packages = Packages::make();
    let list = std::process::Command::new("dpkg-deb")
        .arg("-c")
        .arg(packages.path("old.deb"))
        .output()
        .unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    for line in [
        "-rwxr-xr-x root/root",
        "./usr/bin/socketd\n",
        "./usr/bin/socketd-bridge\n",
        "./usr/lib/systemd/system/socketd.socket\n",
        "./usr/share/man/man1/socketd.1.gz\n",
        "./usr/share/bash-completion/completions/socketd\n",
        "./etc/socketd/bridge.toml\n",
    ] {
        assert!(list.contains(line), "{line}{list}");
    }
    let control = std::process::Command::new("dpkg-deb")
        .arg("-f")
        .arg(packages.path("new.deb"))
        .output()
        .unwrap();
    let control = String::from_utf8(control.stdout).unwrap();
    assert!(
        control.contains("Package: socketd\nVersion: 0.1.1~test\n"),
        "{control}"
    );
    let filled = ["@VERSION@", "@ARCH@", "@DEPENDS@", "@SIZE@"];
    assert!(!filled.iter().any(|place| control.contains(place)), "{control}");
}
