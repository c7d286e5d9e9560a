//! What the fleet's agent takes and how fast it is: memory idle, under a long log and under large archives; the time
//! that it adds to a request; how much of a log's speed it keeps.
//!
//! `cargo run --release -p socketd-tests --bin hawser_load` as root; `--log 1024` is the length of the log in MiB, and
//! with `--standard` the agent is one that is dialled.
//! Absolute numbers are the machine's; what stands beside each other was measured in turn.

use std::io::{self, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::daemon::Daemon;
use harness::dockhand::{Body, Environment, Options, Piece};
use harness::load::{LOG, at, memory, processor, read_log, write_log};
use harness::{Address, Agent, Docker, Dockhand, Pair, binaries, pace};

/// How often what is compared is measured in turn.
const ROUNDS: usize = 3;
/// Requests of one round.
const REQUESTS: usize = 300;
/// Megabytes of an archive that goes up, and of one that comes down: in base64 each is below what the server takes.
const UP_MIB: usize = 90;
const DOWN_MIB: usize = 60;
/// How long the server waits for anything here.
const PATIENCE: Duration = Duration::from_secs(600);
/// Time for an agent to listen.
const START_LIMIT: Duration = Duration::from_secs(20);
/// What is asked over and over.
const LIST: &str = "/containers/json";

/// Who asks the agent.
enum Asker {
    /// A server that it has dialled.
    Server(Environment),
    /// A client that dials it.
    Client(Docker),
}

/// What is measured.
struct Scene {
    agent: Daemon,
    asker: Asker,
    docker: Docker,
    _server: Option<Dockhand>,
    // Ends last.
    _pair: Pair,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut mib, mut is_standard) = (1024, false);
    while let Some(word) = arguments.next() {
        match word.as_str() {
            "--standard" => is_standard = true,
            "--log" => {
                let number = arguments.next().ok_or(io::ErrorKind::InvalidInput)?;
                mib = number.parse().map_err(io::Error::other)?;
            }
            _ => return Err(io::Error::other("hawser_load [--log MIB] [--standard]")),
        }
    }
    let mut out = io::stdout().lock();
    let scene = if is_standard { standard() } else { edge() };
    scene.docker.run("web", "exec sleep 100000");
    scene.asker.list(1)?;
    memory(&mut out, "idle", scene.agent.pid())?;
    latency(&mut out, &scene)?;
    memory(&mut out, "after them", scene.agent.pid())?;
    log(&mut out, &scene, mib)?;
    archives(&mut out, &scene)?;
    memory(&mut out, "at the end", scene.agent.pid())
}

fn edge() -> Scene {
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
    Scene {
        asker: Asker::Server(server.connected(1)),
        agent,
        docker: pair.docker(),
        _server: Some(server),
        _pair: pair,
    }
}

/// Without a token, which costs one hash a request: so clients without one can be measured by.
fn standard() -> Scene {
    let pair = Pair::start();
    let mut command = Command::new(binaries::fleet());
    command.env_clear().env("PATH", "/nowhere").arg("hawser");
    command.args(["--docker", &pair.unix().to_string()]);
    command.arg("--state-dir").arg(pair.dir().join("agent"));
    command.env("BIND_ADDRESS", "127.0.0.1").env("PORT", "0");
    let agent = Daemon::run("the agent", command);
    let address = pace::until("the agent listens", START_LIMIT, || {
        let log = agent.log();
        let (_, rest) = log.split_once(" listening address=")?;
        Some(Address::Tcp(rest.split_once(' ')?.0.to_owned()))
    });
    Scene {
        asker: Asker::Client(Docker::new(address)),
        agent,
        docker: pair.docker(),
        _server: None,
        _pair: pair,
    }
}

