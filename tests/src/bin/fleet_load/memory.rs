//! What a process holds and uses, as the kernel counts it.

use std::fs;
use std::io::{self, Write};

/// Resident, private, and the most resident since the last call, in MiB.
pub(crate) fn report(out: &mut impl Write, when: &str, pid: i32) -> io::Result<()> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let mib = |text: &str, names: &[&str]| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let values = lines.filter(|(name, _)| names.contains(name));
        let kib = values.filter_map(|(_, value)| value.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.sum::<f64>() / 1024.0
    };
    writeln!(
        out,
        "memory {when}: {:.1} MiB, private {:.1} MiB, at most {:.1} MiB",
        mib(&status, &["VmRSS"]),
        mib(&rollup, &["Private_Clean", "Private_Dirty"]),
        mib(&status, &["VmHWM"])
    )?;
    // Makes the peak so far what is resident now.
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// Seconds of a processor that a process has taken so far.
pub(crate) fn processor(pid: i32) -> io::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // What stands before the last bracket is a name, with whatever in it.
    let (_, fields) = text.rsplit_once(')').ok_or(io::ErrorKind::InvalidData)?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / 100.0)
}
