//! How fast and how small the pair is, beside a static axum route that returns the same bytes.
//!
//! `cargo run --release -p socketd-tests --bin bench` as root; a number behind `--` (1, 110, 1000)
//! measures that many containers only, and `events` the events: beside a real dockerd and podman where
//! `--dockerd unix:///..` and `--podman unix:///..` say where they listen, with `--readers 1000` that idle.
//! `inside` measures logs and processes inside a container: `--dockerd URL` as above, `--log 64` a log of so many
//! MiB, `--rounds 200` so many rounds of coming and going.
//! `droidspaces` measures containers of a workspace beside as many of the embedded runtime.
//! Absolute numbers are the machine's; the ratios are ours.

mod events;
mod inside;
mod load;
mod memory;
mod once;
mod static_route;
mod workspace;

use std::io::{self, Write};
use std::path::Path;

use harness::pair::IMAGE;
use harness::{Address, Docker, Pair};
use load::Figures;
use serde_json::json;
use static_route::StaticRoute;

/// Containers of each scenario, and how many of them run.
const SCENARIOS: [(usize, usize); 3] = [(1, 1), (110, 10), (1000, 10)];
/// What is asked for.
const PATHS: [&str; 3] = ["/_ping", "/info", "/containers/json?all=1"];
/// How many connections ask at the same time.
const CONNECTIONS: [usize; 2] = [1, 8];
/// How often both sides are measured in turn, so that a machine that slows down slows both.
const ROUNDS: usize = 3;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, socket, folder] = arguments.as_slice()
        && word == static_route::WORD
    {
        return static_route::serve(Path::new(socket), Path::new(folder), &PATHS);
    }
    let mut out = io::stdout().lock();
    if let [word, options @ ..] = arguments.as_slice()
        && word == "events"
    {
        let options = events::Options::parse(options).map_err(io::Error::other)?;
        return events::report(&mut out, &options);
    }
    if let [word, options @ ..] = arguments.as_slice()
        && word == "inside"
    {
        let options = inside::Options::parse(options).map_err(io::Error::other)?;
        return inside::report(&mut out, &options);
    }
    if arguments == ["droidspaces"] {
        return workspace::report(&mut out);
    }
    let only = arguments.first().and_then(|number| number.parse().ok());
    once::report(&mut out)?;
    rates(&mut out, only)
}

/// Every scenario, or the one with so many containers, with one pair that grows.
fn rates(out: &mut impl Write, only: Option<usize>) -> io::Result<()> {
    let mut pair = Pair::start();
    let docker = pair.docker();
    let mut made = 0;
    let wanted = |(containers, _): &(usize, usize)| only.is_none_or(|only| only == *containers);
    for (containers, running) in SCENARIOS.into_iter().filter(wanted) {
        while made < containers {
            let name = format!("bench{made:04}");
            make(&docker, &name);
            if made < running {
                docker.start(&name);
            }
            made += 1;
        }
        writeln!(out, "\n{containers} containers, {running} of them running")?;
        writeln!(
            out,
            "  {:<24}{:>5}{:>11}{:>10}{:>10}{:>12}{:>10}{:>10}{:>8}{:>8}",
            "", "conn", "req/s", "p50 us", "p99 us", "static/s", "p50 us", "p99 us", "rate", "p99"
        )?;
        for path in PATHS {
            let (static_route, bytes) = StaticRoute::of(&docker, pair.dir(), path);
            for connections in CONNECTIONS {
                let (ours, theirs) = in_turn(&pair.unix(), static_route.address(), path, connections);
                let label = format!("{path} ({bytes} B)");
                row(out, &label, connections, &ours, &theirs)?;
            }
        }
        memory::report(out, &mut pair, "bench0000")?;
    }
    Ok(())
}

fn make(docker: &Docker, name: &str) {
    let body = json!({
        "Image": IMAGE, "Cmd": ["/bin/sleep", "100000"], "StopSignal": "SIGKILL",
        "Labels": { "com.example.project": "bench", "com.example.service": name }
    });
    docker.create_from(name, &body);
}

fn in_turn(ours: &Address, theirs: &Address, path: &str, connections: usize) -> (Figures, Figures) {
    let (mut our_figures, mut their_figures) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        our_figures.add(load::measure(ours, path, connections));
        their_figures.add(load::measure(theirs, path, connections));
    }
    (our_figures, their_figures)
}

fn row(
    out: &mut impl Write,
    label: &str,
    connections: usize,
    ours: &Figures,
    theirs: &Figures,
) -> io::Result<()> {
    // The path is cut, not the table.
    let label: String = label.chars().take(38).collect();
    writeln!(out, "  {label}")?;
    writeln!(
        out,
        "  {:<24}{connections:>5}{:>11.0}{:>10.0}{:>10.0}{:>12.0}{:>10.0}{:>10.0}{:>8.2}{:>8.2}",
        "",
        ours.rate(),
        ours.percentile_us(50),
        ours.percentile_us(99),
        theirs.rate(),
        theirs.percentile_us(50),
        theirs.percentile_us(99),
        ours.rate() / theirs.rate(),
        ours.percentile_us(99) / theirs.percentile_us(99),
    )
}
