//! What happens on each of these machines: a container that runs, and keeps running.

use std::time::Duration;

use harness::{Machine, pace, rootfs};

/// Time for services to do something.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A container, known by its first process.
#[derive(Debug)]
pub(crate) struct Container {
    process: String,
}

impl Container {
    /// Makes an image and starts a container of it, by the docker command.
    pub(crate) fn start(machine: &Machine) -> Self {
        pace::until("socketd answers", SOON, || machine.attempt("docker ps").ok());
        machine.docker().import("bb:latest", &rootfs::busybox());
        machine.run("docker run -d --name web --stop-timeout 1 bb:latest /bin/sleep 1000000");
        Self {
            process: Self::process(machine),
        }
    }

    fn process(machine: &Machine) -> String {
        machine.run("docker inspect -f '{{.State.Pid}}' web")
    }

    /// It is listed, by whoever answers now, as the very process that it was.
    #[track_caller]
    pub(crate) fn assert_untouched(&self, machine: &Machine) {
        let running = pace::until("the container is listed", SOON, || {
            machine
                .attempt("docker ps -q -f name=web")
                .ok()
                .filter(|ids| !ids.is_empty())
        });
        assert_eq!(running.lines().count(), 1);
        assert_eq!(Self::process(machine), self.process);
        assert!(self.lives(machine));
    }

    /// Whether its process is there, whoever answers.
    pub(crate) fn lives(&self, machine: &Machine) -> bool {
        machine
            .attempt(&format!("kill -0 {}", self.process.trim()))
            .is_ok()
    }
}

/// Processes of the machine that run one of the programs, as their names say.
pub(crate) fn processes(machine: &Machine) -> String {
    machine.run("cat /proc/[0-9]*/comm 2>/dev/null | grep '^socketd' | sort || true")
}

/// Kills both daemons as a crash would; nothing else that runs the same program.
pub(crate) fn kill_daemons(machine: &Machine) {
    machine.run(
        "for process in /proc/[0-9]*; do
             case $(cat $process/comm 2>/dev/null || true) in
             socketd | socketd-bridge) kill -KILL ${process#/proc/} ;;
             esac
         done",
    );
}
