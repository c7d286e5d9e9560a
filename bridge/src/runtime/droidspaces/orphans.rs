//! The one look at every process, at the start: containers that run although no pidfile says so.
//!
//! What carries a container's mark without a pidfile is not taken for it: within a container anybody can
//! make such a mark. The runtime's own `scan` mends what was lost.

use std::collections::BTreeMap;
use std::fs;

use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;

use super::identity::is_file_name;
use super::living::{is_first_elsewhere, markers};
use super::table::Table;

/// Says in the log which containers seem to run.
pub(super) fn warn(table: &Table) {
    let mut stopped = BTreeMap::new();
    for entry in table.entries().filter(|entry| entry.run.is_none()) {
        let uuid = entry.facts.config.uuid.as_str();
        if is_file_name(uuid) {
            stopped.insert(uuid, entry.name());
        }
    }
    if stopped.is_empty() {
        return;
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.filter(|&pid| is_first_elsewhere(pid)) {
        let Some(folder) = markers(pid) else { continue };
        let marked = |uuid: &&str| fstatat(&folder, *uuid, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok();
        for uuid in stopped.keys().filter(|uuid| marked(uuid)) {
            let container = stopped.get(uuid).copied().unwrap_or_default();
            tracing::warn!(
                container,
                pid,
                "a process carries this container's mark, but its pidfile is lost: it is shown as stopped until \
                 droidspaces scan has found it"
            );
        }
    }
}
