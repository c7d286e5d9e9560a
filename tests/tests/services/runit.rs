//! runit's own supervisor over both daemons.

use harness::{Machine, pace};

use crate::package::{packaging, put_programs};
use crate::story::{Container, SOON, kill_daemons, processes};

#[test]
fn services_come_back_and_containers_stay() {
    let machine = Machine::idle();
    let runs = machine.attempt("command -v runsvdir svlogd");
    assert!(
        runs.is_ok(),
        "There is no runit: install it (apt-get install runit)."
    );
    put_programs(&machine);
    for service in ["socketd", "socketd-bridge"] {
        machine.put(&packaging("runit").join(service), "/etc/sv");
    }
    machine.run(
        "mkdir /service; ln -s /etc/sv/socketd /etc/sv/socketd-bridge /service
         setsid runsvdir -P /service >/dev/null 2>&1 </dev/null &",
    );
    let container = Container::start(&machine);
    kill_daemons(&machine);
    container.assert_untouched(&machine);
    machine.run("sv restart /service/socketd-bridge /service/socketd");
    container.assert_untouched(&machine);
    machine.run("sv -w 20 stop /service/socketd /service/socketd-bridge");
    assert!(container.lives(&machine));
    assert_eq!(processes(&machine), "socketd-shim\n");
    let log = machine.run("cat /var/log/socketd/current /var/log/socketd-bridge/current");
    assert!(
        log.contains("listening url=unix:///run/socketd/docker.sock"),
        "{log}"
    );
    machine.run("sv start /service/socketd /service/socketd-bridge");
    container.assert_untouched(&machine);
    pace::until("the log goes on", SOON, || {
        let log = machine.run("cat /var/log/socketd/current");
        (log.matches("listening").count() > 2).then_some(())
    });
}
