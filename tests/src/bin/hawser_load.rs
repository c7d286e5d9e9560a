//! What the fleet's agent takes and how fast it is: memory idle, under a long log and under large archives; the time
//! that it adds to a request; how much of a log's speed it keeps.
//!
//! `cargo run --release -p socketd-tests --bin hawser_load` as root; `--log 1024` is the length of the log in MiB.
//! Absolute numbers are the machine's; what stands beside each other was measured in turn.

use std::fs;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use harness::daemon::Daemon;
use harness::dockhand::{Body, Environment, Options, Piece};
use harness::pair::IMAGE;
use harness::{Agent, Docker, Dockhand, Pair};
use serde_json::json;

/// How often what is compared is measured in turn.
const ROUNDS: usize = 3;
/// Requests of one round.
const REQUESTS: usize = 300;
/// Bytes of a line of the log, its end included.
const LINE_BYTES: u64 = 100;
/// Bytes of the header that stands before each line on its way to a client.
const FRAME_HEADER_BYTES: u64 = 8;
/// Megabytes of an archive that goes up, and of one that comes down: in base64 each is below what the server takes.
const UP_MIB: usize = 90;
const DOWN_MIB: usize = 60;
/// Bytes asked for at once.
const READ_BYTES: usize = 256 << 10;
/// How long the server waits for anything here.
const PATIENCE: Duration = Duration::from_secs(600);
/// The log's path.
const LOG: &str = "/containers/log/logs?stdout=true";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mib = match arguments.as_slice() {
        [] => 1024,
        [word, number] if word == "--log" => number.parse().map_err(io::Error::other)?,
        _ => return Err(io::Error::other("hawser_load [--log MIB]")),
    };
    let mut out = io::stdout().lock();
    let pair = Pair::start();
    // As patient as the real one, but for archives: this machine's disk is not what is measured.
    let server = Dockhand::start(Options {
        request_limit: PATIENCE,
        long_limit: PATIENCE,
        message_bytes_max: 256 << 20,
        connects_max: usize::MAX,
        // Its part of the work is not what is measured.
        decodes: false,
        ..Options::default()
    });
    let token = server.make_token(1);
    let agent = Agent::new(pair.unix(), &server.url(), &token, &pair.dir().join("agent")).start();
    let environment = server.connected(1);
    let docker = pair.docker();
    docker.run("web", "exec sleep 100000");
    environment.get("/containers/json").expect(200);
    memory(&mut out, "idle", &agent)?;
    latency(&mut out, &docker, &environment)?;
    memory(&mut out, "after them", &agent)?;
    log(&mut out, (&docker, &environment), &agent, mib)?;
    archives(&mut out, &environment, &agent)?;
    memory(&mut out, "at the end", &agent)
}

/// Resident now, and the most since the last call, in MiB.
fn memory(out: &mut impl Write, when: &str, agent: &Daemon) -> io::Result<()> {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid()))?;
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        number.unwrap_or(f64::NAN) / 1024.0
    };
    writeln!(
        out,
        "memory {when}: {:.1} MiB, at most {:.1} MiB",
        mib("VmRSS:"),
        mib("VmHWM:")
    )?;
    // Makes the peak so far what is resident now.
    fs::write(format!("/proc/{}/clear_refs", agent.pid()), "5")
}

fn latency(out: &mut impl Write, docker: &Docker, environment: &Environment) -> io::Result<()> {
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut connection = docker.connect();
        for _ in 0..REQUESTS {
            let begin = Instant::now();
            connection.ask("GET", "/containers/json", None)?;
            direct.push(begin.elapsed());
        }
        for _ in 0..REQUESTS {
            let begin = Instant::now();
            environment.get("/containers/json");
            through.push(begin.elapsed());
        }
    }
    let at = |times: &mut Vec<Duration>, percent: usize| {
        times.sort_unstable();
        times[times.len() * percent / 100].as_secs_f64() * 1e3
    };
    writeln!(
        out,
        "GET /containers/json, ms (median, p99): direct {:.2} {:.2}, through the agent {:.2} {:.2}",
        at(&mut direct, 50),
        at(&mut direct, 99),
        at(&mut through, 50),
        at(&mut through, 99)
    )
}

