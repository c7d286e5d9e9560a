//! The same where systemd is the first process: the units, as the package installs them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use harness::{Machine, pace};

use crate::debian::{assert_no_trace, prepare};
use crate::package::FOLDER;
use crate::story::{Container, SOON, kill_daemons, processes};

/// The most that `systemd-analyze security` may find, in tenths: 2.0 of 10, where "OK" ends at 5.0.
const EXPOSURE_MAX: u8 = 20;

#[test]
fn with_systemd() {
    let machine = Machine::with_systemd();
    let before = prepare(&machine, 0);
    machine.run(&format!("dpkg -i {FOLDER}/old.deb"));
    for unit in ["socketd.socket", "socketd.service", "socketd-bridge.service"] {
        machine.run(&format!(
            "systemctl is-active {unit} && systemctl is-enabled {unit}"
        ));
    }
    units_are_sound(&machine);
    let container = Container::start(&machine);
    walls_stand(&machine);

    starts_with_the_first_client(&machine);
    kill_daemons(&machine);
    container.assert_untouched(&machine);
    machine.run("systemctl restart socketd-bridge");
    container.assert_untouched(&machine);
    nobody_is_refused(&machine, 2, "systemctl restart socketd");
    container.assert_untouched(&machine);
    nobody_is_refused(&machine, 1, &format!("dpkg -i {FOLDER}/new.deb"));
    container.assert_untouched(&machine);
    machine.run("systemctl reload socketd && docker version");
    ends_what_hangs(&machine);
    container.assert_untouched(&machine);
    an_agent_serves(&machine);
    a_coordinator_and_a_node_serve(&machine);

    machine.run("dpkg -r socketd");
    assert!(!container.lives(&machine));
    assert_eq!(processes(&machine), "");
    machine.run("dpkg -P socketd");
    assert_no_trace(&machine, &before);
}

#[test]
fn on_control_groups_of_version_2_alone() {
    let machine = Machine::with_systemd_on_version_2();
    let before = prepare(&machine, 0);
    machine.run(&format!("dpkg -i {FOLDER}/old.deb"));
    let container = Container::start(&machine);
    let shown =
        machine.run("docker exec web /bin/ls /sys/fs/cgroup; docker exec web /bin/cat /proc/self/cgroup");
    assert!(
        shown.contains("cgroup.procs\n") && shown.ends_with("0::/\n"),
        "{shown}"
    );
    machine.run("systemctl restart socketd-bridge");
    container.assert_untouched(&machine);
    machine.run("systemctl stop socketd-bridge");
    assert!(container.lives(&machine));
    machine.run("systemctl start socketd-bridge");
    container.assert_untouched(&machine);
    machine.run("dpkg -P socketd");
    assert_no_trace(&machine, &before);
}

/// systemd's own judgement of them.
fn units_are_sound(machine: &Machine) {
    let units = "socketd.socket socketd.service socketd-bridge.service";
    let said = machine.run(&format!("systemd-analyze verify --man=no {units} 2>&1"));
    assert_eq!(said, "");
    machine.run(&format!(
        "systemd-analyze security --threshold={EXPOSURE_MAX} socketd.service >/dev/null"
    ));
}

/// The agent for Dockhand, in a package of its own: off until it is enabled, without a user of its own.
fn an_agent_serves(machine: &Machine) {
    machine.run(&format!("dpkg -i {FOLDER}/fleet.deb"));
    let unit = "socketd-hawser.service";
    assert!(machine.attempt(&format!("systemctl is-enabled {unit}")).is_err());
    let said = machine.run(&format!("systemd-analyze verify --man=no {unit} 2>&1"));
    assert_eq!(said, "");
    machine.run(&format!(
        "systemd-analyze security --threshold={EXPOSURE_MAX} {unit} >/dev/null
         umask 077; echo a-token-of-a-test >/etc/socketd-fleet/token
         systemctl enable --now {unit}"
    ));
    let ask = "curl -s http://127.0.0.1:2376";
    pace::until("the agent answers", SOON, || {
        machine.attempt(&format!("{ask}/_hawser/health")).ok()
    });
    let shown = machine.run(&format!(
        "{ask}/containers/json -H 'X-Hawser-Token: a-token-of-a-test'"
    ));
    assert!(shown.contains("/web"), "{shown}");
    assert_powerless(machine, unit);
}

