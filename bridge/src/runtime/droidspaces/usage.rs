//! What a container uses, and which processes it has.
//!
//! On a host with control groups of version 2 the runtime makes a group for each container, and the kernel
//! counts. Elsewhere, as on most phones, its processes are looked at one by one, and then:
//!
//! - processor time is that of the processes that are there and of those that they waited for. One that
//!   ended with nobody to wait for it is not counted; so the sum rarely falls, but can;
//! - memory is the sum of what is resident, so pages that processes share are counted once for each;
//! - a process that came in from outside, as every further process does, is no descendant of the first,
//!   so it is not seen where the kernel lists children.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use wire::stats::{MemoryStats, ProcessInfo, Stats};

use super::config::{NetMode, is_valid_name};
use crate::limits::PROCESSES_MAX;
use crate::runtime::processes::{Spent, Units, in_namespace_of, list, spent};
use crate::runtime::stats::{begin, finish, interfaces_of, ticks};
use crate::shim::cgroup::{Groups, Layout, Reader};

/// The group above all containers' groups.
const PARENT: &str = "droidspaces";

/// Every process of a container that runs, by rising number. One that ends meanwhile is left out.
/// `first`: its first process, as the host numbers it; `safe_name`: what its files are called.
pub(in crate::runtime::droidspaces) fn processes(
    layout: &Layout,
    first: u32,
    safe_name: &str,
) -> Vec<ProcessInfo> {
    let members = group(layout, first, safe_name).map(|(_, members)| members);
    list(members.unwrap_or_else(|| tree(Path::new("/proc"), first)))
}

/// What a container that runs uses now. On the host's network it has no interfaces of its own.
pub(in crate::runtime::droidspaces) fn stats(
    layout: &Layout,
    first: u32,
    safe_name: &str,
    net_mode: NetMode,
) -> Stats {
    let mut reader = Reader::default();
    let mut stats = begin();
    let ticks = ticks();
    let members = match group(layout, first, safe_name) {
        Some((groups, members)) => {
            groups.usage(&mut reader, ticks, &mut stats);
            members
        }
        None => tree(Path::new("/proc"), first),
    };
    // A group need not have every controller, and before Linux 4.15 it counts no time without one.
    if stats.cpu.total_ns == 0 || stats.memory.is_none() || stats.pids == 0 {
        let units = Units::read(&mut reader);
        let each = members.into_iter().filter_map(|pid| spent(pid, units));
        add(&each.fold(Spent::default(), sum), &mut stats);
    }
    finish(&mut reader, ticks, &mut stats);
    if net_mode != NetMode::Host {
        stats.interfaces = interfaces_of(first, &mut reader);
    }
    stats
}

/// The container's group and who is in it, where its first process is: another's does not count.
fn group(layout: &Layout, first: u32, safe_name: &str) -> Option<(Groups, Vec<u32>)> {
    if !is_valid_name(safe_name) {
        return None;
    }
    let groups = Groups::found(layout, &Path::new(PARENT).join(safe_name))?;
    let members = groups.processes(PROCESSES_MAX)?;
    members.contains(&first).then_some((groups, members))
}

fn sum(one: Spent, other: Spent) -> Spent {
    Spent {
        user_ns: one.user_ns.saturating_add(other.user_ns),
        kernel_ns: one.kernel_ns.saturating_add(other.kernel_ns),
        resident_bytes: one.resident_bytes.saturating_add(other.resident_bytes),
        threads: one.threads.saturating_add(other.threads),
    }
}

/// Fills in what no group has said.
fn add(spent: &Spent, stats: &mut Stats) {
    if stats.cpu.total_ns == 0 {
        stats.cpu.user_ns = spent.user_ns;
        stats.cpu.kernel_ns = spent.kernel_ns;
        stats.cpu.total_ns = spent.user_ns.saturating_add(spent.kernel_ns);
    }
    if stats.memory.is_none() {
        stats.memory = Some(MemoryStats {
            usage: spent.resident_bytes,
            ..MemoryStats::default()
        });
    }
    if stats.pids == 0 {
        stats.pids = spent.threads;
    }
}

/// The first process and all that descend from it, by rising number, at most [`PROCESSES_MAX`]. Where the
/// kernel does not list children: whoever has the same numbers of processes, which takes a look at all.
fn tree(proc: &Path, first: u32) -> Vec<u32> {
    let tasks = |pid: u32| proc.join(pid.to_string()).join("task");
    if !tasks(first).join(first.to_string()).join("children").exists() {
        return in_namespace_of(first);
    }
    let (mut found, mut open) = (HashSet::from([first]), vec![first]);
    while let Some(pid) = open.pop() {
        for child in children(&tasks(pid)) {
            if found.len() < PROCESSES_MAX && found.insert(child) {
                open.push(child);
            }
        }
    }
    let mut members: Vec<u32> = found.into_iter().collect();
    members.sort_unstable();
    members
}

