//! Memory that processes hold, as the kernel counts it.

use std::fs;
use std::io::{self, Write};

use harness::Pair;

/// Resident and private memory of a process, in KiB.
fn of(pid: i32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process is gone");
    let sum = |names: &[&str]| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let values = lines.filter(|(name, _)| names.contains(name));
        values
            .filter_map(|(_, value)| value.trim().strip_suffix(" kB")?.parse::<u64>().ok())
            .sum()
    };
    (sum(&["Rss"]), sum(&["Private_Clean", "Private_Dirty"]))
}

/// Who started a process: for a container's first process, its shim.
fn parent(pid: i64) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is gone");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .expect("no parent");
    line.trim().parse().expect("not a number")
}

/// Bridge, socketd, and the shim of one running container.
pub(crate) fn report(out: &mut impl Write, pair: &mut Pair, running: &str) -> io::Result<()> {
    let first = pair.docker().inspect(running)["State"]["Pid"]
        .as_i64()
        .expect("it runs");
    let bridge = of(pair.bridge().pid());
    let socketd = of(pair.socketd().pid());
    let shim = of(parent(first));
    writeln!(out, "  memory, MiB (resident, private)")?;
    let both = (bridge.0 + socketd.0, bridge.1 + socketd.1);
    for (name, (resident, private)) in [
        ("bridge", bridge),
        ("socketd", socketd),
        ("both", both),
        ("one shim", shim),
    ] {
        writeln!(
            out,
            "    {name:<12}{:>8.2}{:>8.2}",
            resident as f64 / 1024.0,
            private as f64 / 1024.0
        )?;
    }
    Ok(())
}
