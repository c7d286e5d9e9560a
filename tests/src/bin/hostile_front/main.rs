//! `hostile_front --dir DIR --golden DIR [OPTION VALUE]...`: does to a running bridge everything that a socketd
//! could which somebody else has taken over.
//!
//! DIR holds the two sockets; the golden frames are those of `wire/golden`. Further options: `--seconds N`, how
//! long in all; `--seed N`, which dice; `--uid N` and `--gid N`, whose number it takes first (the front's);
//! `--forbidden PATH`, a file of the host that must never be reached; `--only NAME`, one attack; `--knock 1`,
//! only asks each socket once whether anybody is there; `--new-users 1`, from a user namespace of its own.
//!
//! It prints a line for each attack: its name, what was sent, and how often that was answered, refused, or
//! ended by the other side. A line that begins with `FORBIDDEN` is something that must not happen; then the
//! exit code is 1. It starts containers of its own, called `hostile-`, and leaves them.

mod crowd;
mod forge;
mod garbage;
mod line;
mod orders;
mod passing;
mod stock;
mod tally;

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::dice::Dice;
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use wire::request::Nothing;
use wire::{RefusalCode, Request, Response};

use crate::line::{Door, GLANCE, Line};
use crate::stock::Stock;
use crate::tally::Tally;

/// Descriptors that the attacks may hold: 10,000 connections, and some.
const DESCRIPTORS: u64 = 12_000;
/// How long one attack goes on before it is another's turn.
const SLICE: Duration = Duration::from_millis(1500);
/// How long places that were taken may take to be free again.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// What every attack has at hand.
pub(crate) struct Front {
    dir: PathBuf,
    dice: Dice,
    stock: Stock,
    /// When the turn is over.
    until: Instant,
    forbidden: PathBuf,
}

impl Front {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn open(&self, door: Door) -> io::Result<Line> {
        Line::open(&self.dir, door)
    }

    /// A connection that has a place; none where there is none before the turn is over. Those that earlier
    /// attacks took must be given back first.
    fn enter(&self, door: Door) -> Option<Line> {
        while !self.is_over() {
            let mut line = self.open(door).ok()?;
            if let Some(Response::Pong(_)) = line.ask(&Request::Ping(Nothing {})) {
                return Some(line);
            }
            std::thread::park_timeout(GLANCE);
        }
        None
    }

    fn either_door(&mut self) -> Door {
        match self.dice.below(2) {
            0 => Door::Watch,
            _ => Door::Control,
        }
    }
}

type Attack = fn(&mut Front, &mut Tally);

const ATTACKS: &[(&str, Attack)] = &[
    ("random-bytes", garbage::bytes),
    ("mutated-frames", garbage::mutants),
    ("half-frames", garbage::halves),
    ("floods", garbage::floods),
    ("wrong-doors", garbage::wrong_doors),
    ("descriptors", passing::descriptors),
    ("cycles", passing::cycles),
    ("forged-credentials", passing::credentials),
    ("connections", crowd::connections),
    ("deaf", crowd::deaf),
    ("hoards", crowd::hoards),
    ("abandoned", crowd::abandoned),
    ("creates", orders::creates),
    ("names", orders::names),
    ("paths", orders::paths),
    ("long-lists", orders::long_lists),
    ("aimed", orders::aimed),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = arguments
        .chunks_exact(2)
        .map(|pair| (pair[0].as_str(), pair[1].as_str()))
        .collect();
    let number = |name: &str, usual: u64| {
        options
            .get(name)
            .map_or(usual, |text| text.parse().expect("a number"))
    };
    let Some(dir) = options.get("--dir").map(PathBuf::from) else {
        return ExitCode::from(2);
    };
    become_somebody(&options);
    if options.contains_key("--knock") {
        return knock(&dir);
    }
    let golden = options.get("--golden").expect("--golden DIR");
    let mut front = Front {
        dir,
        dice: Dice::of(number("--seed", 1)),
        stock: Stock::read(golden.as_ref()),
        until: Instant::now(),
        forbidden: options
            .get("--forbidden")
            .copied()
            .unwrap_or("/etc/machine-id")
            .into(),
    };
    let end = Instant::now() + Duration::from_secs(number("--seconds", 20));
    let tallies = attack(&mut front, end, options.get("--only").copied());
    report(&tallies)
}

fn attack(front: &mut Front, end: Instant, only: Option<&str>) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = ATTACKS.iter().map(|(name, _)| Tally::of(name)).collect();
    // At least once each, however short the time.
    let mut first = true;
    while first || Instant::now() < end {
        for ((name, attack), tally) in ATTACKS.iter().zip(&mut tallies) {
            if only.is_some_and(|only| only != *name) || (!first && Instant::now() >= end) {
                continue;
            }
            // What the last one took is given back before the next begins.
            front.until = Instant::now() + SETTLE_LIMIT;
            for door in [Door::Watch, Door::Control] {
                drop(front.enter(door));
            }
            front.until = Instant::now() + SLICE;
            attack(front, tally);
        }
        first = false;
    }
    tallies.retain(|tally| only.is_none_or(|only| only == tally.name));
    tallies
}

/// Prints what came of it.
fn report(tallies: &[Tally]) -> ExitCode {
    let mut out = io::stdout().lock();
    for tally in tallies {
        let _ = writeln!(out, "{tally}");
    }
    let forbidden: Vec<&String> = tallies.iter().flat_map(|tally| &tally.forbidden).collect();
    for what in &forbidden {
        let _ = writeln!(out, "FORBIDDEN {what}");
    }
    if forbidden.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Takes another's number, and what a namespace of its own gives.
fn become_somebody(options: &HashMap<&str, &str>) {
    let id = |name: &str| options.get(name).map(|text| text.parse().expect("a number"));
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(_, hard)| hard);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS.max(most));
    if raised.is_err() {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS.min(most), most);
    }
    if let Some(gid) = id("--gid") {
        setgroups(&[]).expect("root drops groups");
        setgid(Gid::from_raw(gid)).expect("root takes any group");
    }
    if let Some(uid) = id("--uid") {
        setuid(Uid::from_raw(uid)).expect("root takes any user");
    }
    if options.contains_key("--new-users") {
        unshare(CloneFlags::CLONE_NEWUSER).expect("user namespaces");
    }
}

/// Says how each door answers: `answered`, `refused`, `closed`, or that it cannot be reached.
fn knock(dir: &std::path::Path) -> ExitCode {
    let mut out = io::stdout().lock();
    for door in [Door::Watch, Door::Control] {
        let said = match Line::open(dir, door) {
            Err(error) => format!("unreachable: {error}"),
            Ok(mut line) => match line.ask(&Request::Ping(Nothing {})) {
                Some(Response::Pong(_)) => "answered".to_owned(),
                Some(Response::Refused(refusal)) if refusal.code == RefusalCode::NotPermitted => {
                    "refused".to_owned()
                }
                Some(other) => format!("{other:?}"),
                None => "closed".to_owned(),
            },
        };
        let _ = writeln!(out, "{said}");
    }
    ExitCode::SUCCESS
}
