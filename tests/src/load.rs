//! What the load tools measure by: what a process holds and uses, as the kernel counts it, how long requests take, and a
//! long log and how fast it is read.

use std::fs;
use std::io::{self, Read as _, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::pair::IMAGE;
use crate::{Connection, Docker};

/// The log's path.
pub const LOG: &str = "/containers/log/logs?stdout=true";
/// Bytes of a line of the log, its end included.
const LINE_BYTES: u64 = 100;
/// Bytes of the header that stands before each line on its way to a client.
const FRAME_HEADER_BYTES: u64 = 8;
/// Bytes asked for at once.
const READ_BYTES: usize = 256 << 10;

/// Writes what is resident, private, and the most resident since the last call, in MiB.
///
/// # Errors
/// There is no such process, or nothing can be written.
pub fn memory(out: &mut impl Write, when: &str, pid: i32) -> io::Result<()> {
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
///
/// # Errors
/// There is no such process.
pub fn processor(pid: i32) -> io::Result<f64> {
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

/// The time below which so many percent of these are, in milliseconds; sorts them.
pub fn at(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let place = times.len() * percent / 100;
    times
        .get(place.min(times.len().saturating_sub(1)))
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// Makes a container `log` whose log is so long, and tells how many bytes of it a client gets.
pub fn write_log(docker: &Docker, mib: u64) -> u64 {
    let lines = mib * 1024 * 1024 / LINE_BYTES;
    let text = "x".repeat(usize::try_from(LINE_BYTES).unwrap() - 1);
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/sh", "-c", format!("yes {text} | head -n {lines}")],
        "HostConfig": {
            "NetworkMode": "none", "LogConfig": { "Type": "json-file", "Config": { "max-size": "4g" } }
        }
    });
    docker.create_from("log", &body);
    docker.start("log");
    assert_eq!(docker.wait("log"), 0);
    lines * (LINE_BYTES + FRAME_HEADER_BYTES)
}

/// Seconds that all of the log takes, once `ask` has asked for it.
///
/// # Errors
/// The connection breaks.
pub fn read_log(
    connection: &mut Connection,
    expected: u64,
    ask: impl FnOnce(&mut Connection) -> io::Result<()>,
) -> io::Result<f64> {
    let begin = Instant::now();
    ask(connection)?;
    assert_eq!(connection.head(false)?.status, 200);
    let (mut buffer, mut bytes) = (vec![0; READ_BYTES], 0);
    loop {
        match connection.read(&mut buffer)? {
            0 => break,
            count => bytes += count as u64,
        }
    }
    assert_eq!(bytes, expected, "the log is not whole");
    Ok(begin.elapsed().as_secs_f64())
}
