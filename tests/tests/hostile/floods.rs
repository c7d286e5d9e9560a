//! Processes without number, and a log without end.

use std::fs;
use std::time::{Duration, Instant};

use harness::{Pair, pace};
use serde_json::json;

use crate::scene::{PROMPT, further, is_looked_after, memory_of, parent_of, promptly};

/// Most processes of the one that makes them without end.
const PIDS_MAX: u64 = 64;

/// Memory that bridge and shim may take beyond what they had, in bytes.
const GROWTH_MAX: u64 = 32 << 20;

#[test]
fn processes_without_number_stay_within_their_limit() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run("other", "exec sleep 100000");
    let bridge = pair.bridge().pid();
    let threads = || fs::read_dir(format!("/proc/{bridge}/task")).unwrap().count();
    let before = threads();
    // One that goes on when there can be no more; what it leaves is reaped, and gives way to others.
    let program = "BEGIN { while (1) system(\"sleep 2 & sleep 2 &\") }";
    let body = json!({ "Image": "bb:latest", "Cmd": ["awk", program], "StopTimeout": 1,
        "HostConfig": { "PidsLimit": PIDS_MAX, "Init": true } });
    docker.create_from("bomb", &body);
    docker.start("bomb");
    let number = || {
        let stats = docker.get("/containers/bomb/stats?stream=false&one-shot=true");
        stats.expect(200).json()["pids_stats"]["current"]
            .as_u64()
            .unwrap()
    };
    pace::until("it has what it may have", PROMPT, || {
        (number() >= PIDS_MAX - 2).then_some(())
    });
    is_looked_after(&docker, "other");
    assert!(number() <= PIDS_MAX, "{}", number());
    promptly("its processes", || {
        let top = docker.get("/containers/bomb/top").expect(200).json();
        assert!(top["Processes"].as_array().unwrap().len() <= PIDS_MAX as usize);
    });
    // The bridge's own threads are not in its groups, nor counted with them.
    assert!(threads() <= before + 16, "{} threads", threads());
    promptly("a pause", || {
        docker.post("/containers/bomb/pause").expect(204);
    });
    promptly("its end", || {
        docker.post("/containers/bomb/unpause").expect(204);
        docker.post("/containers/bomb/stop?t=0").expect(204);
    });
    docker.start("bomb");
    promptly("its removal", || {
        docker.delete("/containers/bomb?force=1").expect(204);
    });
    assert!(docker.listed("bomb").is_none());
}

#[test]
fn a_log_without_end_holds_up_nobody() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run("other", "exec sleep 100000");
    let config = json!({ "Type": "json-file", "Config": { "max-size": "2m", "max-file": "3" } });
    let line = "x".repeat(200);
    let body = json!({ "Image": "bb:latest", "Cmd": ["yes", line], "StopTimeout": 1,
        "HostConfig": { "LogConfig": config } });
    let id = docker.create_from("loud", &body);
    let bridge = pair.bridge().pid();
    docker.start("loud");
    let shim = parent_of(docker.inspect("loud")["State"]["Pid"].as_i64().unwrap());
    let before = [memory_of(bridge), memory_of(shim)];
    // One that follows, and never reads what it asked for.
    let mut deaf = docker.connect();
    deaf.send("GET", "/containers/loud/logs?follow=1&stdout=1", None)
        .unwrap();
    let directory = pair.dir().join("bridge/native/containers").join(id);
    let written = || {
        let entries = fs::read_dir(&directory).unwrap().flatten();
        let logs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("log"));
        // One may be renamed meanwhile.
        logs.filter_map(|entry| Some(entry.metadata().ok()?.len()))
            .sum::<u64>()
    };
    let begun = Instant::now();
    let mut most = 0;
    while begun.elapsed() < Duration::from_secs(5) {
        // A look in the middle of a rotation misses what is being renamed, so the most of many looks counts.
        most = most.max(written());
        assert!(most <= (3 * 2 + 1) << 20, "{most} bytes of log");
        is_looked_after(&docker, "other");
    }
    assert!(most > 4 << 20, "only {most} bytes of log");
    // What it read of the pipe in that time says how fast it was.
    let io = fs::read_to_string(format!("/proc/{shim}/io")).unwrap();
    let read: u64 = io
        .lines()
        .find_map(|line| line.strip_prefix("rchar: "))
        .unwrap()
        .parse()
        .unwrap();
    let a_second = read / begun.elapsed().as_secs().max(1);
    // Where the bound is passed, how fast it came matters.
    let rate = format!("{} MB of log a second", a_second / 1_000_000);
    for (was, pid) in before.into_iter().zip([bridge, shim]) {
        let is = memory_of(pid);
        assert!(is < was + GROWTH_MAX, "{pid}: {was} to {is} bytes; {rate}");
    }
    promptly("its last lines", || {
        let tail = docker.get("/containers/loud/logs?stdout=1&tail=3").expect(200);
        assert!(tail.body.len() < 4096, "{}", tail.body.len());
    });
    assert_eq!(further(&docker, "loud", "exit 5"), 5);
    promptly("its end", || {
        docker.post("/containers/loud/stop?t=0").expect(204);
    });
    promptly("its removal", || {
        docker.delete("/containers/loud").expect(204);
    });
}
