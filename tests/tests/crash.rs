//! The bridge is killed without warning while containers run and events flow.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::binaries::binaries;
use harness::{Pair, World, leftovers, pace};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn pid(state: &Value) -> i64 {
    state["State"]["Pid"].as_i64().unwrap()
}

fn is_running(pid: i64) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state
        .rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn lines(events: &[Value], action: &str) -> Vec<String> {
    let of_kind = events
        .iter()
        .filter(|event| event["Type"] == "container" && event["Action"] == action);
    of_kind
        .map(|event| event["Actor"]["Attributes"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn containers_run_on_and_are_found_again() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    for name in ["first", "second"] {
        docker.run(name, "exec sleep 100000");
    }
    let before = ["first", "second"].map(|name| docker.inspect(name));

    pair.bridge().crash();
    assert_eq!(docker.get("/containers/json").status, 503);
    assert!(before.iter().all(|state| is_running(pid(state))));

    pair.restart_bridge();
    let after = ["first", "second"].map(|name| docker.inspect(name));
    assert_eq!(after, before);
    docker.post("/containers/first/stop?t=0").expect(204);
    assert_eq!(docker.wait("first"), 137);
}

#[test]
fn ends_that_nobody_saw_are_told_with_their_codes() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    let gates = pair.dir().join("gates");
    fs::create_dir(&gates).unwrap();
    let begin = seconds();
    let codes = [0, 1, 42, 255];
    let mut pids = Vec::new();
    for code in codes {
        let script = format!("read line < /gates/{code}; exit {code}");
        let gate = gates.join(code.to_string());
        nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let body = serde_json::json!({
            "Image": harness::pair::IMAGE, "Cmd": ["/bin/sh", "-c", script],
            "HostConfig": { "Binds": [format!("{}:/gates", gates.display())] }
        });
        docker.create_from(&format!("exits-{code}"), &body);
        docker.start(&format!("exits-{code}"));
        pids.push(pid(&docker.inspect(&format!("exits-{code}"))));
    }
    docker.run("stays", "exec sleep 100000");

    pair.bridge().crash();
    for code in codes {
        fs::write(gates.join(code.to_string()), "go\n").unwrap();
    }
    for pid in pids {
        pace::until("the container ends", Duration::from_secs(10), || {
            (!is_running(pid)).then_some(())
        });
    }
    pair.restart_bridge();

    for code in codes {
        let state = docker.inspect(&format!("exits-{code}"));
        assert_eq!(state["State"]["Status"], "exited");
        assert_eq!(state["State"]["ExitCode"], code);
    }
    assert_eq!(docker.inspect("stays")["State"]["Running"], true);
    let events = docker.events(&format!("since={begin}&until={}", seconds() + 1));
    let mut ended = lines(&events, "die");
    ended.sort();
    assert_eq!(ended, ["exits-0", "exits-1", "exits-255", "exits-42"]);
    for event in events.iter().filter(|event| event["Action"] == "die") {
        let attributes = &event["Actor"]["Attributes"];
        let code = attributes["name"].as_str().unwrap().trim_start_matches("exits-");
        assert_eq!(attributes["exitCode"], code);
    }
}

/// What was published before the crash is what is replayed after it, and each event comes once.
#[test]
fn no_published_event_is_lost_however_often_it_crashes() {
    const CRASHES: usize = 5;
    let mut pair = Pair::start();
    let docker = pair.docker();
    let begin = seconds();
    let mut seen: Vec<Value> = Vec::new();
    for round in 0..CRASHES {
        let mut follow = docker.follow("");
        let last = format!("round{round}-5");
        for number in 0..6 {
            docker.create(&format!("round{round}-{number}"), "exit 0");
        }
        // Whoever has read an event has seen it published; the crash comes right after.
        seen.extend(follow.up_to(|event| event["Actor"]["Attributes"]["name"] == last.as_str()));
        pair.bridge().crash();
        pair.restart_bridge();
    }
    let replayed = docker.events(&format!("since={begin}&until={}", seconds() + 1));
    let created = lines(&replayed, "create");
    let expected: Vec<String> = (0..CRASHES)
        .flat_map(|r| (0..6).map(move |n| format!("round{r}-{n}")))
        .collect();
    assert_eq!(created, expected);
    let mut rest = replayed.iter();
    for event in &seen {
        assert!(rest.any(|other| other == event), "lost or out of order: {event}");
    }
}

#[test]
fn a_reader_of_events_gets_what_happens_across_a_crash() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    let mut follow = docker.follow("");
    docker.create("before", "exit 0");
    pair.bridge().crash();
    pair.restart_bridge();
    docker.create("after", "exit 0");
    let seen = follow.up_to(|event| event["Actor"]["Attributes"]["name"] == "after");
    assert_eq!(lines(&seen, "create"), ["before", "after"]);
}

/// While a bridge begins, its program is mounted for a moment.
#[test]
fn a_bridge_killed_at_its_begin_does_not_hinder_the_next() {
    const NONE: Option<&str> = None;
    let mut pair = Pair::start();
    pair.bridge().crash();
    let place = pair.dir().join("bridge/native/shim");
    mount(Some(&binaries().bridge), &place, NONE, MsFlags::MS_BIND, NONE).unwrap();
    // So long as somebody runs a program, nobody opens it to write.
    pair.restart_bridge();
    if World::current().is_some() {
        // A bridge with a list of mounts of its own takes it out of that, and not out of ours.
        let _ = umount2(&place, MntFlags::MNT_DETACH);
    }
    let table = fs::read_to_string(format!("/proc/{}/mountinfo", pair.bridge().pid())).unwrap();
    assert!(!table.contains(place.to_str().unwrap()), "{table}");
    assert_eq!(leftovers::mounts_below(pair.dir()), Vec::<String>::new());
    let docker = pair.docker();
    docker.run("after", "exit 7");
    assert_eq!(docker.wait("after"), 7);
}

#[test]
fn an_orderly_end_leaves_containers_alone_too() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run("stays", "exec sleep 100000");
    let before = docker.inspect("stays");
    assert!(pair.bridge().end().success());
    assert_eq!(
        docker.get("/_ping").status,
        200,
        "a ping asks for socketd, which is there"
    );
    assert_eq!(docker.get("/info").status, 503);
    pair.restart_bridge();
    assert_eq!(docker.inspect("stays"), before);
}
