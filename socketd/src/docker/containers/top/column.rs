//! The columns of `ps`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wire::Time;
use wire::stats::ProcessInfo;

use super::Around;

const SECOND: u64 = 1_000_000_000;

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Pid,
    Parent,
    Group,
    Session,
    Uid,
    User,
    Gid,
    GroupName,
    Name,
    Arguments,
    Time,
    TimeShort,
    TimeSeconds,
    Elapsed,
    ElapsedSeconds,
    CpuPercent,
    CpuWhole,
    MemoryPercent,
    Resident,
    Virtual,
    State,
    StateLong,
    Terminal,
    Nice,
    Priority,
    PriorityKernel,
    StartedLong,
    Started,
    StartedShort,
    Threads,
}

impl Column {
    /// A column by any of its names, with the heading of that name.
    pub(super) fn parse(name: &str) -> Option<(Self, &'static str)> {
        Some(match name {
            "pid" | "tgid" => (Self::Pid, if name == "pid" { "PID" } else { "TGID" }),
            "ppid" => (Self::Parent, "PPID"),
            "pgid" => (Self::Group, "PGID"),
            "pgrp" => (Self::Group, "PGRP"),
            "sid" => (Self::Session, "SID"),
            "sess" | "session" => (Self::Session, "SESS"),
            "uid" => (Self::Uid, "UID"),
            "euid" => (Self::Uid, "EUID"),
            "user" | "uname" => (Self::User, "USER"),
            "euser" => (Self::User, "EUSER"),
            "gid" => (Self::Gid, "GID"),
            "egid" => (Self::Gid, "EGID"),
            "group" => (Self::GroupName, "GROUP"),
            "egroup" => (Self::GroupName, "EGROUP"),
            "comm" | "ucomm" => (Self::Name, "COMMAND"),
            "ucmd" => (Self::Name, "CMD"),
            "args" | "command" => (Self::Arguments, "COMMAND"),
            "cmd" => (Self::Arguments, "CMD"),
            "time" | "cputime" => (Self::Time, "TIME"),
            "bsdtime" => (Self::TimeShort, "TIME"),
            "times" | "cputimes" => (Self::TimeSeconds, "TIME"),
            "etime" => (Self::Elapsed, "ELAPSED"),
            "etimes" => (Self::ElapsedSeconds, "ELAPSED"),
            "pcpu" | "%cpu" => (Self::CpuPercent, "%CPU"),
            "c" => (Self::CpuWhole, "C"),
            "pmem" | "%mem" => (Self::MemoryPercent, "%MEM"),
            "rss" | "rssize" => (Self::Resident, "RSS"),
            "rsz" => (Self::Resident, "RSZ"),
            "vsz" | "vsize" => (Self::Virtual, "VSZ"),
            "s" | "state" => (Self::State, "S"),
            "stat" => (Self::StateLong, "STAT"),
            "tty" | "tt" => (Self::Terminal, "TT"),
            "tname" => (Self::Terminal, "TTY"),
            "ni" | "nice" => (Self::Nice, "NI"),
            "pri" => (Self::Priority, "PRI"),
            "priority" => (Self::PriorityKernel, "PRI"),
            "lstart" => (Self::StartedLong, "STARTED"),
            "start" => (Self::Started, "STARTED"),
            "start_time" => (Self::StartedShort, "START"),
            "stime" => (Self::StartedShort, "STIME"),
            "nlwp" => (Self::Threads, "NLWP"),
            "thcount" => (Self::Threads, "THCNT"),
            _ => return None,
        })
    }

