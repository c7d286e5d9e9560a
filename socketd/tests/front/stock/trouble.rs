//! A stock bridge that is away, slow, broken, or does not admit us.

use axum::http::StatusCode;
use wire::v1::{Opcode, Status};

use super::bridge::{StockBridge, Verdict};
use super::{UUID_1, golden, running};
use crate::client::ask;

/// Paths that ask the bridge, each in its own way.
const PATHS: [(&str, &str); 7] = [
    ("GET", "/info"),
    ("GET", "/version"),
    ("GET", "/containers/json?all=1"),
    ("GET", "/containers/c/json"),
    ("POST", "/containers/c/restart"),
    ("GET", "/images/json"),
    ("GET", "/events?until=1"),
];

#[tokio::test]
async fn away_is_503_at_once_and_back_as_soon_as_it_returns() {
    let mut bridge = StockBridge::new();
    bridge.world(|world| world.containers = vec![running("c", UUID_1)]);
    let (entry, _teller) = bridge.entry();
    for _ in 0..2 {
        for (method, path) in PATHS {
            let reply = ask(&entry, method, path).await;
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(reply.message().contains("not running"), "{}", reply.body);
        }
        bridge.up();
        for (method, path) in PATHS {
            let reply = ask(&entry, method, path).await;
            assert!(reply.status.is_success(), "{path}: {}", reply.body);
        }
        bridge.down();
    }
}

async fn check_bytes(bytes: &[u8], status: StatusCode, part: &str) {
    let bridge = StockBridge::with(vec![running("c", UUID_1)]);
    let all = bytes.to_vec();
    bridge.script(move |_| Verdict::Bytes(all.clone()));
    let (entry, _teller) = bridge.entry();
    for (method, path) in PATHS {
        let reply = ask(&entry, method, path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        assert!(reply.message().contains(part), "{path}: {}", reply.body);
    }
    bridge.unscript();
    for (method, path) in PATHS {
        let reply = ask(&entry, method, path).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.body);
    }
}

#[tokio::test]
async fn nonsense_is_a_clear_error_and_over_with_the_connection() {
    let admitted = "only root and members of the group droidspaces";
    let forbidden = StatusCode::SERVICE_UNAVAILABLE;
    check_bytes(&golden("status-5-forbidden"), forbidden, admitted).await;
    let silent = "without an answer, as it also does to those it does not admit";
    check_bytes(b"", StatusCode::SERVICE_UNAVAILABLE, silent).await;
    check_bytes(b"DSAP\0\x01", StatusCode::SERVICE_UNAVAILABLE, silent).await;
    check_bytes(
        b"HTTP/1.1 400 Bad Request\r\n",
        StatusCode::BAD_GATEWAY,
        "no valid answer",
    )
    .await;
    check_bytes(b"DSAP\0\x02\0\0\0\0\0\0", StatusCode::BAD_GATEWAY, "version 2").await;
    check_bytes(
        b"DSAP\0\x01\0\x09\0\0\0\0",
        StatusCode::BAD_GATEWAY,
        "unknown status 9",
    )
    .await;
    // Four gigabytes are announced, and none is made room for.
    let huge = b"DSAP\0\x01\0\0\xff\xff\xff\xff";
    check_bytes(huge, StatusCode::BAD_GATEWAY, "at most 1048576").await;
}

#[tokio::test]
async fn an_answer_that_ends_early_is_none() {
    let bridge = StockBridge::with(Vec::new());
    let mut cut = golden("list-response");
    cut.truncate(5000);
    bridge.script(move |request| match request.opcode() {
        Opcode::ListContainers => Verdict::Bytes(cut.clone()),
        _ => Verdict::Pass,
    });
    let (entry, _teller) = bridge.entry();
    let reply = ask(&entry, "GET", "/containers/json").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.body);
}

#[tokio::test]
async fn who_waits_too_long_behind_a_stop_is_told_so() {
    let bridge = StockBridge::with(vec![running("c", UUID_1)]);
    bridge.script(|request| match request.opcode() {
        Opcode::StopContainer => Verdict::Hold,
        _ => Verdict::Pass,
    });
    let (entry, _teller) = bridge.entry();
    let stop = ask(&entry, "POST", "/containers/c/stop?t=20");
    let list = async {
        bridge
            .until(|world| world.count(Opcode::StopContainer) == 1)
            .await;
        // From here on the clock jumps whenever nobody has anything to do.
        tokio::time::pause();
        ask(&entry, "GET", "/containers/json").await
    };
    let reply = tokio::select! {
        reply = list => reply,
        reply = stop => panic!("first: {reply:?}"),
    };
    assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT, "{}", reply.body);
    assert!(
        reply.message().contains("did not answer in time"),
        "{}",
        reply.body
    );
    assert_eq!(bridge.count(Opcode::ListContainers), 0);
}

#[tokio::test]
async fn many_clients_are_one_to_the_bridge() {
    let bridge = StockBridge::with(vec![running("c", UUID_1)]);
    let (entry, _teller) = bridge.entry();
    let one = async || {
        for (method, path) in PATHS {
            let reply = ask(&entry, method, path).await;
            assert!(reply.status.is_success(), "{path}: {}", reply.body);
        }
    };
    tokio::join!(one(), one(), one(), one(), one(), one(), one(), one());
    assert!(!bridge.world(|world| world.crowded), "one question at a time");
}

#[tokio::test]
async fn a_list_that_fails_altogether_shows_what_was_heard_of() {
    let bridge = StockBridge::with(vec![running("c", UUID_1)]);
    bridge.world(|world| {
        let one = world.containers[0].clone();
        world.happen("start", &one);
    });
    let fails = super::bridge::frame(&Err(Status::InternalError));
    bridge.script(move |request| match request.opcode() {
        Opcode::ListContainers | Opcode::ListImages => Verdict::Bytes(fails.clone()),
        _ => Verdict::Pass,
    });
    let link = bridge.link();
    link.info().await.unwrap();
    let call = wire::Request::ListContainers(wire::request::IfNewer::default());
    let wire::Response::Containers(list) = link.call(&call).await.unwrap() else {
        panic!("no list");
    };
    let names: Vec<_> = list.containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["c"]);
}
