//! A wall clock that jumps by years, as a phone's does that has no battery for it and learns the time late: every
//! event is kept, in order, and nothing that counts time is led astray.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use harness::clock::MovedClock;
use harness::docker::acts;
use harness::{Docker, Pair, pace, rootfs};
use serde_json::{Value, json};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);
/// Shortly after 1970 began, in seconds.
const UNSET: u64 = 100;

/// A pair whose clock shows so many seconds after 1970, and that clock.
fn begin(seconds: u64) -> (Pair, MovedClock) {
    let mut clock = None;
    let pair = Pair::start_in(|dir| {
        let moved = MovedClock::begin(dir);
        moved.set(seconds);
        clock = Some(moved);
    });
    let docker = pair.docker();
    docker.import("bb:latest", &rootfs::busybox());
    // Both daemons go by it.
    let year = if seconds == UNSET { "1970-" } else { "20" };
    let image = docker.get("/images/bb:latest/json").expect(200).json();
    for time in [&image["Created"], &docker.get("/info").json()["SystemTime"]] {
        assert!(time.as_str().unwrap().starts_with(year), "{time}");
    }
    (pair, clock.unwrap())
}

fn right() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Everything that ever happened, up to this.
fn everything(docker: &Docker, last: &str) -> Vec<Value> {
    let mut follow = docker.follow("since=0");
    follow.up_to(|event| acts(std::slice::from_ref(event)) == [last])
}

/// How long it runs, as the list words it.
fn status(docker: &Docker, name: &str) -> String {
    docker.listed(name).unwrap()["Status"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
fn runs_since_a_moment(docker: &Docker, name: &str) {
    let text = status(docker, name);
    let seconds = text.contains("second") || text == "Up About a minute";
    assert!(text.starts_with("Up ") && seconds, "{name}: {text}");
}

#[test]
fn a_phone_starts_in_1970_and_learns_the_time() {
    let (mut pair, clock) = begin(UNSET);
    let docker = pair.docker();
    let mut live = docker.follow("");
    docker.run("early", "exec sleep 100000");
    let started = docker.inspect("early")["State"]["StartedAt"].clone();
    assert!(
        started.as_str().unwrap().starts_with("1970-01-01T00:0"),
        "{started}"
    );
    clock.correct();
    let corrected = right();
    runs_since_a_moment(&docker, "early");
    docker.run("late", "exec sleep 100000");
    let seen = live.up_to(|event| acts(std::slice::from_ref(event)) == ["start late"]);
    let expected = ["create early", "start early", "create late", "start late"];
    assert_eq!(acts(&seen), expected);
    let before = everything(&docker, "start late");
    assert_eq!(acts(&before), expected);
    // By its own time each is found, too.
    let until = right() + 1;
    let all = docker.events(&format!("since=0&until={until}"));
    assert_eq!(acts(&all), expected);
    assert_eq!(
        acts(&docker.events(&format!("since={corrected}&until={until}"))),
        expected[2..]
    );
    assert_eq!(acts(&docker.events("since=0&until=86400")), expected[..2]);

    pair.bridge().crash();
    pair.restart_bridge();
    for name in ["early", "late"] {
        assert_eq!(docker.inspect(name)["State"]["Running"], true, "{name}");
        runs_since_a_moment(&docker, name);
    }
    assert_eq!(docker.inspect("early")["State"]["StartedAt"], started);
    docker.post("/containers/early/kill").expect(204);
    docker.wait("early");
    let after = everything(&docker, "die early");
    assert_eq!(after[..before.len()], before);
    let died = &after[after.len() - 1]["Actor"]["Attributes"];
    let ran: u64 = died["execDuration"].as_str().unwrap().parse().unwrap();
    assert!(ran < 1000, "it ran for {ran} s");
}

#[test]
fn a_clock_that_falls_back_loses_no_end() {
    let (mut pair, clock) = begin(right());
    let docker = pair.docker();
    let gate = pair.dir().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let body = json!({
        "Image": "bb:latest", "Cmd": ["/bin/sh", "-c", "read line < /gate; exit 7"],
        "HostConfig": { "Binds": [format!("{}:/gate", gate.display())] }
    });
    docker.create_from("worker", &body);
    docker.start("worker");
    clock.set(UNSET);
    runs_since_a_moment(&docker, "worker");
    docker.create("next", "true");
    let created = docker.inspect("next")["Created"].clone();
    assert!(created.as_str().unwrap().starts_with("1970-"), "{created}");
    let pid = docker.inspect("worker")["State"]["Pid"].as_i64().unwrap();
    pair.bridge().crash();
    std::fs::write(&gate, "go\n").unwrap();
    pace::until("it ends", LIMIT, || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
    pair.restart_bridge();
    let state = docker.inspect("worker")["State"].clone();
    assert_eq!(
        (&state["Status"], &state["ExitCode"]),
        (&json!("exited"), &json!(7))
    );
    let told = everything(&docker, "die worker");
    assert_eq!(
        acts(&told),
        ["create worker", "start worker", "create next", "die worker"]
    );
    assert_eq!(
        told[told.len() - 2]["Actor"]["Attributes"]["exitCode"],
        Value::Null
    );
    // It comes right again, and everything is there still.
    clock.correct();
    pair.bridge().crash();
    pair.restart_bridge();
    assert_eq!(everything(&docker, "die worker"), told);
}

#[test]
fn back_off_and_health_count_by_another_clock() {
    let (pair, clock) = begin(UNSET);
    let docker = pair.docker();
    let body = json!({
        "Image": "bb:latest", "Cmd": ["/bin/sleep", "100000"], "StopTimeout": 1,
        "Healthcheck": {
            "Test": ["CMD", "false"], "Interval": 20_000_000, "StartInterval": 20_000_000,
            "StartPeriod": 3_600_000_000_000_u64, "Retries": 1
        }
    });
    docker.create_from("checked", &body);
    docker.start("checked");
    let body = json!({
        "Image": "bb:latest", "Cmd": ["/bin/sh", "-c", "read line < /gate; exit 1"], "StopTimeout": 1,
        "HostConfig": {
            "Binds": [format!("{}:/gate", gate(&pair))], "RestartPolicy": { "Name": "always" }
        }
    });
    docker.create_from("flaps", &body);
    let mut follow = docker.follow("");
    let mut next = || {
        follow.up_to(|event| acts(std::slice::from_ref(event)) == ["start flaps"]);
        Instant::now()
    };
    docker.start("flaps");
    next();
    let mut waits = Vec::new();
    for round in 0..5 {
        if round == 4 {
            clock.correct();
        }
        std::fs::write(gate(&pair), "go\n").unwrap();
        let ended = Instant::now();
        waits.push(next() - ended);
    }
    // 100 ms, 200, 400, 800, 1600; begun anew it would be 100 again.
    assert!(waits[4] > Duration::from_millis(1500), "{waits:?}");
    let health = docker.inspect("checked")["State"]["Health"].clone();
    let log = health["Log"].as_array().unwrap().len();
    assert!(log > 1, "{health}");
    assert_eq!(
        (&health["Status"], &health["FailingStreak"]),
        (&json!("starting"), &json!(0))
    );
}

/// A FIFO that a container waits at.
fn gate(pair: &Pair) -> String {
    let gate = pair.dir().join("gate");
    // There already at the second call.
    let _ = nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU);
    gate.display().to_string()
}
