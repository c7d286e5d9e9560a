use super::*;

/// 2026-11-22 02:11:40.
const NOW: u64 = 1_795_313_500;

fn at(second: u64) -> Time {
    Time(second * 1_000_000_000)
}

fn around() -> Around {
    Around {
        now: at(NOW),
        memory_bytes: 1 << 30,
    }
}

fn process() -> ProcessInfo {
    ProcessInfo {
        pid: 10196,
        parent: 10177,
        uid: 0,
        gid: 1000,
        state: "S".into(),
        name: "sleep".into(),
        arguments: vec!["sleep".into(), "600".into()],
        started_at: at(NOW - 100),
        cpu_ns: 12_500_000_000,
        resident_bytes: 3 << 20,
        virtual_bytes: 5 << 20,
        threads: 2,
        nice: 5,
        priority: 25,
        group: 10196,
        session: 10196,
        ..ProcessInfo::default()
    }
}

fn format(text: &str) -> Result<Format, ApiError> {
    let text = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    parse_format(&Query::parse(Some(&format!("ps_args={text}"))))
}

fn shown(text: &str, process: &ProcessInfo) -> (Vec<String>, Vec<String>) {
    let mut top = top(&format(text).unwrap(), core::slice::from_ref(process), around());
    (top.titles, top.processes.remove(0))
}

#[track_caller]
fn check(text: &str, titles: &str, values: &str) {
    let (own_titles, own_values) = shown(text, &process());
    assert_eq!(own_titles.join("|"), titles, "{text}");
    assert_eq!(own_values.join("|"), values, "{text}");
}

#[test]
fn ready_formats_are_those_of_ps() {
    let full = "root|10196|10177|12|02:10|?|00:00:12|sleep 600";
    check("", "UID|PID|PPID|C|STIME|TTY|TIME|CMD", full);
    check("-ef", "UID|PID|PPID|C|STIME|TTY|TIME|CMD", full);
    check("-e -f -w", "UID|PID|PPID|C|STIME|TTY|TIME|CMD", full);
    check(
        "aux",
        "USER|PID|%CPU|%MEM|VSZ|RSS|TTY|STAT|START|TIME|COMMAND",
        "root|10196|12.5|0.2|5120|3072|?|SNsl|02:10|0:12|sleep 600",
    );
    check("-e", "PID|TTY|TIME|CMD", "10196|?|00:00:12|sleep");
    check("ax", "PID|TTY|STAT|TIME|COMMAND", "10196|?|SNsl|0:12|sleep 600");
    check(
        "-ej",
        "PID|PGID|SID|TTY|TIME|CMD",
        "10196|10196|10196|?|00:00:12|sleep",
    );
}

#[test]
fn columns_have_names_and_headings() {
    check("-o pid,comm", "PID|COMMAND", "10196|sleep");
    check("-eo pid,args", "PID|COMMAND", "10196|sleep 600");
    check("axo pid,user,group", "PID|USER|GROUP", "10196|root|1000");
    check("-opid -oppid=FATHER", "PID|FATHER", "10196|10177");
    check(
        "--format=pid,etime,etimes",
        "PID|ELAPSED|ELAPSED",
        "10196|01:40|100",
    );
    check("--format pid", "PID", "10196");
    check(
        "-o pid,ni,pri,priority,nlwp",
        "PID|NI|PRI|PRI|NLWP",
        "10196|5|14|25|2",
    );
    check(
        "-o pid,lstart,start",
        "PID|STARTED|STARTED",
        "10196|Sun Nov 22 02:10:00 2026|02:10:00",
    );
    check(
        "-o pid,s,tty,uid,gid,rss,vsz",
        "PID|S|TT|UID|GID|RSS|VSZ",
        "10196|S|?|0|1000|3072|5120",
    );
}

#[test]
fn older_processes_show_days_and_years() {
    let mut old = process();
    old.started_at = at(NOW - 3 * 86_400);
    old.cpu_ns = 90_000 * 1_000_000_000;
    let values = shown("-o pid,stime,start,etime,time", &old).1;
    assert_eq!(values.join("|"), "10196|Nov19|Nov 19|3-00:00:00|1-01:00:00");
    old.started_at = at(NOW - 400 * 86_400);
    assert_eq!(shown("-o pid,stime", &old).1[1], "2025");
    // A clock that was set back.
    old.started_at = at(NOW + 5);
    assert_eq!(shown("-o pid,etime,pcpu", &old).1.join("|"), "10196|00:00|0.0");
}

#[test]
fn names_that_would_break_a_line_do_not() {
    let mut odd = process();
    odd.arguments = vec!["a\nb".into(), "\u{1b}[31m".into()];
    assert_eq!(shown("-o pid,args", &odd).1[1], "a?b ?[31m");
    odd.arguments.clear();
    odd.state = "Z".into();
    odd.terminal = "pts/0".into();
    assert_eq!(
        shown("-o pid,args,comm,tname", &odd).1.join("|"),
        "10196|[sleep] <defunct>|sleep <defunct>|pts/0"
    );
}

#[test]
fn what_ps_refuses_is_refused() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(format(text), Err(ApiError::bad_request(expected)), "{text}");
    }
    let no_pid = "Couldn't find PID field in ps output";
    check("-o comm", no_pid);
    check("-o pid=", no_pid);
    check("-o pid=NUMBER", no_pid);
    check("-o comm=PID", "specifying \"comm=PID\" is not allowed");
    check(
        "-o nosuch",
        "error: unknown user-defined format specifier \"nosuch\"",
    );
    check("-o", "error: improper list");
    check(
        "-o pid,,comm",
        "error: unknown user-defined format specifier \"\"",
    );
    check("-Z", "error: unsupported SysV option");
    check("-p 1", "error: unsupported SysV option");
    check("k", "error: unsupported option (BSD syntax)");
    check("--nosuch", "error: unknown gnu long option");
    check("-f -o pid", "error: conflicting format options");
    check("-fj", "error: conflicting format options");
    check(&format!("-o pid{}", ",pid".repeat(64)), "error: improper list");
}
