//! What a coordinator takes and how fast it is: under a crowd of nodes, how long a list of them takes, how soon an event
//! is with a reader, its memory; and through a node, what its tunnel adds to a request and leaves of a log's speed.
//!
//! `cargo run --release -p socketd-tests --bin fleet_load`, as root for the second part; `crowd` or `tunnel` is one part
//! alone. `--nodes 1000 --containers 20 --rate 1000 --seconds 20` are the crowd's, `--log 1024` the length of the log in
//! MiB. The crowd's nodes are made up, in this process: they come in and tell as real ones do, and run nothing.
//! Absolute numbers are the machine's; what stands beside each other was measured in turn.

mod crowd;
mod tunnel;

use std::io;

/// How often what is compared is measured in turn.
const ROUNDS: usize = 3;

/// What is wanted.
#[derive(Debug)]
struct Options {
    crowd: bool,
    tunnel: bool,
    nodes: usize,
    containers: usize,
    /// Events a second, over all nodes.
    rate: u32,
    seconds: u32,
    log_mib: u64,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            crowd: true,
            tunnel: true,
            nodes: 1000,
            containers: 20,
            rate: 1000,
            seconds: 20,
            log_mib: 1024,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "crowd" => options.tunnel = false,
                "tunnel" => options.crowd = false,
                "--nodes" => options.nodes = words.next()?.parse().ok()?,
                "--containers" => options.containers = words.next()?.parse().ok()?,
                "--rate" => options.rate = words.next()?.parse().ok()?,
                "--seconds" => options.seconds = words.next()?.parse().ok()?,
                "--log" => options.log_mib = words.next()?.parse().ok()?,
                _ => return None,
            }
        }
        Some(options).filter(|options| options.nodes > 0 && options.containers > 0 && options.rate > 0)
    }
}

fn main() -> io::Result<()> {
    let usage = "fleet_load [crowd|tunnel] [--nodes N] [--containers N] [--rate N] [--seconds N] [--log MIB]";
    let options = Options::parse(std::env::args().skip(1)).ok_or_else(|| io::Error::other(usage))?;
    let mut out = io::stdout().lock();
    if options.crowd {
        crowd::report(&mut out, &options)?;
    }
    if options.tunnel {
        tunnel::report(&mut out, &options)?;
    }
    Ok(())
}
