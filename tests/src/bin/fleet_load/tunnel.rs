//! One real node: what its tunnel adds to a request, and leaves of a log's speed.

use std::io::{self, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::daemon::Daemon;
use harness::fleet::Coordinator;
use harness::load::{LOG, at, memory, processor, read_log, write_log};
use harness::{Address, Connection, Pair, binaries, pace};

use super::{Options, ROUNDS};

/// Requests of one round.
const REQUESTS: usize = 300;
/// Time for the node to be connected.
const START_LIMIT: Duration = Duration::from_secs(60);
/// What is asked over and over.
const LIST: &str = "/containers/json";

/// How Docker is asked.
struct Way {
    address: Address,
    /// Before each path.
    prefix: String,
    /// After each first line.
    headers: String,
}

impl Way {
    fn ask(&self, connection: &mut Connection, path: &str) -> io::Result<()> {
        let Self { prefix, headers, .. } = self;
        let request = format!("GET {prefix}{path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n");
        connection.send_raw(request.as_bytes())
    }

    /// How long each of so many requests took.
    fn list(&self) -> io::Result<Vec<Duration>> {
        let mut connection = Connection::open(&self.address)?;
        let mut times = Vec::new();
        for _ in 0..REQUESTS {
            let begin = Instant::now();
            self.ask(&mut connection, LIST)?;
            drop(connection.answer(false)?.expect(200));
            times.push(begin.elapsed());
        }
        Ok(times)
    }

    /// Seconds that all of the log takes.
    fn read(&self, expected: u64) -> io::Result<f64> {
        let mut connection = Connection::open(&self.address)?;
        read_log(&mut connection, expected, |connection| self.ask(connection, LOG))
    }
}

pub(crate) fn report(out: &mut impl Write, options: &Options) -> io::Result<()> {
    let pair = Pair::start();
    let dir = pair.dir().join("fleet");
    std::fs::create_dir(&dir)?;
    let coordinator = Coordinator::start(&dir.join("coordinator"));
    let token = dir.join("token");
    std::fs::write(&token, coordinator.token())?;
    let mut command = Command::new(binaries::fleet());
    command.env_clear().env("PATH", "/nowhere").arg("node");
    command.args(["--coordinator", &format!("http://{}", coordinator.nodes())]);
    command.args(["--allow-plain", "--docker", &pair.unix().to_string()]);
    command.arg("--token-file").arg(token);
    command.arg("--state-dir").arg(dir.join("node"));
    let node = Daemon::run("the node", command);
    let node_id = pace::until("the node is connected", START_LIMIT, || {
        let nodes = coordinator.admin().get("/api/nodes").expect(200).json();
        let node = nodes["nodes"].get(0)?;
        let is_there = node["engine"]["is_reachable"] == true;
        is_there.then(|| node["node_id"].as_str().unwrap_or_default().to_owned())
    });
    pair.docker().run("web", "exec sleep 100000");
    let direct = Way {
        address: pair.unix(),
        prefix: String::new(),
        headers: String::new(),
    };
    let through = Way {
        address: Address::Tcp(coordinator.users().to_owned()),
        prefix: format!("/nodes/{node_id}/docker"),
        headers: format!("Authorization: Bearer {}\r\n", coordinator.key("load")),
    };
    latency(out, &direct, &through)?;
    let pids = [coordinator.pid(), node.pid()];
    log(out, &pair, [&direct, &through], pids, options.log_mib)?;
    memory(out, "of the coordinator", pids[0])?;
    memory(out, "of the node", pids[1])
}

fn latency(out: &mut impl Write, direct: &Way, through: &Way) -> io::Result<()> {
    for _ in 0..ROUNDS {
        let (mut direct, mut through) = (direct.list()?, through.list()?);
        writeln!(
            out,
            "GET {LIST}, ms (median, p99): direct {:.2} {:.2}, through the tunnel {:.2} {:.2}; added {:.2}",
            at(&mut direct, 50),
            at(&mut direct, 99),
            at(&mut through, 50),
            at(&mut through, 99),
            at(&mut through, 50) - at(&mut direct, 50)
        )?;
    }
    Ok(())
}

fn log(out: &mut impl Write, pair: &Pair, ways: [&Way; 2], pids: [i32; 2], mib: u64) -> io::Result<()> {
    let docker = pair.docker();
    let expected = write_log(&docker, mib);
    let [direct, through] = ways;
    // Once for the disk.
    direct.read(expected)?;
    let rate = |seconds: f64| expected as f64 / 1e6 / seconds;
    for _ in 0..ROUNDS {
        let directly = direct.read(expected)?;
        let before = (processor(pids[0])?, processor(pids[1])?);
        let passed = through.read(expected)?;
        writeln!(
            out,
            "a log of {mib} MiB: direct {:.0} MB/s, through the tunnel {:.0} MB/s, ratio {:.2}; processor of the \
             coordinator {:.1} s, of the node {:.1} s",
            rate(directly),
            rate(passed),
            directly / passed,
            processor(pids[0])? - before.0,
            processor(pids[1])? - before.1
        )?;
    }
    docker.delete("/containers/log").expect(204);
    Ok(())
}
