//! Both daemons are killed at random moments, again and again, while events are made and read.
//!
//! `KILL_EVENTS`, `KILL_READERS` and `KILL_KILLS` make it longer; `KILL_BY_CURSOR` says how many of the
//! readers find their place again by cursor, the others by time; `KILL_SEED` throws the dice of an earlier
//! run again, whose seed a failure prints.

mod driver;
mod reader;
mod verdict;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driver::{Account, Driver, Progress};
use harness::binaries::binaries;
use harness::daemon::Daemon;
use harness::dice::Dice;
use harness::{Pair, pace};
use reader::{Heard, Place};
use serde_json::Value;

/// Who makes events at the same time.
const DRIVERS: usize = 6;
/// Time for the drivers to get from one kill to the next.
const STEP_LIMIT: Duration = Duration::from_secs(120);
/// Name of the container that comes last.
const LAST: &str = "last";

/// How long, how many.
#[derive(Debug)]
struct Plan {
    events: usize,
    readers: usize,
    by_cursor: usize,
    kills: usize,
    seed: u64,
}

impl Plan {
    fn from_environment() -> Self {
        let number = |name: &str, default: usize| {
            env::var(name).map_or(default, |text| text.parse().expect("a number"))
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = env::var("KILL_SEED").map(|text| text.parse().expect("a number"));
        Self {
            events: number("KILL_EVENTS", 1000),
            readers: number("KILL_READERS", 6),
            by_cursor: number("KILL_BY_CURSOR", 3),
            kills: number("KILL_KILLS", 10),
            seed: seed.unwrap_or(u64::from(now.subsec_nanos())),
        }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        if thread::panicking() {
            say(&format!("KILL_SEED={} throws these dice again", self.seed));
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_whoever_is_killed_when() {
    let plan = Plan::from_environment();
    let mut dice = Dice::of(plan.seed);
    let mut pair = Pair::start();
    let address = pair.unix();
    let progress = Progress::default();
    let (mut accounts, readers) = thread::scope(|scope| {
        let address = &address;
        let progress = &progress;
        let readers: Vec<_> = (0..plan.readers)
            .map(|number| {
                let place = if number < plan.by_cursor {
                    Place::Cursor(0)
                } else {
                    Place::Time(0)
                };
                scope.spawn(move || reader::read(address, place, is_last))
            })
            .collect();
        let drivers: Vec<_> = (0..DRIVERS)
            .map(|number| {
                let dice = dice.another();
                let account = Account::default();
                let driver = Driver {
                    number,
                    address,
                    progress,
                    dice,
                    account,
                };
                scope.spawn(move || driver.drive())
            })
            .collect();
        kill_again_and_again(&mut pair, &plan, progress, &mut dice);
        progress.over.store(true, Ordering::Relaxed);
        let mut accounts: Vec<_> = drivers.into_iter().map(|driver| driver.join().unwrap()).collect();
        accounts.push(driver::clear_away(&pair.docker()));
        pair.docker().create(LAST, "exit 0");
        pair.docker().delete(&format!("/containers/{LAST}")).expect(204);
        let readers: Vec<Heard> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        (accounts, readers)
    });
    let last = ["create", "destroy"].map(|action| (action, LAST.to_owned()));
    accounts.push(Account {
        sure: last.to_vec(),
        unclear: Vec::new(),
    });

    let journal = pair.docker().events("since=0&until=0s");
    verdict::accounts_are_true(&accounts, &journal);
    verdict::lives_are_whole(&journal);
    verdict::all_heard_the_same(&readers, &journal);
    journal_is_whole(pair.dir());
    let sum = |count: fn(&Heard) -> usize| readers.iter().map(count).sum::<usize>();
    let unclear: usize = accounts.iter().map(|account| account.unclear.len()).sum();
    say(&format!(
        "{} events, {} kills, {} readers: {} broken streams, {} events told again to readers by time, \
         {unclear} requests without an answer, seed {}",
        journal.len(),
        plan.kills,
        plan.readers,
        sum(|heard| heard.breaks),
        sum(|heard| heard.repeated),
        plan.seed,
    ));
}

/// Every byte of it, after all that.
fn journal_is_whole(dir: &Path) {
    let verify = Command::new(&binaries().bridge)
        .args(["journal", "verify", "--state-dir"])
        .arg(dir)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&verify.stdout);
    assert!(verify.status.success(), "{words}");
}

fn is_last(event: &Value) -> bool {
    event["Action"] == "destroy" && event["Actor"]["Attributes"]["name"] == LAST
}

/// Each kill comes somewhere in its own part of the whole.
fn kill_again_and_again(pair: &mut Pair, plan: &Plan, progress: &Progress, dice: &mut Dice) {
    let made = |wanted: usize| {
        pace::until("events are made", STEP_LIMIT, || {
            (progress.events.load(Ordering::Relaxed) >= wanted).then_some(())
        });
    };
    let part = plan.events / plan.kills;
    for kill in 0..plan.kills {
        let within = usize::try_from(dice.below(u64::try_from(part).unwrap())).unwrap();
        made(kill * part + within);
        dice.linger(Duration::from_millis(5));
        match dice.below(5) {
            0 | 1 => kill_bridge(pair, dice),
            2 | 3 => {
                pair.socketd().crash();
                pair.restart_socketd();
            }
            _ => {
                pair.socketd().crash();
                dice.linger(Duration::from_millis(5));
                pair.bridge().crash();
                pair.restart_socketd();
                pair.restart_bridge();
            }
        }
    }
    made(plan.events);
}

/// Now and then also while it looks what happened meanwhile.
fn kill_bridge(pair: &mut Pair, dice: &mut Dice) {
    pair.bridge().crash();
    for _ in 0..dice.below(3) {
        let mut bridge = begin_bridge(pair.dir());
        dice.linger(Duration::from_millis(20));
        bridge.crash();
    }
    pair.restart_bridge();
}

fn begin_bridge(dir: &Path) -> Daemon {
    let arguments = ["serve".as_ref(), "--state-dir".as_ref(), dir.as_os_str()];
    Daemon::spawn("a bridge that is killed", &binaries().bridge, &arguments)
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
