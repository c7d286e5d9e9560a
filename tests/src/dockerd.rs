//! A real engine on a machine of its own: its processes, mounts, control groups and network are that machine's, and go
//! with it, whatever fails.

use std::fs;
use std::io::Write as _;
use std::thread;
use std::time::Duration;

use crate::{Address, Connection, Docker, Machine, pace, rootfs};

/// Time for the engine to listen: it starts a containerd of its own.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts it. Nothing of a network, for that machine has none; layers are copied, which needs nothing of the kernel.
const START: &str = "mkdir -p /var/lib/engine /run/engine
(
    setsid dockerd --data-root /var/lib/engine --exec-root /run/engine --pidfile /run/engine/pid \
        --host unix:///run/engine/docker.sock --storage-driver vfs --bridge none --iptables=false --ip6tables=false
    touch /run/engine/ended
) >/run/engine/log 2>&1 </dev/null &";

/// An engine that runs, with the image `bb:latest`.
#[derive(Debug)]
pub struct Dockerd {
    machine: Machine,
    docker: Docker,
}

impl Dockerd {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start, or there is none.
    pub fn start() -> Self {
        let machine = Machine::idle();
        let found = machine.attempt("command -v dockerd");
        assert!(
            found.is_ok(),
            "There is no dockerd: install it (apt-get install docker.io)."
        );
        machine.run(START);
        let socket = machine.path("/run/engine/docker.sock");
        let docker = Docker::new(Address::Unix(socket));
        pace::until("dockerd answers", LIMIT, || {
            assert!(
                !machine.path("/run/engine/ended").exists(),
                "dockerd ended:\n{}",
                fs::read_to_string(machine.path("/run/engine/log")).unwrap_or_default()
            );
            let mut connection = Connection::open(&docker.address()).ok()?;
            let answer = connection.ask("GET", "/_ping", None).ok()?;
            (answer.head.status == 200).then_some(())
        });
        docker.import("bb:latest", &rootfs::busybox());
        Self { machine, docker }
    }

    /// A client of it.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read(self.machine.path("/run/engine/log")).unwrap_or_default();
            let _ = std::io::stderr().write_all(&log);
        }
    }
}
