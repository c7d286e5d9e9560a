//! A front that somebody else has taken over does everything it can, for as long as it is told to. The bridge
//! goes on, stays within its limits, does nothing forbidden, and keeps nobody honest waiting.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::binaries::{binaries, hostile_front};
use harness::{Docker, Pair, pace};

use crate::honest::{self, Root, Times};
use crate::vitals::Vitals;

/// How long the same clients are measured before anybody attacks.
const CALM: Duration = Duration::from_secs(3);

/// What the bridge may take at most while it is attacked, and what that is made of.
const MAX: Vitals = Vitals {
    // 4 MiB of specs twice over (as kept and as listed), and 384 sessions with 256 KiB of request or answer.
    resident_bytes: 128 * 1024 * 1024,
    // A session each on two sockets, and what follows containers.
    threads: 2 * 192 + 64,
    // A session's connection, what came with its request, its subscription or its child's pipe; and containers.
    descriptors: 2 * 192 * 4 + 256,
};

/// The longest that an honest client may wait beyond ten times what it waits undisturbed. The aim is 50 ms for
/// each answer of a release build on a machine of its own; here somebody else's build may run beside.
const SLACK: Duration = Duration::from_millis(50);

struct Plan {
    seconds: u64,
    seed: u64,
}

impl Plan {
    fn from_environment() -> Self {
        let number = |name: &str| env::var(name).map(|text| text.parse().expect("a number"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            seconds: number("SOCKETD_ATTACK_SECONDS").unwrap_or(20),
            seed: number("SOCKETD_ATTACK_SEED").unwrap_or(u64::from(now.subsec_nanos())),
        }
    }
}

/// What honest clients met with: root at the bridge, and one of the honest socketd.
struct Honest {
    root: Times,
    http: Times,
}

/// Measures both for as long as `during` lasts.
fn measure<T>(pair: &Pair, docker: &Docker, during: impl FnOnce() -> T) -> (Honest, T) {
    let watch = pair.bridge_socket("watch");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let root = scope.spawn(|| {
            let mut root = Root::of(&watch);
            honest::ask_until(&over, || root.ask())
        });
        let http = scope.spawn(|| honest::ask_until(&over, honest::over_http(docker)));
        let came = during();
        over.store(true, Ordering::Relaxed);
        let honest = Honest {
            root: root.join().unwrap(),
            http: http.join().unwrap(),
        };
        (honest, came)
    })
}

fn attack(pair: &Pair, plan: &Plan, uid: u32, forbidden: &Path) -> Output {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/golden");
    let mut command = Command::new(hostile_front());
    command
        .args(["--seconds", &plan.seconds.to_string()])
        .args(["--seed", &plan.seed.to_string()])
        .args(["--uid", &uid.to_string(), "--gid", &uid.to_string()])
        .arg("--dir")
        .arg(pair.dir().join("run/bridge"))
        .arg("--golden")
        .arg(golden)
        .arg("--forbidden")
        .arg(forbidden);
    if let Ok(only) = env::var("SOCKETD_ATTACK_ONLY") {
        command.args(["--only", &only]);
    }
    command.output().unwrap()
}

#[test]
fn a_front_that_was_taken_over() {
    let plan = Plan::from_environment();
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run("honest", "exec sleep 100000");
    let forbidden = pair.dir().join("forbidden");
    std::fs::write(&forbidden, "nobody but root's own").unwrap();
    let bridge = pair.bridge().pid();
    let uid = uid_of(pair.socketd().pid());

    let (calm, ()) = measure(&pair, &docker, || thread::park_timeout(CALM));
    let over = AtomicBool::new(false);
    let (attacked, output, most) = thread::scope(|scope| {
        let watched = scope.spawn(|| Vitals::most_until(bridge, &over));
        let (attacked, output) = measure(&pair, &docker, || attack(&pair, &plan, uid, &forbidden));
        over.store(true, Ordering::Relaxed);
        (attacked, output, watched.join().unwrap())
    });

    let text = String::from_utf8(output.stdout).unwrap();
    say(&format!(
        "seed {}: attack, sent, answered, refused, ended\n{text}",
        plan.seed
    ));
    say(&format!("the bridge took at most {most:?}"));
    let clients = [
        ("root", &calm.root, &attacked.root),
        ("HTTP", &calm.http, &attacked.http),
    ];
    for (name, calm, attacked) in clients {
        say(&format!(
            "{name}, undisturbed: {calm}\n{name}, attacked: {attacked}"
        ));
    }
    assert!(
        output.status.success(),
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    attacks_were_made(&text);
    most.assert_within(MAX);
    for (name, calm, attacked) in clients {
        let bound = SLACK + 10 * calm.per_mille(990);
        assert!(
            attacked.per_mille(990) < bound,
            "{name}: {attacked}; bound {bound:?}"
        );
        let bound = Duration::from_secs(2) + 20 * calm.longest();
        assert!(attacked.longest() < bound, "{name}: {attacked}; bound {bound:?}");
    }
    recovers(&mut pair, &docker, bridge);
}

/// Every attack was made, and none of them met with silence alone.
fn attacks_were_made(text: &str) {
    let mut total = [0; 4];
    for line in text.lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let counts: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
        assert!(counts[0] > 0, "{name} was not tried:\n{text}");
        for (total, count) in total.iter_mut().zip(counts) {
            *total += count;
        }
    }
    let [sent, answered, refused, ended] = total;
    say(&format!(
        "sent {sent}, answered {answered}, refused {refused}, ended {ended}"
    ));
    assert!(
        text.lines().count() >= 17 && refused > 0 && ended > 0 && answered > 0,
        "{text}"
    );
}

/// The same bridge serves as before, holds on to nothing, and its journal is whole.
fn recovers(pair: &mut Pair, docker: &Docker, bridge: i32) {
    assert!(!pair.bridge().has_ended());
    assert_eq!(pair.bridge().pid(), bridge);
    assert_eq!(docker.inspect("honest")["State"]["Running"], true);
    docker.run("after", "exit 3");
    assert_eq!(docker.wait("after"), 3);
    // Sessions whose front is gone end by themselves; what they held goes with them.
    pace::until("the bridge lets go", Duration::from_secs(60), || {
        let now = Vitals::of(bridge).unwrap();
        (now.threads < 64 && now.descriptors < 200).then_some(())
    });
    let output = Command::new(&binaries().bridge)
        .args(["journal", "verify", "--state-dir"])
        .arg(pair.dir())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = pair.bridge().log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(log.len() < 1024 * 1024, "{} bytes of log", log.len());
}

fn uid_of(pid: i32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Shown where a test fails, or with `--nocapture`.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
