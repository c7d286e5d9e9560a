//! Starting, stopping, restarting, waiting; and what is refused.

use axum::body::Body;
use axum::http::StatusCode;
use wire::v1::{Lifecycle, Opcode, Request};

use super::bridge::{StockBridge, Verdict};
use super::{UUID_1, golden, json, running, stopped};
use crate::client::{ask, request, send};

/// The orders that reached the bridge.
fn orders(bridge: &StockBridge) -> Vec<Request> {
    bridge.world(|world| {
        let asked = world.asked.iter();
        let orders = asked.filter(|asked| {
            matches!(
                asked.opcode(),
                Opcode::StartContainer | Opcode::StopContainer | Opcode::RestartContainer
            )
        });
        orders.cloned().collect()
    })
}

fn order(target: &str, timeout_s: i32) -> Lifecycle {
    Lifecycle {
        target: target.to_owned(),
        timeout_s,
    }
}

async fn check(path: &str, status: u16, expected: Option<Request>) {
    let bridge = StockBridge::with(vec![running("up", UUID_1), stopped("down", "")]);
    let (entry, _teller) = bridge.entry();
    let reply = ask(&entry, "POST", path).await;
    assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.body);
    assert_eq!(orders(&bridge), Vec::from_iter(expected), "{path}");
}

#[tokio::test]
async fn what_is_asked_is_what_is_ordered() {
    let start = |target| Some(Request::StartContainer(order(target, -1)));
    let stop = |target, timeout| Some(Request::StopContainer(order(target, timeout)));
    let restart = |target, timeout| Some(Request::RestartContainer(order(target, timeout)));
    check("/containers/down/start", 204, start("down")).await;
    check("/containers/up/start", 304, start("up")).await;
    check("/containers/up/stop", 204, stop("up", -1)).await;
    check("/containers/up/stop?t=0", 204, stop("up", 0)).await;
    check("/v1.41/containers/up/stop?t=7", 204, stop("up", 7)).await;
    check("/containers/down/stop", 304, stop("down", -1)).await;
    check("/containers/up/restart?t=3", 204, restart("up", 3)).await;
    check("/containers/down/restart", 204, restart("down", -1)).await;
    check("/containers/none/start", 404, start("none")).await;
    check("/containers/up/stop?t=-1", 501, None).await;
    check("/containers/up/stop?signal=SIGINT", 501, None).await;
}

#[tokio::test]
async fn an_identifier_is_translated_for_the_bridge() {
    let bridge = StockBridge::with(vec![running("up", UUID_1), stopped("down", "")]);
    let (entry, _teller) = bridge.entry();
    let list = json(&ask(&entry, "GET", "/containers/json?all=1").await.body);
    let id = |at: usize| list[at]["Id"].as_str().unwrap().to_owned();
    assert_eq!(
        ask(&entry, "POST", &format!("/containers/{}/stop", id(0)))
            .await
            .status,
        204
    );
    assert_eq!(
        ask(&entry, "POST", &format!("/containers/{}/start", id(1)))
            .await
            .status,
        204
    );
    let prefix = &id(1)[..12];
    assert_eq!(
        ask(&entry, "POST", &format!("/containers/{prefix}/stop"))
            .await
            .status,
        204
    );
    assert_eq!(
        orders(&bridge),
        [
            Request::StopContainer(order(UUID_1, -1)),
            Request::StartContainer(order("down", -1)),
            Request::StopContainer(order(prefix, -1)),
            Request::StopContainer(order("down", -1)),
        ]
    );
}

#[tokio::test]
async fn an_identifier_from_before_the_first_start_leads_there_afterwards() {
    let bridge = StockBridge::with(vec![stopped("fresh", "")]);
    let (entry, _teller) = bridge.entry();
    let list = json(&ask(&entry, "GET", "/containers/json?all=1").await.body);
    let id = list[0]["Id"].as_str().unwrap().to_owned();
    assert_eq!(
        ask(&entry, "POST", &format!("/containers/{id}/start"))
            .await
            .status,
        204
    );
    bridge.world(|world| UUID_1.clone_into(&mut world.containers[0].uuid));
    ask(&entry, "GET", "/containers/json").await;
    let one = json(&ask(&entry, "GET", &format!("/containers/{id}/json")).await.body);
    assert_eq!(one["Name"], "/fresh");
    assert!(one["Id"].as_str().unwrap().starts_with(UUID_1));
}