/// A coordinator and a node, of the same package: off until they are enabled, together with the agent, and gone as a whole.
fn a_coordinator_and_a_node_serve(machine: &Machine) {
    let (coordinator, node) = ("socketd-coordinator.service", "socketd-node.service");
    for unit in [coordinator, node] {
        assert!(machine.attempt(&format!("systemctl is-enabled {unit}")).is_err());
        let said = machine.run(&format!("systemd-analyze verify --man=no {unit} 2>&1"));
        assert_eq!(said, "");
        machine.run(&format!(
            "systemd-analyze security --threshold={EXPOSURE_MAX} {unit} >/dev/null"
        ));
    }
    machine.run(&format!("systemctl enable --now {coordinator}"));
    let enrol = "socketd-fleet coordinator enrol --name phone --json";
    let enrolled = pace::until("the coordinator answers", SOON, || machine.attempt(enrol).ok());
    let enrolled: serde_json::Value = serde_json::from_str(&enrolled).unwrap();
    let token = enrolled["token"].as_str().unwrap();
    machine.run(&format!(
        "umask 077; echo {token} >/etc/socketd-fleet/node/token; systemctl enable --now {node}"
    ));
    let containers =
        "curl -s --unix-socket /var/lib/socketd-fleet-coordinator/admin.sock http://x/api/containers";
    let is_there = || {
        let shown = machine.run(containers);
        shown.contains("\"web\"").then_some(())
    };
    pace::until("the coordinator knows of the container", SOON, is_there);
    for unit in [coordinator, node] {
        assert_powerless(machine, unit);
    }
    // Who it is stays, and takes no token.
    let identity = "socketd-fleet node identity --json";
    let before = machine.run(identity);
    machine.run(&format!(
        "rm /etc/socketd-fleet/node/token; systemctl restart {coordinator} {node}"
    ));
    pace::until("both are there again", SOON, || {
        machine
            .attempt(containers)
            .ok()
            .filter(|shown| shown.contains("\"web\""))
    });
    assert_eq!(machine.run(identity), before);
    machine.run("dpkg -P socketd-fleet");
    let left = machine.run("ls -d /etc/socketd-fleet /var/lib/socketd-fleet* /var/lib/private/socketd-fleet* 2>/dev/null || true");
    assert_eq!(left, "");
}

/// It has no power, and no user of root's.
fn assert_powerless(machine: &Machine, unit: &str) {
    let status = machine.run(&format!("cat /proc/$(systemctl show -P MainPID {unit})/status"));
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{line}\n{status}");
    }
    assert!(!status.contains("Uid:\t0"), "{status}");
}

/// What systemd takes away is not what socketd needs to put up its own walls.
fn walls_stand(machine: &Machine) {
    let log = machine.run("journalctl --no-pager -o cat -u socketd -u socketd-bridge");
    assert!(
        log.contains("listening") && log.contains("inherited=true"),
        "{log}"
    );
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    let status = machine.run("cat /proc/$(systemctl show -P MainPID socketd)/status");
    for line in [
        "Seccomp:\t2",
        "NoNewPrivs:\t1",
        "Uid:\t60750\t60750",
        "CapBnd:\t0000000000000000",
    ] {
        assert!(status.contains(line), "{line}\n{status}");
    }
}

fn starts_with_the_first_client(machine: &Machine) {
    machine.run("systemctl stop socketd.service 2>/dev/null");
    assert!(machine.attempt("systemctl is-active socketd.service").is_err());
    machine.docker().get("/_ping").expect(200);
    machine.run("systemctl is-active socketd.service");
}

/// Clients that come one after the other while `act` is done so many times.
fn nobody_is_refused(machine: &Machine, times: usize, act: &str) {
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            let (docker, over, answered) = (machine.docker(), &over, &answered);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    docker.get("/_ping").expect(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..times {
            let before = answered.load(Ordering::Relaxed);
            let done = machine.attempt(act);
            if done.is_err() {
                over.store(true, Ordering::Relaxed);
            }
            done.unwrap();
            pace::until("clients are answered", SOON, || {
                (answered.load(Ordering::Relaxed) > before + 20).then_some(())
            });
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// One that does nothing any more is ended and started again.
fn ends_what_hangs(machine: &Machine) {
    for service in ["socketd", "socketd-bridge"] {
        machine.run(&format!(
            "mkdir -p /run/systemd/system/{service}.service.d
             printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/{service}.service.d/watchdog.conf
             systemctl daemon-reload && systemctl restart {service}"
        ));
        let main = format!("systemctl show -P MainPID {service}");
        let before = machine.run(&main);
        machine.run(&format!("kill -STOP {before}"));
        pace::until("it is started again", SOON, || {
            let now = machine.run(&main);
            (now != before && now != "0\n").then_some(())
        });
        machine.run(&format!(
            "rm -r /run/systemd/system/{service}.service.d; systemctl daemon-reload"
        ));
    }
    pace::until("both serve", SOON, || machine.attempt("docker ps").ok());
}
