//! Processes, as `/proc` shows them.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};
use wire::Time;
use wire::stats::ProcessInfo;

use super::stats::ticks;
use crate::limits::PROCESSES_MAX;
use crate::shim::cgroup::Reader;

/// Longest argument vector that is shown, in bytes; what follows is cut off. Keeps a process within one
/// frame of an answer, however many empty arguments it has.
const ARGUMENTS_BYTES_MAX: u64 = 15 * 1024;

/// A page where the kernel does not say how long one is.
const PAGE_BYTES_DEFAULT: u64 = 4096;

/// Units of the machine that the numbers of `/proc` are in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    ticks: u64,
    page_bytes: u64,
    /// When the machine started, in seconds since 1970.
    booted_at_s: u64,
}

impl Units {
    /// Those of this machine.
    pub(super) fn read(reader: &mut Reader) -> Self {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        let booted_at_s = reader
            .text(Path::new("/proc/stat"))
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("btime ")))
            .and_then(|seconds| seconds.trim().parse().ok());
        Self {
            ticks: ticks(),
            page_bytes: page_bytes
                .and_then(|bytes| u64::try_from(bytes).ok())
                .unwrap_or(PAGE_BYTES_DEFAULT),
            booted_at_s: booted_at_s.unwrap_or(0),
        }
    }

    fn in_ns(self, ticks: u64) -> u64 {
        ticks.saturating_mul(1_000_000_000 / self.ticks)
    }
}

/// What is known of these processes. One that ends meanwhile is left out.
pub(super) fn list(pids: impl IntoIterator<Item = u32>) -> Vec<ProcessInfo> {
    let mut reader = Reader::default();
    let units = Units::read(&mut reader);
    pids.into_iter()
        .filter_map(|pid| process(pid, units, &mut reader))
        .collect()
}

/// Whoever has the same numbers of processes as this one: a look at every process of the machine.
pub(super) fn in_namespace_of(first: u32) -> Vec<u32> {
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
    let stat = stat(pid)?;
    let mut info = from_stat(&stat, units)?;
    (info.pid, info.uid, info.gid) = (pid, uid, gid);
    info.arguments = arguments(&directory.join("cmdline"));
    Some(info)
}

/// Longest `stat` that is read, in bytes: a name and fifty numbers. Stops what should not be possible from
/// filling the memory.
const STAT_BYTES_MAX: u64 = 4096;

fn stat(pid: u32) -> Option<Vec<u8>> {
    let mut stat = Vec::new();
    File::open(format!("/proc/{pid}/stat"))
        .ok()?
        .take(STAT_BYTES_MAX)
        .read_to_end(&mut stat)
        .ok()?;
    Some(stat)
}

/// What a process uses, and has used for those that it waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// Processor time in programs, in nanoseconds, with that of children that ended and were waited for.
    pub(super) user_ns: u64,
    /// The same in the kernel.
    pub(super) kernel_ns: u64,
    /// Memory in use, in bytes.
    pub(super) resident_bytes: u64,
    /// Threads.
    pub(super) threads: u64,
}

/// What this process uses; none where it has ended.
pub(super) fn spent(pid: u32, units: Units) -> Option<Spent> {
    spent_in(&stat(pid)?, units)
}

fn spent_in(stat: &[u8], units: Units) -> Option<Spent> {
    let (_, words) = fields(stat)?;
    let number = |at: usize| field(&words, at)?.parse::<u64>().ok();
    // What was waited for may be written as less than nothing by old kernels; then it is nothing.
    let sum = |at: usize, of_ended: usize| {
        Some(units.in_ns(number(at)?.saturating_add(number(of_ended).unwrap_or(0))))
    };
    Some(Spent {
        user_ns: sum(14, 16)?,
        kernel_ns: sum(15, 17)?,
        resident_bytes: number(24)?.saturating_mul(units.page_bytes),
        threads: number(20)?,
    })
}

/// The name, and the words after it. A name may hold anything, parentheses and newlines too, so the rest is
/// counted from its end.
fn fields(stat: &[u8]) -> Option<(&[u8], Vec<&str>)> {
    let (open, close) = (
        stat.iter().position(|&byte| byte == b'(')?,
        stat.iter().rposition(|&byte| byte == b')')?,
    );
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    Some((
        stat.get(open + 1..close)?,
        rest.split_ascii_whitespace().collect(),
    ))
}

/// A field by the kernel's number. Words are counted from field 3, the state.
fn field<'a>(words: &[&'a str], number: usize) -> Option<&'a str> {
    words.get(number.checked_sub(3)?).copied()
}

/// The second of the four numbers.
fn effective(status: &str, name: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn from_stat(stat: &[u8], units: Units) -> Option<ProcessInfo> {
    let (name, words) = fields(stat)?;
    let field = |number: usize| field(&words, number);
    let number = |at: usize| field(at)?.parse::<u64>().ok();
    let small = |at: usize| field(at)?.parse::<i32>().ok();
    let unsigned = |at: usize| small(at).and_then(|value| u32::try_from(value).ok());
    let booted_at = units.booted_at_s.saturating_mul(1_000_000_000);
    Some(ProcessInfo {
        parent: unsigned(4)?,
        state: field(3)?.to_owned(),
        name: String::from_utf8_lossy(name).into_owned(),
        terminal: terminal(unsigned(7).unwrap_or(0)),
        started_at: Time(booted_at.saturating_add(units.in_ns(number(22)?))),
        cpu_ns: units.in_ns(number(14)?.saturating_add(number(15)?)),
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
    fn what_is_spent() {
        let stat = b"42 (a) S 7 42 43 0 42 4194560 1 2 3 4 150 50 30 20 20 -5 3 0 250 8192 2 1 1\n";
        let expected = Spent {
            user_ns: 1_800_000_000,
            kernel_ns: 700_000_000,
            resident_bytes: 8192,
            threads: 3,
        };
        assert_eq!(spent_in(stat, UNITS), Some(expected));
        assert_eq!(spent_in(b"42 (cut) S 7", UNITS), None);
        let own = spent(std::process::id(), Units::read(&mut Reader::default())).expect("it runs");
        assert!(own.threads > 0 && own.resident_bytes > 0);
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
