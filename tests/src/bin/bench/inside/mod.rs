//! What goes on inside a container: its log, processes started in it, and what is left of them.

mod exec;
mod growth;
mod log;

use std::io::{self, Write};
use std::time::Duration;

use harness::pair::IMAGE;
use harness::{Address, Docker, Pair, rootfs};
use serde_json::json;

/// Mebibytes of log where no other number is asked for.
const LOG_MIB: u64 = 1024;
/// Rounds of coming and going where no other number is asked for.
const ROUNDS: usize = 20;

/// What is asked for on the command line, behind the word `inside`.
#[derive(Debug)]
pub(crate) struct Options {
    /// A dockerd to start processes beside ours with.
    dockerd: Option<Address>,
    log_mib: u64,
    rounds: usize,
}

impl Options {
    /// Reads `--dockerd URL`, `--log MEBIBYTES`, `--rounds COUNT`; nothing is measured of what is zero.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            dockerd: None,
            log_mib: LOG_MIB,
            rounds: ROUNDS,
        };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("{} needs a value", pair[0]));
            };
            let no_number = |_| format!("{name}: no number");
            match name.as_str() {
                "--dockerd" => options.dockerd = Some(value.parse()?),
                "--log" => options.log_mib = value.parse().map_err(no_number)?,
                "--rounds" => options.rounds = value.parse().map_err(no_number)?,
                _ => return Err(format!("not an option: {name}")),
            }
        }
        Ok(options)
    }
}

pub(crate) fn report(out: &mut impl Write, options: &Options) -> io::Result<()> {
    let mut pair = Pair::start();
    if options.log_mib > 0 {
        log::report(out, &mut pair, options.log_mib)?;
    }
    writeln!(
        out,
        "create, start attached to its end, and inspect an exec of true, ms"
    )?;
    times(out, "socketd", exec::lives(&pair.docker()))?;
    match &options.dockerd {
        Some(address) => {
            let docker = Docker::new(address.clone());
            docker.import(IMAGE, &rootfs::busybox());
            times(out, "dockerd", exec::lives(&docker))?;
            docker.delete(&format!("/images/{IMAGE}")).expect(200);
        }
        None => writeln!(
            out,
            "    dockerd: not measured, for no --dockerd URL says where it is"
        )?,
    }
    if options.rounds > 0 {
        growth::report(out, &mut pair, options.rounds)?;
    }
    Ok(())
}

/// Makes and starts a container that does nothing.
fn run(docker: &Docker, name: &str) {
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/sleep", "100000"], "StopSignal": "SIGKILL",
        "HostConfig": { "NetworkMode": "none" }
    });
    docker.create_from(name, &body);
    docker.start(name);
}

fn remove(docker: &Docker, name: &str) {
    docker.delete(&format!("/containers/{name}?force=1")).expect(204);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn times(out: &mut impl Write, what: &str, mut times: Vec<Duration>) -> io::Result<()> {
    times.sort_unstable();
    writeln!(
        out,
        "    {what:<30} median {:>8.2}   p99 {:>8.2}   of {}",
        ms(times[times.len() / 2]),
        ms(times[times.len() * 99 / 100]),
        times.len()
    )
}

/// A field of `/proc/PID/status`, in its own unit (KiB where it is memory).
fn status(pid: i32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is gone");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = value.and_then(|value| value.split_whitespace().next());
    number.and_then(|word| word.parse().ok()).expect("a number")
}