async fn check_status(frame: &str, act: &str, status: u16, part: &str) {
    let bridge = StockBridge::with(Vec::new());
    let bytes = golden(frame);
    bridge.script(move |request| match request.opcode() {
        Opcode::StartContainer | Opcode::StopContainer | Opcode::RestartContainer => {
            Verdict::Bytes(bytes.clone())
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = bridge.entry();
    let reply = ask(&entry, "POST", &format!("/containers/{act}")).await;
    assert_eq!(reply.status.as_u16(), status, "{frame} {act}: {}", reply.body);
    assert!(reply.body.contains(part), "{frame} {act}: {}", reply.body);
}

#[tokio::test]
async fn every_status_has_its_answer() {
    check_status("start-response", "c/start", 204, "").await;
    check_status("stop-response", "c/stop", 204, "").await;
    check_status("restart-response", "c/restart", 204, "").await;
    check_status("status-0-ok", "c/stop", 204, "").await;
    check_status("status-1-bad-request", "abc/start", 400, "multiple IDs found").await;
    check_status("status-1-bad-request", "xyz/start", 400, "for a wrong request").await;
    check_status("status-2-unsupported", "c/stop", 501, "does not know").await;
    check_status("status-3-not-found", "x/stop", 404, "No such container: x").await;
    check_status("status-4-internal-error", "x/start", 500, "the start of x failed").await;
    check_status(
        "status-5-forbidden",
        "x/start",
        503,
        "members of the group droidspaces",
    )
    .await;
    check_status("status-6-already-running", "x/start", 304, "").await;
    check_status("status-7-already-stopped", "x/stop", 304, "").await;
}

#[tokio::test]
async fn what_version_1_cannot_do_is_refused_by_name() {
    let bridge = StockBridge::with(vec![running("c", UUID_1)]);
    let (entry, _teller) = bridge.entry();
    for (method, path) in [
        ("GET", "/containers/c/logs?stdout=1"),
        ("GET", "/containers/c/top"),
        ("GET", "/containers/c/stats?stream=false"),
        ("GET", "/containers/c/changes"),
        ("GET", "/containers/c/export"),
        ("GET", "/containers/c/archive?path=/etc"),
        ("HEAD", "/containers/c/archive?path=/etc"),
        ("PUT", "/containers/c/archive?path=/etc"),
        ("POST", "/containers/c/kill"),
        ("POST", "/containers/c/pause"),
        ("POST", "/containers/c/unpause"),
        ("POST", "/containers/c/rename?name=dd"),
        ("POST", "/containers/c/resize?h=1&w=1"),
        ("DELETE", "/containers/c"),
        ("POST", "/containers/prune"),
        ("POST", "/images/create?fromSrc=-&repo=a"),
        ("DELETE", "/images/droidspaces/c"),
        ("POST", "/images/droidspaces/c/tag?repo=dd"),
        ("POST", "/commit?container=c"),
        ("GET", "/system/df"),
    ] {
        let reply = ask(&entry, method, path).await;
        assert_eq!(
            reply.status,
            StatusCode::NOT_IMPLEMENTED,
            "{method} {path}: {}",
            reply.body
        );
        if method != "HEAD" {
            assert!(reply.message().contains("version 1"), "{path}: {}", reply.body);
        }
    }
    let with_body = async |path: &str, body: &str| {
        let mut request = request("POST", path, Body::from(body.to_owned()));
        request
            .headers_mut()
            .insert("content-type", "application/json".parse().unwrap());
        let reply = send(&entry, request).await;
        assert_eq!(
            reply.status,
            StatusCode::NOT_IMPLEMENTED,
            "{path}: {}",
            reply.body
        );
        assert!(reply.message().contains("version 1"), "{path}: {}", reply.body);
    };
    with_body(
        "/containers/create?name=xx",
        r#"{"Image":"droidspaces/c","Cmd":["x"]}"#,
    )
    .await;
    with_body("/containers/c/exec", r#"{"Cmd":["true"]}"#).await;
    with_body("/containers/c/update", r#"{"Memory":67108864}"#).await;
}

#[tokio::test]
async fn a_wait_ends_with_the_container() {
    let bridge = StockBridge::with(vec![running("c", UUID_1), stopped("d", "")]);
    let (entry, _teller) = bridge.entry();
    let over = ask(&entry, "POST", "/containers/d/wait").await;
    // How it ended nobody has seen.
    assert_eq!(json(&over.body)["StatusCode"], 255, "{}", over.body);

    let wait = ask(&entry, "POST", "/containers/c/wait");
    let stop = async {
        let looks = bridge.count(Opcode::InspectContainer) + 2;
        bridge
            .until(|world| world.count(Opcode::InspectContainer) >= looks)
            .await;
        assert_eq!(ask(&entry, "POST", "/containers/c/stop").await.status, 204);
    };
    let (over, ()) = tokio::join!(wait, stop);
    assert_eq!(json(&over.body)["StatusCode"], 255, "{}", over.body);

    // An end between two looks, after which it runs again, is told by its events.
    let wait = ask(&entry, "POST", "/containers/d/wait?condition=next-exit");
    let run = async {
        let looks = bridge.count(Opcode::InspectContainer) + 2;
        bridge
            .until(|world| world.count(Opcode::InspectContainer) >= looks)
            .await;
        bridge.world(|world| {
            let one = world.containers[1].clone();
            world.happen("start", &one);
            world.happen("die", &one);
        });
    };
    tokio::join!(wait, run);
    let missing = ask(&entry, "POST", "/containers/none/wait").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    // One that is waited for and goes is over as well.
    let wait = ask(&entry, "POST", "/containers/d/wait?condition=removed");
    let remove = async {
        let looks = bridge.count(Opcode::InspectContainer) + 2;
        bridge
            .until(|world| world.count(Opcode::InspectContainer) >= looks)
            .await;
        bridge.world(|world| world.containers.truncate(1));
    };
    let (over, ()) = tokio::join!(wait, remove);
    assert_eq!(over.status, StatusCode::OK);
}
