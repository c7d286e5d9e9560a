//! What the kernel has: the younger system calls, namespaces, overlays, and whether it knows what time it is.
//!
//! Each call is made for real, in a way that changes nothing: a filter may hide what a kernel has. Two of them
//! cannot be made from safe code; of those its release tells.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::sys::utsname::uname;
use rustix::fs::{
    AtFlags, CWD, MemfdFlags, Mode, OFlags, ResolveFlags, StatxFlags, memfd_create, openat2, statx,
};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::finding::Finding;
use super::scene::Scene;

/// The oldest that was tried.
const OLDEST: (u32, u32) = (3, 10);

/// No clock that is right shows an earlier time: 2025-01-01.
const CLOCK_SECONDS_MIN: u64 = 1_735_689_600;

/// Namespaces that a container of our own needs.
const NAMESPACES_NEEDED: [&str; 5] = ["mnt", "pid", "net", "ipc", "uts"];
/// Those that it gets beside them where they are there.
const NAMESPACES_MORE: [&str; 3] = ["user", "cgroup", "time"];

/// The first two numbers of a kernel's release: `4.14.186-android` is 4 and 14.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|char: char| !char.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn release() -> String {
    uname()
        .map(|uname| uname.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn is_since(major: u32, minor: u32) -> bool {
    numbers(&release()).is_some_and(|numbers| numbers >= (major, minor))
}

pub(super) fn version(_: &Scene) -> Vec<Finding> {
    let release = release();
    vec![match numbers(&release) {
        Some(numbers) if numbers < OLDEST => Finding::wrong(
            format!("{release} is older than any that was tried (3.10)"),
            "use a newer kernel",
        ),
        _ => Finding::ok(format!("{release}, {}", std::env::consts::ARCH)),
    }]
}

pub(super) fn pidfd(_: &Scene) -> Vec<Finding> {
    vec![if pidfd_open(getpid(), PidfdFlags::empty()).is_ok() {
        Finding::ok("signals reach the process that is meant, whatever ends meanwhile")
    } else {
        Finding::fallback(
            "not known here (before 5.3): a process is looked at by its number and start just before it is signalled",
        )
    }]
}

pub(super) fn clone3(_: &Scene) -> Vec<Finding> {
    vec![if is_since(5, 3) {
        Finding::ok("known, by the kernel's release; containers and threads are made with clone all the same")
    } else {
        Finding::fallback("not known here (before 5.3): clone makes containers and threads, as everywhere")
    }]
}

pub(super) fn openat2_call(_: &Scene) -> Vec<Finding> {
    let made = openat2(
        CWD,
        "/",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    );
    vec![if made.is_ok() {
        Finding::ok("known; paths are walked part by part all the same")
    } else {
        Finding::fallback("not known here (before 5.6): paths are walked part by part, as everywhere")
    }]
}

pub(super) fn statx_call(_: &Scene) -> Vec<Finding> {
    vec![
        if statx(CWD, "/", AtFlags::empty(), StatxFlags::BASIC_STATS).is_ok() {
            Finding::ok("known")
        } else {
            Finding::fallback("not known here (before 4.11): stat is asked instead")
        },
    ]
}

pub(super) fn memfd(_: &Scene) -> Vec<Finding> {
    vec![if memfd_create("socketd-doctor", MemfdFlags::CLOEXEC).is_ok() {
        Finding::ok("known; nothing here depends on it")
    } else {
        Finding::fallback("not known here (before 3.17): nothing here depends on it")
    }]
}

pub(super) fn close_range(_: &Scene) -> Vec<Finding> {
    vec![if is_since(5, 9) {
        Finding::ok("known, by the kernel's release")
    } else {
        Finding::fallback("not known here (before 5.9): /proc/self/fd says which descriptors to close")
    }]
}

pub(super) fn namespaces(_: &Scene) -> Vec<Finding> {
    let is_there = |kind: &&str| Path::new("/proc/self/ns").join(kind).exists();
    if !Path::new("/proc/self").exists() {
        return vec![Finding::wrong(
            "there is no /proc",
            "mount it: mount -t proc proc /proc",
        )];
    }
    let missing: Vec<_> = NAMESPACES_NEEDED
        .into_iter()
        .filter(|kind| !is_there(kind))
        .collect();
    if !missing.is_empty() {
        return vec![Finding::wrong(
            format!(
                "this kernel lacks {}: no container of our own can start",
                missing.join(", ")
            ),
            "a kernel with CONFIG_NAMESPACES and what belongs to it, or containers of another runtime alone",
        )];
    }
    let more: Vec<_> = NAMESPACES_MORE.into_iter().filter(is_there).collect();
    let all = [&NAMESPACES_NEEDED[..], &more].concat().join(", ");
    vec![if more.contains(&"cgroup") {
        Finding::ok(all)
    } else {
        Finding::fallback(format!(
            "{all}; no cgroup (before 4.6): a container sees the machine's names of groups"
        ))
    }]
}

pub(super) fn overlayfs(_: &Scene) -> Vec<Finding> {
    let Ok(known) = fs::read_to_string("/proc/filesystems") else {
        return vec![Finding::unknown("/proc/filesystems cannot be read")];
    };
    let is_known = known
        .lines()
        .any(|line| line.split_whitespace().last() == Some("overlay"));
    vec![if is_known {
        Finding::ok("known")
    } else if Path::new("/proc/modules").exists() {
        Finding::fallback("not known yet; the kernel loads it at the first mount if it has the module")
            .with_fix("modprobe overlay")
    } else {
        Finding::fallback(
            "this kernel has none: images of our own cannot be run, containers of other runtimes can",
        )
        .with_fix("a kernel with CONFIG_OVERLAY_FS=y")
    }]
}

pub(super) fn clock(_: &Scene) -> Vec<Finding> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    vec![clock_at(now.as_secs())]
}

fn clock_at(seconds: u64) -> Finding {
    let time = crate::docker::time::rfc3339_nano(wire::Time::since_epoch(Duration::from_secs(seconds)));
    if seconds < CLOCK_SECONDS_MIN {
        Finding::wrong(
            format!(
                "it says {time}, which cannot be: certificates do not hold yet, and events get that time"
            ),
            "set it (date -s, or a network for the phone to learn it from)",
        )
    } else {
        Finding::ok(time)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn releases() {
        fn check(release: &str, expected: Option<(u32, u32)>) {
            assert_eq!(numbers(release), expected, "{release}");
        }
        check("6.18.0", Some((6, 18)));
        check("4.14.186-perf-g1234", Some((4, 14)));
        check("3.10-rc1", Some((3, 10)));
        check("5.10.0+", Some((5, 10)));
        check("six", None);
        check("", None);
    }

    #[test]
    fn a_clock_that_was_never_set_is_seen() {
        assert_eq!(clock_at(0).verdict, Verdict::Wrong);
        assert_eq!(clock_at(CLOCK_SECONDS_MIN - 1).verdict, Verdict::Wrong);
        assert_eq!(clock_at(CLOCK_SECONDS_MIN).verdict, Verdict::Ok);
        assert!(
            clock_at(CLOCK_SECONDS_MIN)
                .says
                .starts_with("2025-01-01T00:00:00")
        );
    }
}