impl Asker {
    /// Asks so often for containers, and gives how long each took.
    fn list(&self, count: usize) -> io::Result<Vec<Duration>> {
        let mut times = Vec::new();
        let mut connection = match self {
            Self::Server(_) => None,
            Self::Client(docker) => Some(docker.connect()),
        };
        for _ in 0..count {
            let begin = Instant::now();
            match (self, &mut connection) {
                (_, Some(connection)) => drop(connection.ask("GET", LIST, None)?.expect(200)),
                (Self::Server(environment), None) => drop(environment.get(LIST).expect(200)),
                (Self::Client(docker), None) => drop(docker.get(LIST).expect(200)),
            }
            times.push(begin.elapsed());
        }
        Ok(times)
    }

    /// Seconds.
    fn read(&self, expected: u64) -> io::Result<f64> {
        match self {
            Self::Server(environment) => Ok(read_through(environment, expected)),
            Self::Client(docker) => directly(docker, expected),
        }
    }

    fn put(&self, archive: Vec<u8>) {
        let path = "/containers/web/archive?path=/tmp";
        match self {
            Self::Server(environment) => {
                drop(environment.ask("PUT", path, Body::Binary(archive)).expect(200))
            }
            Self::Client(docker) => {
                drop(
                    docker
                        .ask("PUT", path, Some(("application/x-tar", &archive)))
                        .expect(200),
                );
            }
        }
    }

    /// Bytes.
    fn get(&self) -> usize {
        let path = "/containers/web/archive?path=/tmp/file";
        match self {
            Self::Server(environment) => environment.get(path).expect(200).body.len(),
            Self::Client(docker) => docker.get(path).expect(200).body.len(),
        }
    }
}

fn latency(out: &mut impl Write, scene: &Scene) -> io::Result<()> {
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    let directly = Asker::Client(scene.docker.clone());
    for _ in 0..ROUNDS {
        direct.extend(directly.list(REQUESTS)?);
        through.extend(scene.asker.list(REQUESTS)?);
    }
    writeln!(
        out,
        "GET /containers/json, ms (median, p99): direct {:.2} {:.2}, through the agent {:.2} {:.2}",
        at(&mut direct, 50),
        at(&mut direct, 99),
        at(&mut through, 50),
        at(&mut through, 99)
    )
}

fn log(out: &mut impl Write, scene: &Scene, mib: u64) -> io::Result<()> {
    let (docker, agent) = (&scene.docker, &scene.agent);
    let expected = write_log(docker, mib);
    let (mut direct, mut through) = (0.0, 0.0);
    // Once for the disk.
    directly(docker, expected)?;
    let (mut ours, mut server) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        direct += directly(docker, expected)?;
        let before = (processor(agent.pid())?, processor_of_server()?);
        through += scene.asker.read(expected)?;
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
        "  of the {through:.1} s through it, the agent's processor {ours:.1} s, the asker's {server:.1} s"
    )?;
    memory(out, "under that log", agent.pid())?;
    docker.delete("/containers/log").expect(204);
    Ok(())
}

/// The server is this process.
fn processor_of_server() -> io::Result<f64> {
    processor(i32::try_from(std::process::id()).map_err(io::Error::other)?)
}

/// Seconds.
fn directly(docker: &Docker, expected: u64) -> io::Result<f64> {
    read_log(&mut docker.connect(), expected, |connection| {
        connection.send("GET", LOG, None)
    })
}

/// Seconds.
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

fn archives(out: &mut impl Write, scene: &Scene) -> io::Result<()> {
    let agent = &scene.agent;
    for (what, mib) in [("up", UP_MIB), ("down", DOWN_MIB)] {
        let archive = archive_of(mib)?;
        let begin = Instant::now();
        scene.asker.put(archive);
        if what == "up" {
            writeln!(
                out,
                "an archive of {mib} MiB up: {:.1} s",
                begin.elapsed().as_secs_f64()
            )?;
            memory(out, "under that archive", agent.pid())?;
            continue;
        }
        memory(out, "under another", agent.pid())?;
        let begin = Instant::now();
        assert!(scene.asker.get() > mib << 20, "the archive is not whole");
        writeln!(
            out,
            "an archive of {mib} MiB down: {:.1} s",
            begin.elapsed().as_secs_f64()
        )?;
        memory(out, "under that archive", agent.pid())?;
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
