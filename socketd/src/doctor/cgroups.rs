//! Control groups: which kinds are mounted, and which controllers they bring.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::finding::Finding;
use super::scene::Scene;

/// What limits and statistics of a container are made with, by the names of either version.
const USED: [&str; 4] = ["memory", "cpu", "cpuset", "pids"];

/// What is mounted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Groups {
    /// Controllers of hierarchies of the first version.
    first: BTreeSet<String>,
    /// Whether any such is mounted, also one without a controller.
    has_first: bool,
    /// Where the second version is mounted.
    second: Option<String>,
}

impl Groups {
    /// From `/proc/self/mountinfo`: behind a dash stand the kind, the source, and its options.
    fn parse(table: &str) -> Self {
        let mut groups = Self::default();
        for line in table.lines() {
            let Some((before, behind)) = line.split_once(" - ") else {
                continue;
            };
            let mut behind = behind.split(' ');
            match (behind.next(), behind.nth(1)) {
                (Some("cgroup2"), _) if groups.second.is_none() => {
                    groups.second = before.split(' ').nth(4).map(str::to_owned);
                }
                (Some("cgroup"), options) => {
                    groups.has_first = true;
                    let options = options.unwrap_or_default().split(',');
                    let known = options.filter(|option| USED.contains(option) || is_further(option));
                    groups.first.extend(known.map(str::to_owned));
                }
                _ => {}
            }
        }
        groups
    }
}

/// Controllers that are shown, for they freeze containers, or are asked for by name.
fn is_further(option: &str) -> bool {
    matches!(option, "freezer" | "devices" | "blkio" | "cpuacct" | "hugetlb")
}

pub(super) fn mounted(_: &Scene) -> Vec<Finding> {
    let Ok(table) = fs::read_to_string("/proc/self/mountinfo") else {
        return vec![Finding::unknown("/proc/self/mountinfo cannot be read")];
    };
    let groups = Groups::parse(&table);
    let second = groups.second.as_ref().map(|place| {
        let controllers = fs::read_to_string(Path::new(place).join("cgroup.controllers"));
        controllers.unwrap_or_default()
    });
    vec![judge(&groups, second.as_deref())]
}

/// `second`: what the second version has, where it is mounted.
fn judge(groups: &Groups, second: Option<&str>) -> Finding {
    let mut kinds = Vec::new();
    if groups.has_first {
        let names: Vec<_> = groups.first.iter().map(String::as_str).collect();
        kinds.push(format!("version 1 with {}", named(&names)));
    }
    let of_second: Vec<_> = second.unwrap_or_default().split_whitespace().collect();
    if second.is_some() {
        kinds.push(format!("version 2 with {}", named(&of_second)));
    }
    if kinds.is_empty() {
        return Finding::fallback("none are mounted: containers run without limits and statistics")
            .with_fix("mount -t cgroup2 none /sys/fs/cgroup, or the controllers of version 1 below it");
    }
    let missing: Vec<_> = USED
        .into_iter()
        .filter(|name| !groups.first.contains(*name) && !of_second.contains(name))
        .collect();
    let kinds = kinds.join("; ");
    if missing.is_empty() {
        Finding::ok(kinds)
    } else {
        Finding::fallback(format!("{kinds}; no limits of {}", missing.join(", ")))
    }
}

fn named(names: &[&str]) -> String {
    if names.is_empty() {
        "no controller".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const FIRST: &str = "\
        31 30 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
        32 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
        33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";

    #[track_caller]
    fn check(table: &str, second: Option<&str>, verdict: Verdict, says: &str) {
        let found = judge(&Groups::parse(table), second);
        assert_eq!((found.verdict, found.says.as_str()), (verdict, says));
    }

    #[test]
    fn both_versions_and_none() {
        check(
            "",
            None,
            Verdict::Fallback,
            "none are mounted: containers run without limits and statistics",
        );
        check(
            FIRST,
            None,
            Verdict::Fallback,
            "version 1 with cpu, cpuacct, memory; no limits of cpuset, pids",
        );
        check(
            FIRST,
            Some("cpuset pids\n"),
            Verdict::Ok,
            "version 1 with cpu, cpuacct, memory; version 2 with cpuset, pids",
        );
        check(
            "33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n",
            Some(""),
            Verdict::Fallback,
            "version 1 with no controller; version 2 with no controller; no limits of memory, cpu, cpuset, pids",
        );
    }

    #[test]
    fn the_second_version_is_found_where_it_is_mounted() {
        let table = "41 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let groups = Groups::parse(table);
        assert_eq!(groups.second.as_deref(), Some("/sys/fs/cgroup/unified"));
        assert!(!groups.has_first);
    }
}
