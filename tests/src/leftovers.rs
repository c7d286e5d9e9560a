//! What a pair must not leave on the machine: mounts, control groups, processes, files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time for the last processes to be gone after everything was told to end.
const GONE_LIMIT: Duration = Duration::from_secs(10);
/// How deep below a hierarchy's root our groups may lie.
const GROUP_DEPTH_MAX: usize = 6;

/// The ids of a state directory's containers: every folder called by 64 hexadecimal digits.
pub fn container_ids(dir: &Path) -> Vec<String> {
    let containers = dir.join("bridge/native/containers");
    let Ok(entries) = fs::read_dir(containers) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .collect()
}

/// Lets everything run on that is frozen in a control group or below it.
pub fn thaw(group: &Path) {
    for (file, word) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        let file = group.join(file);
        if file.exists() {
            // It may be gone by now, or not be ours to thaw: then what is left says so.
            let _ = fs::write(file, word);
        }
    }
    let below = fs::read_dir(group).into_iter().flatten().filter_map(Result::ok);
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        thaw(&entry.path());
    }
}

/// Waits until nothing of a state directory is left on the machine, then removes it; says what was left.
pub fn remove(dir: &Path, ids: &[String]) -> Vec<String> {
    // What is frozen does not hear that it is to end.
    own_groups(ids).iter().for_each(|group| thaw(group));
    let deadline = Instant::now() + GONE_LIMIT;
    let mut left = find(dir, ids);
    while !left.is_empty() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(10));
        left = find(dir, ids);
    }
    // Said all the same, but not there for the next one to find.
    for group in own_groups(ids) {
        let _ = fs::remove_dir(group);
    }
    // Files below a mount belong to somebody else.
    if mounts_below(dir).is_empty()
        && let Err(error) = fs::remove_dir_all(dir)
    {
        left.push(format!("{}: {error}", dir.display()));
    }
    left
}

fn find(dir: &Path, ids: &[String]) -> Vec<String> {
    let mut left = mounts_below(dir);
    left.extend(processes(dir, ids));
    let groups = own_groups(ids).into_iter();
    left.extend(groups.map(|group| format!("control group {}", group.display())));
    left
}

fn own_groups(ids: &[String]) -> Vec<PathBuf> {
    let roots = hierarchies().into_iter();
    roots
        .flat_map(|root| groups(&root, ids, GROUP_DEPTH_MAX))
        .collect()
}

/// Mounts below a directory.
pub fn mounts_below(dir: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let below = table.lines().filter(|line| {
        line.split(' ')
            .nth(4)
            .is_some_and(|place| Path::new(place).starts_with(dir))
    });
    below.map(|line| format!("mount {line}")).collect()
}

/// Processes that were started for this directory or one of its containers.
fn processes(dir: &Path, ids: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let name = entry.file_name().into_string().unwrap_or_default();
        let own = name == std::process::id().to_string();
        if own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // Gone meanwhile: nothing to say about it.
        let Ok(line) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&*dir.to_string_lossy()) || ids.iter().any(|id| line.contains(id)) {
            found.push(format!("process {name}: {line}"));
        }
    }
    found
}

fn hierarchies() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap();
    let groups = table.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    groups
        .filter(|fields| fields.get(2).is_some_and(|kind| kind.starts_with("cgroup")))
        .map(|fields| fields[1].into())
        .collect()
}

fn groups(root: &Path, ids: &[String], depth: usize) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if ids.iter().any(|id| name.contains(id)) {
            found.push(entry.path());
        } else if depth > 0 {
            found.extend(groups(&entry.path(), ids, depth - 1));
        }
    }
    found
}
