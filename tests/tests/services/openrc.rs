//! OpenRC's own supervisor over both daemons. Its packages would change the machine that tests run on, so they are installed
//! on the one that the test makes.

use std::fs;
use std::path::Path;

use harness::Machine;

use crate::package::{packaging, put_programs};
use crate::story::{Container, kill_daemons, processes};

/// Where `.ci/run` puts what it has downloaded: apt's own folder is emptied by whoever installs something.
const ARCHIVES: &str = "/var/cache/socketd-tests";
/// What is installed.
const PACKAGES: &[&str] = &["openrc", "librc1", "libeinfo1"];

fn install(machine: &Machine) {
    for package in PACKAGES {
        let mut files = fs::read_dir(ARCHIVES)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path());
        let is_it = |path: &Path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(&format!("{package}_"))
        };
        let file = files.find(|path| is_it(path));
        let file = file.unwrap_or_else(|| {
            panic!(
                "There is no package {package} in {ARCHIVES}: `cd {ARCHIVES} && apt-get download {package}`."
            )
        });
        machine.put(&file, "/opt/openrc");
    }
    // What it needs besides is that it has been booted, and one service that Debian calls otherwise.
    machine.run(
        "rm -f /usr/sbin/policy-rc.d; : >/etc/insserv.conf
         dpkg -i --force-depends /opt/openrc/*.deb >/dev/null 2>&1
         mkdir -p /run/openrc /etc/runlevels/default /etc/runlevels/boot /etc/runlevels/sysinit
         : >/run/openrc/softlevel
         printf '#!/sbin/openrc-run\\nstart() { :; }\\n' >/etc/init.d/localmount
         chmod 0755 /etc/init.d/localmount",
    );
}

#[test]
fn services_come_back_and_containers_stay() {
    let machine = Machine::idle();
    install(&machine);
    put_programs(&machine);
    for service in ["socketd", "socketd-bridge"] {
        machine.put(&packaging("openrc").join(service), "/etc/init.d");
    }
    machine.run("rc-service socketd-bridge start && rc-service socketd start");
    let container = Container::start(&machine);
    machine.run("rc-service socketd status && rc-service socketd-bridge status");
    kill_daemons(&machine);
    container.assert_untouched(&machine);
    machine.run("rc-service socketd reload && rc-service socketd-bridge restart");
    container.assert_untouched(&machine);
    machine.run("rc-service socketd stop && rc-service socketd-bridge stop");
    assert!(container.lives(&machine));
    assert_eq!(processes(&machine), "socketd-shim\n");
}