fn log(
    out: &mut impl Write,
    (docker, environment): (&Docker, &Environment),
    agent: &Daemon,
    mib: u64,
) -> io::Result<()> {
    let lines = mib * 1024 * 1024 / LINE_BYTES;
    let text = "x".repeat(usize::try_from(LINE_BYTES).map_err(io::Error::other)? - 1);
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/sh", "-c", format!("yes {text} | head -n {lines}")],
        "HostConfig": {
            "NetworkMode": "none", "LogConfig": { "Type": "json-file", "Config": { "max-size": "4g" } }
        }
    });
    docker.create_from("log", &body);
    docker.start("log");
    assert_eq!(docker.wait("log"), 0);
    let expected = lines * (LINE_BYTES + FRAME_HEADER_BYTES);
    let (mut direct, mut through) = (0.0, 0.0);
    // Once for the disk.
    read_directly(docker, expected)?;
    let (mut ours, mut server) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        direct += read_directly(docker, expected)?;
        let before = (processor(agent.pid())?, processor_of_server()?);
        through += read_through(environment, expected);
        ours += processor(agent.pid())? - before.0;
        server += processor_of_server()? - before.1;
    }
    let rate = |seconds: f64| expected as f64 * ROUNDS as f64 / 1e6 / seconds;
    writeln!(
        out,
        "a log of {mib} MiB: direct {:.0} MB/s, through the agent {:.0} MB/s, ratio {:.2}",
        rate(direct),
        rate(through),
        direct / through
    )?;
    writeln!(
        out,
        "  of the {through:.1} s through it, the agent's processor {ours:.1} s, the server's {server:.1} s"
    )?;
    memory(out, "under that log", agent)?;
    docker.delete("/containers/log").expect(204);
    Ok(())
}

/// The server is this process.
fn processor_of_server() -> io::Result<f64> {
    processor(i32::try_from(std::process::id()).map_err(io::Error::other)?)
}

/// Seconds of a processor that a process has taken so far.
fn processor(pid: i32) -> io::Result<f64> {
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

/// Seconds.
fn read_directly(docker: &Docker, expected: u64) -> io::Result<f64> {
    let mut connection = docker.connect();
    let begin = Instant::now();
    connection.send("GET", LOG, None)?;
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

fn read_through(environment: &Environment, expected: u64) -> f64 {
    let begin = Instant::now();
    let stream = environment.stream("GET", LOG, Body::None);
    let mut bytes = 0;
    while let Piece::Data(data) = stream.hear() {
        let padding = data.iter().rev().take_while(|byte| **byte == b'=').count();
        bytes += (data.len() / 4 * 3 - padding) as u64;
    }
    assert_eq!(bytes, expected, "the log is not whole");
    begin.elapsed().as_secs_f64()
}

fn archives(out: &mut impl Write, environment: &Environment, agent: &Daemon) -> io::Result<()> {
    for (what, mib) in [("up", UP_MIB), ("down", DOWN_MIB)] {
        let archive = archive_of(mib)?;
        let begin = Instant::now();
        let path = "/containers/web/archive?path=/tmp";
        environment.ask("PUT", path, Body::Binary(archive)).expect(200);
        if what == "up" {
            writeln!(
                out,
                "an archive of {mib} MiB up: {:.1} s",
                begin.elapsed().as_secs_f64()
            )?;
            memory(out, "under that archive", agent)?;
            continue;
        }
        memory(out, "under another", agent)?;
        let begin = Instant::now();
        let reply = environment
            .get("/containers/web/archive?path=/tmp/file")
            .expect(200);
        assert!(reply.body.len() > mib << 20, "the archive is not whole");
        writeln!(
            out,
            "an archive of {mib} MiB down: {:.1} s",
            begin.elapsed().as_secs_f64()
        )?;
        memory(out, "under that archive", agent)?;
    }
    Ok(())
}

/// One file of so many MiB.
fn archive_of(mib: usize) -> io::Result<Vec<u8>> {
    let bytes: Vec<u8> = (0..mib << 20).map(|at| (at * 31 % 251) as u8).collect();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "file", &bytes[..])?;
    builder.into_inner()
}