/// Those of a process: each of its threads has its own.
fn children(tasks: &PathBuf) -> Vec<u32> {
    let threads = fs::read_dir(tasks).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok())
                .collect::<Vec<_>>()
        })
        .take(PROCESSES_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// A directory that looks like `/proc`, until dropped.
    struct Proc(PathBuf);

    impl Proc {
        fn new(name: &str, children: &[(u32, u32, &str)]) -> Self {
            let proc = std::env::temp_dir().join(format!("socketd-usage-{}-{name}", std::process::id()));
            for (pid, thread, list) in children {
                let task = proc.join(format!("{pid}/task/{thread}"));
                fs::create_dir_all(&task).expect("it is made");
                fs::write(task.join("children"), list).expect("it is written");
            }
            Self(proc)
        }
    }

    impl Drop for Proc {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn descendants() {
        fn check(name: &str, children: &[(u32, u32, &str)], expected: &[u32]) {
            let proc = Proc::new(name, children);
            assert_eq!(tree(&proc.0, 10), expected, "{name}");
        }
        check("alone", &[(10, 10, "")], &[10]);
        check(
            "levels",
            &[(10, 10, "12 11 "), (11, 11, "20 "), (20, 20, "")],
            &[10, 11, 12, 20],
        );
        check("threads", &[(10, 10, "11 "), (10, 15, "12 ")], &[10, 11, 12]);
        // A number that is used again while one looks must not lead round in a circle.
        check("circle", &[(10, 10, "11"), (11, 11, "10 11")], &[10, 11]);
        check("nonsense", &[(10, 10, "x -1 11 99999999999")], &[10, 11]);
        let many: Vec<String> = (100..100 + 2 * PROCESSES_MAX)
            .map(|pid| pid.to_string())
            .collect();
        let proc = Proc::new("many", &[(10, 10, &many.join(" "))]);
        assert_eq!(tree(&proc.0, 10).len(), PROCESSES_MAX);
    }

    #[test]
    fn what_no_group_says() {
        let spent = Spent {
            user_ns: 5,
            kernel_ns: 6,
            resident_bytes: 7,
            threads: 8,
        };
        let mut stats = Stats::default();
        add(&sum(spent, spent), &mut stats);
        assert_eq!(
            (stats.cpu.user_ns, stats.cpu.kernel_ns, stats.cpu.total_ns),
            (10, 12, 22)
        );
        assert_eq!(
            (stats.memory.map(|memory| memory.usage), stats.pids),
            (Some(14), 16)
        );
        // What a group has said stays.
        let mut stats = Stats {
            group_version: 2,
            pids: 3,
            ..Stats::default()
        };
        stats.cpu.total_ns = 1;
        add(&spent, &mut stats);
        assert_eq!((stats.cpu.total_ns, stats.pids), (1, 3));
        assert_eq!(stats.memory.map(|memory| memory.usage), Some(7));
    }

    /// A process number space with four processes: two shells and a child of each.
    struct Space {
        outside: Child,
        first: u32,
    }

    impl Space {
        fn new() -> Self {
            let inside = "sleep 1000 & sh -c 'sleep 1000 & echo ready; wait'; wait";
            let mut outside = Command::new("unshare")
                .args([
                    "--user",
                    "--map-root-user",
                    "--pid",
                    "--fork",
                    "--kill-child",
                    "sh",
                    "-c",
                    inside,
                ])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .expect("unshare is there");
            let mut line = String::new();
            let output = outside.stdout.take().expect("it is a pipe");
            BufReader::new(output).read_line(&mut line).expect("it speaks");
            assert_eq!(line, "ready\n");
            let pid = outside.id();
            let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
            let first = list.trim().parse().expect("it has one child");
            Self { outside, first }
        }
    }

    impl Drop for Space {
        fn drop(&mut self) {
            // What is inside is killed with it.
            let _ = self.outside.kill();
            let _ = self.outside.wait();
        }
    }

    #[test]
    fn a_real_space() {
        let space = Space::new();
        let members = tree(Path::new("/proc"), space.first);
        assert_eq!(members.len(), 4);
        // The two ways to find them agree.
        assert_eq!(members, in_namespace_of(space.first));
        let listed = processes(&Layout::default(), space.first, "none");
        assert_eq!(
            listed.iter().map(|process| process.pid).collect::<Vec<_>>(),
            members
        );
        // A shell's child has the shell's name until it has become its program.
        let deadline = Instant::now() + Duration::from_secs(20);
        let sleeps = |listed: &[ProcessInfo]| listed.iter().filter(|process| process.name == "sleep").count();
        while sleeps(&processes(&Layout::default(), space.first, "none")) != 2 {
            assert!(Instant::now() < deadline, "{listed:?}");
            std::thread::yield_now();
        }
        let found = stats(&Layout::default(), space.first, "none", NetMode::Nat);
        assert!(found.running && found.pids == 4 && found.group_version == 0);
        let memory = found.memory.expect("it is counted");
        assert!(memory.usage > 0 && memory.limit > memory.usage);
        assert!(found.cpu.machine_ns > 0 && found.cpu.online > 0);
    }

    #[test]
    fn a_container_of_the_hosts_network_has_no_interfaces() {
        let own = std::process::id();
        let found = stats(&Layout::default(), own, "none", NetMode::Host);
        assert!(found.interfaces.is_empty());
        assert!(found.cpu.total_ns > 0 && found.pids > 0);
    }

    #[test]
    fn one_that_has_ended_has_no_processes() {
        assert!(processes(&Layout::default(), 0, "none").is_empty());
        assert_eq!(stats(&Layout::default(), 0, "../..", NetMode::Nat).pids, 0);
    }
}
