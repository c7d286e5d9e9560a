//! Whether a container runs.

use std::fs;

use harness::droidspaces::{Config, inside, replace};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::place::Place;

/// The process id of a container's init, seen from here; none where it does not run. Mends the pid file
/// on the way, as Droidspaces does.
pub(crate) fn running(place: &Place, config: &Config) -> Option<i32> {
    let (name, uuid) = (config.value("name"), config.value("uuid"));
    let file = place.sidecar(name, "pid");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let stated = text.trim().parse().ok().filter(|pid| *pid > 0);
    if let Some(pid) = stated.filter(|pid| is_container(*pid)) {
        return Some(pid);
    }
    if uuid.is_empty() {
        return None;
    }
    let found = processes().find(|pid| has_mark(*pid, uuid) && is_container(*pid))?;
    let _ = replace(&file, found.to_string().as_bytes());
    Some(found)
}

/// Whether there is such a process and it is a container's init.
pub(crate) fn is_container(pid: i32) -> bool {
    is_alive(pid) && has_mark(pid, "") && last_pid(pid) == Some(1)
}

/// Whether there is such a process.
pub(crate) fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// Whether a container runs that calls itself by this uuid.
pub(crate) fn is_taken(uuid: &str) -> bool {
    processes().any(|pid| has_mark(pid, uuid) && is_container(pid))
}

fn has_mark(pid: i32, mark: &str) -> bool {
    inside(pid, "/run/droidspaces").join(mark).exists()
}

/// A process's id in its own namespace.
fn last_pid(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

pub(crate) fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
