//! Which processes are in a container's groups.

use std::fs;
use std::path::Path;

use super::Groups;

/// How deep groups within the container's own are looked into. Stops a container that was given the
/// control groups from leading us down without end.
const DEPTH_MAX: u32 = 8;

impl Groups {
    /// Numbers of the processes, at most `most`, rising; none where there is no group to ask.
    #[must_use]
    pub fn processes(&self, most: usize) -> Option<Vec<u32>> {
        let group = self.groups.iter().find(|group| group.path.exists())?;
        let mut pids = Vec::new();
        collect(&group.path, DEPTH_MAX, most, &mut pids);
        pids.sort_unstable();
        pids.dedup();
        Some(pids)
    }
}

fn collect(directory: &Path, depth: u32, most: usize, pids: &mut Vec<u32>) {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let room = most.saturating_sub(pids.len());
    pids.extend(
        text.lines()
            .filter_map(|line| line.parse::<u32>().ok())
            .take(room),
    );
    if depth == 0 || pids.len() >= most {
        return;
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), depth - 1, most, pids);
        }
    }
}