    /// What stands in it.
    pub(super) fn show(self, process: &ProcessInfo, around: Around) -> String {
        let lived = around.now.0.saturating_sub(process.started_at.0) / SECOND;
        let used = process.cpu_ns / SECOND;
        match self {
            Self::Pid => process.pid.to_string(),
            Self::Parent => process.parent.to_string(),
            Self::Group => process.group.to_string(),
            Self::Session => process.session.to_string(),
            Self::Uid => process.uid.to_string(),
            Self::User => name(process.uid),
            Self::Gid => process.gid.to_string(),
            Self::GroupName => name(process.gid),
            Self::Name => command(&process.name, process),
            Self::Arguments => arguments(process),
            Self::Time => time(used),
            Self::TimeShort => format!("{}:{:02}", used / 60, used % 60),
            Self::TimeSeconds => used.to_string(),
            Self::Elapsed => elapsed(lived),
            Self::ElapsedSeconds => lived.to_string(),
            Self::CpuPercent => percent(per_mille_used(process, around)),
            Self::CpuWhole => (per_mille_used(process, around) / 10).min(99).to_string(),
            Self::MemoryPercent => {
                let per_mille = process.resident_bytes.saturating_mul(1000) / around.memory_bytes.max(1);
                percent(per_mille.min(999))
            }
            Self::Resident => (process.resident_bytes / 1024).to_string(),
            Self::Virtual => (process.virtual_bytes / 1024).to_string(),
            Self::State => process.state.clone(),
            Self::StateLong => state(process),
            Self::Terminal if process.terminal.is_empty() => "?".to_owned(),
            Self::Terminal => process.terminal.clone(),
            Self::Nice => process.nice.to_string(),
            Self::Priority => 39_i32.saturating_sub(process.priority).to_string(),
            Self::PriorityKernel => process.priority.to_string(),
            Self::StartedLong => moment(process.started_at, "%a %b %e %H:%M:%S %Y"),
            Self::Started if lived >= 24 * 3600 => moment(process.started_at, "%b %d"),
            Self::Started => moment(process.started_at, "%H:%M:%S"),
            Self::StartedShort => started_short(process.started_at, around.now),
            Self::Threads => process.threads.to_string(),
        }
    }
}

/// Names of users and groups are known to a host's own files alone, which are not read here.
fn name(id: u32) -> String {
    match id {
        0 => "root".to_owned(),
        id => id.to_string(),
    }
}

/// What would break a line or a terminal is not shown.
fn printable(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().map(plain).collect()
}

fn command(text: &str, process: &ProcessInfo) -> String {
    let mut shown = printable(text);
    if process.state == "Z" {
        shown.push_str(" <defunct>");
    }
    shown
}

/// One that has no arguments goes by its name in brackets.
fn arguments(process: &ProcessInfo) -> String {
    if process.arguments.is_empty() {
        return command(&format!("[{}]", process.name), process);
    }
    printable(process.arguments.join(" ").trim_end())
}

/// `[days-]hours:minutes:seconds`.
fn time(seconds: u64) -> String {
    let clock = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    );
    match seconds / 86_400 {
        0 => clock,
        days => format!("{days}-{clock}"),
    }
}

/// `[[days-]hours:]minutes:seconds`.
fn elapsed(seconds: u64) -> String {
    if seconds < 3600 {
        return format!("{:02}:{:02}", seconds / 60, seconds % 60);
    }
    time(seconds)
}

fn percent(per_mille: u64) -> String {
    format!("{}.{}", per_mille / 10, per_mille % 10)
}

/// Of one processor, over the whole life.
fn per_mille_used(process: &ProcessInfo, around: Around) -> u64 {
    let lived = around.now.0.saturating_sub(process.started_at.0);
    if lived == 0 {
        return 0;
    }
    let per_mille = u128::from(process.cpu_ns) * 1000 / u128::from(lived);
    u64::try_from(per_mille).unwrap_or(u64::MAX)
}

/// The letter, and what else is known: nice, leader of a session, several threads.
fn state(process: &ProcessInfo) -> String {
    let mut shown = process.state.clone();
    match process.nice {
        ..0 => shown.push('<'),
        0 => {}
        1.. => shown.push('N'),
    }
    if process.session == process.pid {
        shown.push('s');
    }
    if process.threads > 1 {
        shown.push('l');
    }
    shown
}

/// A time of day of today, a day of this year, or a year.
fn started_short(started: Time, now: Time) -> String {
    let day = |time: Time| moment(time, "%Y %j");
    let year = |time: Time| moment(time, "%Y");
    if day(started) == day(now) {
        moment(started, "%H:%M")
    } else if year(started) == year(now) {
        moment(started, "%b%d")
    } else {
        year(started)
    }
}

fn moment(time: Time, format: &str) -> String {
    match Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(timestamp) => timestamp.to_zoned(TimeZone::UTC).strftime(format).to_string(),
        Err(_) => "-".to_owned(),
    }
}
