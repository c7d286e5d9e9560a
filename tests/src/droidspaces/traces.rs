//! Processes of a workspace, found and ended.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Processes whose program is this file, the caller excepted. Each container lives and dies with such a
/// process outside it.
pub(super) fn of_program(program: &Path) -> Vec<i32> {
    let mut deleted = program.as_os_str().to_owned();
    deleted.push(" (deleted)");
    let deleted = PathBuf::from(deleted);
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Gone meanwhile, or without a program: not one of ours.
        let Ok(own) = fs::read_link(entry.path().join("exe")) else {
            continue;
        };
        if own == program || own == deleted {
            found.push(pid);
        }
    }
    found
}

/// Whether a process is in a process namespace that is not ours.
pub(super) fn is_inside(pid: i32) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let other = namespace(&pid.to_string());
    other.is_some() && other != namespace("self")
}

/// Ends a process, whether it likes it or not.
pub(super) fn end(pid: i32) {
    // It may have ended meanwhile.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// Whether there is such a process, one that has ended but is not yet waited for excepted.
pub(super) fn is_there(pid: i32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The state stands behind the program's name, which is in brackets.
    let state = text.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, Some(Some('Z' | 'X')))
}
