//! Many nodes, and what the coordinator does of them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use harness::fleet::{Coordinator, Crowd, Observer, now};
use harness::load::{at, memory, processor};
use harness::{Connection, pace, pair};
use tokio::time::{MissedTickBehavior, interval};

use super::{Options, ROUNDS};

/// Lists that one round asks for.
const LISTS: usize = 20;
/// Syncs of the disk that are measured beside.
const SYNCS: usize = 100;
/// Time for all that nodes told to be known.
const KNOWN_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn report(out: &mut impl Write, options: &Options) -> io::Result<()> {
    let dir = pair::new_dir();
    let reported = report_in(out, options, &dir);
    fs::remove_dir_all(&dir)?;
    reported
}

fn report_in(out: &mut impl Write, options: &Options, dir: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let coordinator = Coordinator::start(&dir.join("coordinator"));
    memory(out, "without nodes", coordinator.pid())?;
    let begin = Instant::now();
    let mut crowd = runtime.block_on(Crowd::enrol(&coordinator, options.nodes, options.containers));
    known(&coordinator, options.nodes * options.containers)?;
    writeln!(
        out,
        "{} nodes with {} containers each: in within {:.1} s",
        options.nodes,
        options.containers,
        begin.elapsed().as_secs_f64()
    )?;
    memory(out, "with them", coordinator.pid())?;
    for (what, path) in [
        ("", "/api/nodes"),
        (" with containers", "/api/nodes?containers=true"),
    ] {
        lists(out, what, path, &coordinator)?;
    }
    memory(out, "under lists", coordinator.pid())?;
    let key = coordinator.key("load");
    for _ in 0..ROUNDS {
        runtime.block_on(events(out, options, &coordinator, &key, &mut crowd))?;
        syncs(out, dir)?;
    }
    memory(out, "under events", coordinator.pid())
}

/// Waits until so many containers are known.
fn known(coordinator: &Coordinator, containers: usize) -> io::Result<()> {
    let mut connection = coordinator.admin().connect();
    let mut count = || {
        let nodes = connection.ask("GET", "/api/nodes", None)?.expect(200).json();
        let counts = nodes["nodes"].as_array().into_iter().flatten();
        let counts = counts.filter_map(|node| node["containers_count"].as_u64());
        io::Result::Ok(counts.sum::<u64>() == containers as u64)
    };
    pace::until("all containers are known", KNOWN_LIMIT, || match count() {
        Ok(is_all) => is_all.then_some(Ok(())),
        Err(error) => Some(Err(error)),
    })
}

fn lists(out: &mut impl Write, what: &str, path: &str, coordinator: &Coordinator) -> io::Result<()> {
    let mut connection = Connection::open(&coordinator.admin().address())?;
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..ROUNDS * LISTS {
        let begin = Instant::now();
        bytes = connection.ask("GET", path, None)?.expect(200).body.len();
        times.push(begin.elapsed());
    }
    writeln!(
        out,
        "GET /api/nodes{what}, {:.1} MiB, ms (least, median, p99): {:.1} {:.1} {:.1}",
        bytes as f64 / f64::from(1 << 20),
        at(&mut times, 0),
        at(&mut times, 50),
        at(&mut times, 99)
    )
}

/// Events of one node after the other, at the rate, and when each is with a reader.
async fn events(
    out: &mut impl Write,
    options: &Options,
    coordinator: &Coordinator,
    key: &str,
    crowd: &mut Crowd,
) -> io::Result<()> {
    let mut observer = Observer::open(coordinator, key, None).await;
    observer.lists(options.nodes).await;
    let count = usize::try_from(options.rate * options.seconds).map_err(io::Error::other)?;
    let reading = tokio::spawn(async move {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let seen = observer.next().await;
            let late = u64::try_from(now() - seen.time_nano).unwrap_or(0);
            times.push(Duration::from_nanos(late));
        }
        times
    });
    let before = processor(coordinator.pid())?;
    let begin = Instant::now();
    let mut tick = interval(Duration::from_secs(1) / options.rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..count {
        tick.tick().await;
        let turn = number % crowd.nodes.len();
        crowd.nodes[turn].change().await;
    }
    let mut times = reading.await.map_err(io::Error::other)?;
    let took = begin.elapsed().as_secs_f64();
    writeln!(
        out,
        "{count} events in {took:.1} s, ms to a reader (median, p99, most): {:.1} {:.1} {:.1}; the coordinator's \
         processor {:.1} s",
        at(&mut times, 50),
        at(&mut times, 99),
        at(&mut times, 100),
        processor(coordinator.pid())? - before
    )
}

/// What one sync of this disk takes: no event is told before one.
fn syncs(out: &mut impl Write, dir: &Path) -> io::Result<()> {
    let mut file = File::create(dir.join("synced"))?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let begin = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    writeln!(
        out,
        "  a sync of this disk, ms (median, p99): {:.1} {:.1}",
        at(&mut times, 50),
        at(&mut times, 99)
    )
}
