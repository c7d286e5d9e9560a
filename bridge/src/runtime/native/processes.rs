//! The processes of a container, as `/proc` shows them.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};
use wire::stats::ProcessInfo;
use wire::{ContainerId, Time};

use super::NativeRuntime;
use super::stats::ticks;
use crate::limits::PROCESSES_MAX;
use crate::shim::cgroup::{Groups, Reader};
use crate::shim::record::Run;

/// Longest argument vector that is shown, in bytes; what follows is cut off. Keeps a process within one
/// frame of an answer, however many empty arguments it has.
const ARGUMENTS_BYTES_MAX: u64 = 15 * 1024;

/// A page where the kernel does not say how long one is.
const PAGE_BYTES_DEFAULT: u64 = 4096;

/// Units of the machine that the numbers of `/proc` are in.
#[derive(Debug, Clone, Copy)]
struct Units {
    ticks: u64,
    page_bytes: u64,
    /// When the machine started, in seconds since 1970.
    booted_at_s: u64,
}

impl NativeRuntime {
    /// One that ends meanwhile is left out.
    pub(super) fn list_processes(&self, id: &ContainerId, run: &Run) -> Vec<ProcessInfo> {
        let mut reader = Reader::default();
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        let booted_at_s = reader
            .text(Path::new("/proc/stat"))
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("btime ")))
            .and_then(|seconds| seconds.trim().parse().ok());
        let units = Units {
            ticks: ticks(),
            page_bytes: page_bytes
                .and_then(|bytes| u64::try_from(bytes).ok())
                .unwrap_or(PAGE_BYTES_DEFAULT),
            booted_at_s: booted_at_s.unwrap_or(0),
        };
        Groups::of(&self.layout, id)
            .processes(PROCESSES_MAX)
            .unwrap_or_else(|| in_namespace_of(run.pid))
            .into_iter()
            .filter_map(|pid| process(pid, units, &mut reader))
            .collect()
    }
}

/// Where there are no control groups: whoever has the same numbers of processes.
fn in_namespace_of(first: u32) -> Vec<u32> {
    let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(own) = namespace(first) else {
        return Vec::new();
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| namespace(pid).as_ref() == Some(&own))
        .take(PROCESSES_MAX)
        .collect();
    pids.sort_unstable();
    pids
}

fn process(pid: u32, units: Units, reader: &mut Reader) -> Option<ProcessInfo> {
    let directory = Path::new("/proc").join(pid.to_string());
    let status = reader.text(&directory.join("status"))?;
    let (uid, gid) = (effective(status, "Uid:")?, effective(status, "Gid:")?);
    let mut stat = Vec::new();
    File::open(directory.join("stat"))
        .ok()?
        .read_to_end(&mut stat)
        .ok()?;
    let mut info = from_stat(&stat, units)?;
    (info.pid, info.uid, info.gid) = (pid, uid, gid);
    info.arguments = arguments(&directory.join("cmdline"));
    Some(info)
}

/// The second of the four numbers.
fn effective(status: &str, name: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A name may hold anything, parentheses and newlines too, so the rest is counted from its end.
fn from_stat(stat: &[u8], units: Units) -> Option<ProcessInfo> {
    let (open, close) = (
        stat.iter().position(|&byte| byte == b'(')?,
        stat.iter().rposition(|&byte| byte == b')')?,
    );
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Counted from field 3, the state.
    let field = |number: usize| words.get(number.checked_sub(3)?).copied();
    let number = |at: usize| field(at)?.parse::<u64>().ok();
    let small = |at: usize| field(at)?.parse::<i32>().ok();
    let unsigned = |at: usize| small(at).and_then(|value| u32::try_from(value).ok());
    let in_ns = |ticks: u64| ticks.saturating_mul(1_000_000_000 / units.ticks);
    let booted_at = units.booted_at_s.saturating_mul(1_000_000_000);
    Some(ProcessInfo {
        parent: unsigned(4)?,
        state: field(3)?.to_owned(),
        name: String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned(),
        terminal: terminal(unsigned(7).unwrap_or(0)),
        started_at: Time(booted_at.saturating_add(in_ns(number(22)?))),
        cpu_ns: in_ns(number(14)?.saturating_add(number(15)?)),
        resident_bytes: number(24)?.saturating_mul(units.page_bytes),
        virtual_bytes: number(23)?,
        threads: unsigned(20)?,
        nice: small(19)?,
        priority: small(18)?,
        group: unsigned(5).unwrap_or(0),
        session: unsigned(6).unwrap_or(0),
        ..ProcessInfo::default()
    })
}

/// A device number, in the kernel's packing, as the name below `/dev`.
fn terminal(number: u32) -> String {
    let (major, minor) = (
        (number >> 8) & 0xfff,
        (number & 0xff) | ((number >> 12) & 0xf_ff00),
    );
    match major {
        0 => String::new(),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        _ => "?".to_owned(),
    }
}

fn arguments(path: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(ARGUMENTS_BYTES_MAX).read_to_end(&mut bytes));
    if read.is_err() || bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .strip_suffix(b"\0")
        .unwrap_or(&bytes)
        .split(|&byte| byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: Units = Units {
        ticks: 100,
        page_bytes: 4096,
        booted_at_s: 1000,
    };

    #[test]
    fn a_name_may_hold_anything() {
        let stat = b"42 (a) (b\n) S 7 42 43 34818 42 4194560 1 2 3 4 150 50 0 0 20 -5 3 0 250 8192 2 1 1\n";
        let info = from_stat(stat, UNITS).expect("it is whole");
        assert_eq!(
            (info.name.as_str(), info.state.as_str(), info.parent),
            ("a) (b\n", "S", 7)
        );
        assert_eq!(
            (info.group, info.session, info.terminal.as_str()),
            (42, 43, "pts/2")
        );
        assert_eq!(info.cpu_ns, 2_000_000_000);
        assert_eq!(info.started_at, Time(1_002_500_000_000));
        assert_eq!((info.virtual_bytes, info.resident_bytes), (8192, 8192));
        assert_eq!((info.priority, info.nice, info.threads), (20, -5, 3));
        assert!(from_stat(b"42 (cut) S 7", UNITS).is_none());
        assert!(from_stat(b"", UNITS).is_none());
    }

    #[test]
    fn terminals_have_names() {
        for (number, name) in [
            (0, ""),
            (0x401, "tty1"),
            (0x440, "ttyS0"),
            (34816, "pts/0"),
            (137 << 8, "pts/256"),
            (5 << 8, "?"),
        ] {
            assert_eq!(terminal(number), name, "{number}");
        }
    }

    #[test]
    fn users() {
        assert_eq!(effective("Name:\tx\nUid:\t1\t2\t3\t4\n", "Uid:"), Some(2));
        assert_eq!(effective("Name:\tx\n", "Uid:"), None);
    }
}
