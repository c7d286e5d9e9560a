//! What containers use: one reading a second, however many read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use socketd::limits::STATS_READERS_MAX;
use wire::{Container, ContainerId, Opcode, RefusalCode, Request, Response, Stats, Status, Time};

use crate::client::{Raw, Served, ask, entry};
use crate::stand_in::{StandIn, Verdict, refuse};

/// A stand-in whose container `c` is so, and whose readings count up until `readings` of them were made.
pub(crate) fn using(status: Status, readings: u64) -> StandIn {
    let stand_in = StandIn::running();
    let count = Arc::new(AtomicU64::new(0));
    stand_in.script(move |request, peer| {
        match request {
            Request::InspectContainer(_) => {
                let mut container = Container {
                    id: ContainerId([1; 32]),
                    name: "c".to_owned(),
                    ..Container::default()
                };
                container.state.status = status;
                peer.answer(&Response::Container(Box::new(container)));
            }
            Request::ReadStats(named) => {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                if number > readings {
                    peer.answer(&refuse(RefusalCode::NoSuchContainer, &named.reference));
                } else {
                    let mut stats = Stats {
                        read_at: Time(number * 1_000_000_000),
                        running: status == Status::Running,
                        group_version: 2,
                        ..Stats::default()
                    };
                    stats.cpu.total_ns = number;
                    peer.answer(&Response::Stats(Box::new(stats)));
                }
            }
            _ => return Verdict::Pass,
        }
        Verdict::Answered
    });
    stand_in
}

/// Used now, and before.
fn used(line: &str) -> (u64, u64) {
    let value: Value = serde_json::from_str(line).unwrap();
    let total = |key: &str| value[key]["cpu_usage"]["total_usage"].as_u64().unwrap();
    (total("cpu_stats"), total("precpu_stats"))
}

#[tokio::test]
async fn a_stream_goes_on_until_the_container_is_gone() {
    let stand_in = using(Status::Running, 3);
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/containers/c/stats").await;
    assert_eq!(reply.headers["content-type"], "application/json");
    let lines: Vec<_> = reply.body.lines().map(used).collect();
    assert_eq!(lines, [(1, 0), (2, 1), (3, 2)]);
}

#[tokio::test]
async fn one_sample_has_the_one_before_it_unless_it_is_to_be_alone() {
    let stand_in = using(Status::Running, 9);
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/containers/c/stats?stream=false&one-shot=true").await;
    assert_eq!(used(&reply.body), (1, 0));
    assert_eq!(stand_in.count(Opcode::ReadStats), 1);
    let reply = ask(&entry, "GET", "/v1.41/containers/c/stats?stream=0").await;
    assert_eq!(used(&reply.body), (3, 2));
    let value: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(value["name"], "/c");
    assert_eq!(value["preread"], "1970-01-01T00:00:02Z");
}

#[tokio::test]
async fn what_does_not_run_is_not_even_asked_about() {
    let stand_in = using(Status::Exited, 9);
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/containers/c/stats?stream=false").await;
    assert_eq!(used(&reply.body), (0, 0));
    assert!(
        reply.body.contains("\"read\":\"0001-01-01T00:00:00Z\""),
        "{}",
        reply.body
    );
    assert_eq!(stand_in.count(Opcode::ReadStats), 0);
    // A stream waits for it to run.
    let stand_in = using(Status::Exited, 2);
    let (entry, _teller) = crate::client::entry(&stand_in);
    let reply = ask(&entry, "GET", "/containers/c/stats").await;
    let lines: Vec<_> = reply.body.lines().map(used).collect();
    assert_eq!(lines, [(0, 0), (0, 0)]);
}

#[tokio::test]
async fn nobody_is_told_of_a_container_that_is_none() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/containers/no/stats").await;
    assert_eq!(reply.status.as_u16(), 404);
    assert_eq!(reply.message(), "No such container: no");
}

async fn watching(served: &Served) -> Raw {
    let mut raw = served.connect().await;
    raw.write("GET /containers/c/stats HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    raw.expect("\"storage_stats\"").await;
    raw
}

#[tokio::test]
async fn many_watchers_share_one_reading() {
    let stand_in = using(Status::Running, 1000);
    let served = Served::new(&stand_in).await;
    let mut watchers = Vec::new();
    for _ in 0..STATS_READERS_MAX {
        watchers.push(watching(&served).await);
    }
    let mut late = served.connect().await;
    late.write("GET /containers/c/stats HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    late.expect("HTTP/1.1 503").await;
    for watcher in &mut watchers {
        watcher.expect("\"storage_stats\"").await;
    }
    let readings = stand_in.count(Opcode::ReadStats);
    assert!(readings < STATS_READERS_MAX / 2, "{readings} readings");
    // With the last watcher the reading ends, and with it the place it took.
    drop(watchers);
    let mut late = served.connect().await;
    late.write("GET /containers/c/stats?stream=false HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    late.expect("\"storage_stats\"").await;
    served.end().await;
}
