//! Docklord's routes.

use serde_json::json;

use super::scene::{CONTAINER, NODE, PASSWORD, Scene, basic};
use crate::access::Role;
use crate::coordinator::TunnelError;

const JSON: &str = "application/json";
const SHARED: &str = "application/vnd.docker.multiplexed-stream";

#[tokio::test]
async fn lists_come_from_what_is_known() {
    let scene = Scene::start().await;
    let list = scene.owner("GET /api/containers").await.json();
    assert_eq!(
        list["containers"],
        json!([{
            "container_id": "web", "full_id": CONTAINER, "node_id": NODE, "status": "running", "created": 1_700_000_000,
            "started_at": 1_700_000_001, "finished_at": 0, "exit_code": 0,
        }])
    );
    assert_eq!(list["id"].as_str().unwrap().len(), 36);
    for reference in ["web", "%2Fweb", CONTAINER, "c0ff"] {
        let seen = scene
            .owner(&format!("GET /api/containers/{reference}/status"))
            .await;
        assert_eq!(seen.json()["status"]["status"], "running", "{reference}");
    }
    assert_eq!(scene.owner("GET /api/containers/none/status").await.status, 404);
    assert_eq!(scene.script.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn acts() {
    let scene = Scene::start().await;
    let check = async |asked: &str, docker: &str, status: u16, expected: u16| {
        scene
            .script
            .answer(docker, status, JSON, r#"{"message":"because"}"#);
        let seen = scene.owner(asked).await;
        assert_eq!(seen.status, expected, "{asked} {seen:?}");
        assert_eq!(scene.script.asked(), [docker], "{asked}");
        if expected != 200 {
            assert_eq!(seen.json()["error"]["detail"], "because");
        }
    };
    check(
        "POST /api/containers/web/start",
        "POST /containers/web/start",
        204,
        200,
    )
    .await;
    check(
        "POST /api/containers/web/start",
        "POST /containers/web/start",
        304,
        200,
    )
    .await;
    check(
        "POST /api/containers/web/start",
        "POST /containers/web/start",
        404,
        404,
    )
    .await;
    check(
        "POST /api/containers/web/stop?t=3",
        "POST /containers/web/stop?t=3",
        204,
        200,
    )
    .await;
    check(
        "POST /api/containers/web/restart",
        "POST /containers/web/restart",
        500,
        500,
    )
    .await;
    check("DELETE /api/containers/web", "DELETE /containers/web", 409, 409).await;
    check(
        "DELETE /api/containers/web?force=1",
        "DELETE /containers/web?force=true",
        204,
        200,
    )
    .await;
    let done = scene.owner("POST /api/containers/web/stop?t=3").await.json();
    assert_eq!(done["action"], "stop");
    assert_eq!(
        done["result"],
        json!({ "container_id": "web", "action": "stop", "message": "Container stopped successfully" })
    );
}

#[tokio::test]
async fn who_sees_every_node_need_not_name_one() {
    const OTHER: &str = "otherother123456";
    const OTHER_S: &str = "c1ffee0000000000000000000000000000000000000000000000000000000000";
    let scene = Scene::start().await;
    let key = scene.key(Role::Full, None).await;
    let list = async |query: &str| {
        let seen = scene.by_key(&format!("GET /api/containers{query}"), &key).await;
        let list = seen.json()["containers"].as_array().unwrap().clone();
        let ids = list
            .iter()
            .map(|line| (line["node_id"].clone(), line["full_id"].clone()));
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list("").await, [(json!(NODE), json!(CONTAINER))]);
    let act = async |reference: &str, asked: Option<&str>, expected: u16| {
        for id in [asked.unwrap_or("none"), reference] {
            let docker = format!("POST /containers/{id}/start");
            scene.script.answer(&docker, 204, JSON, "");
        }
        let seen = scene
            .by_key(&format!("POST /api/containers/{reference}/start"), &key)
            .await;
        assert_eq!(seen.status, expected, "{reference} {seen:?}");
        let asked = asked.map(|id| format!("POST /containers/{id}/start"));
        assert_eq!(scene.script.asked(), Vec::from_iter(asked), "{reference}");
        let told = scene
            .by_key(&format!("GET /api/containers/{reference}/status"), &key)
            .await;
        assert_eq!(told.status, expected, "{reference} {told:?}");
    };
    act("web", Some(CONTAINER), 200).await;
    act("c", Some(CONTAINER), 200).await;
    act("nosuch", None, 404).await;
    scene.second_node(OTHER, OTHER_S).await;
    act("web", None, 409).await;
    act("c", None, 409).await;
    act("c0", Some(CONTAINER), 200).await;
    act(CONTAINER, Some(CONTAINER), 200).await;
    let (one, other) = ((json!(NODE), json!(CONTAINER)), (json!(OTHER), json!(OTHER_S)));
    assert_eq!(list("").await, [one.clone(), other.clone()]);
    assert_eq!(
        list(&format!("?node_id={OTHER}")).await,
        std::slice::from_ref(&other)
    );
    scene.state.disconnected(NODE, scene.attendance.connection);
    assert_eq!(list("").await, [other]);
    // One that is away has it still: nothing is done on the other.
    act("web", None, 409).await;
    let owner = scene.owner(&format!("GET /api/containers?node_id={OTHER}")).await;
    assert_eq!(owner.status, 404);
    let asked = format!("GET /api/containers?node_id={NODE}");
    assert_eq!(scene.by_key(&asked, &key).await.status, 502);
}

#[tokio::test]
async fn what_makes_no_sense_never_reaches_a_node() {
    let scene = Scene::start().await;
    let check = async |asked: &str, expected: u16| {
        let seen = scene.owner(asked).await;
        assert_eq!(seen.status, expected, "{asked}");
        assert!(!seen.message().is_empty());
    };
    check("POST /api/containers/..%2Fimages/start", 404).await;
    check("POST /api/containers/a%3Fb/start", 404).await;
    check("POST /api/containers/%ff/start", 400).await;
    check("POST /api/containers/web/stop?t=-1", 400).await;
    check("POST /api/containers/web/stop?t=x", 400).await;
    check("POST /api/containers/web/start?t=1", 400).await;
    check("GET /api/containers?all=1", 400).await;
    check("GET /api/containers?node_id=a&node_id=b", 400).await;
    check("GET /api/containers/web/logs?since=yesterday", 400).await;
    check("GET /api/containers/web/logs?tail=many", 400).await;
    check("GET /api/containers/web/logs?follow=perhaps", 400).await;
    check("GET /api/containers/web", 405).await;
    check("PUT /api/containers", 405).await;
    check("GET /api/nothing", 404).await;
    assert_eq!(scene.script.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn nodes_that_cannot_be_reached() {
    let scene = Scene::start().await;
    let check = async |trouble: TunnelError, expected: u16| {
        scene.script.break_off(trouble.clone());
        for asked in [
            "POST /api/containers/web/start",
            "GET /api/containers/web/logs",
            "GET /api/containers/web/stats",
        ] {
            let seen = scene.owner(asked).await;
            assert_eq!(seen.status, expected, "{asked} {trouble:?}");
        }
        let target = format!("GET /nodes/{NODE}/docker/_ping");
        let seen = scene.owner(&target).await;
        assert_eq!(seen.status, expected);
        assert!(seen.json()["message"].is_string(), "{seen:?}");
    };
    check(TunnelError::NotConnected, 502).await;
    check(TunnelError::Late, 504).await;
    check(TunnelError::Full, 503).await;
    check(TunnelError::Refused("no socket".to_owned()), 502).await;
    scene.state.disconnected(NODE, scene.attendance.connection);
    for asked in [
        "GET /api/containers",
        "GET /api/containers/web/status",
        "POST /api/containers/web/stop",
    ] {
        assert_eq!(scene.owner(asked).await.status, 502, "{asked}");
    }
}

#[tokio::test]
async fn logs() {
    let scene = Scene::start().await;
    let target = "GET /containers/web/logs?stdout=1&stderr=1&tail=100";
    let lines = b"\x01\0\0\0\0\0\0\x06one\ntw\x01\0\0\0\0\0\0\x02o\n\x02\0\0\0\0\0\0\x04bad\n";
    scene.script.answer(target, 200, SHARED, lines.as_slice());
    let logs = scene.owner("GET /api/containers/web/logs").await.json();
    assert_eq!(
        logs["logs"],
        json!({ "container_id": "web", "logs": ["one\n", "two\n", "bad\n"], "is_cut": false })
    );
    let followed = format!("{target}&follow=1&since=1700000000.000000000");
    scene.script.answer(&followed, 200, SHARED, lines.as_slice());
    let seen = scene
        .owner("GET /api/containers/web/logs?follow=true&since=2023-11-14T22:13:20Z")
        .await;
    assert_eq!(seen.headers["content-type"], "application/x-ndjson");
    assert_eq!(
        String::from_utf8_lossy(&seen.body),
        "{\"stream\":\"stdout\",\"line\":\"one\\n\"}\n{\"stream\":\"stdout\",\"line\":\"two\\n\"}\n\
         {\"stream\":\"stderr\",\"line\":\"bad\\n\"}\n"
    );
    assert_eq!(scene.owner("GET /api/containers/none/logs").await.status, 404);
    // Engines that are too old to say whether there is a terminal are asked.
    scene
        .script
        .answer(target, 200, "application/octet-stream", "bare\n");
    let inspect = "GET /containers/web/json";
    scene
        .script
        .answer(inspect, 200, JSON, r#"{"Config":{"Tty":true}}"#);
    let logs = scene.owner("GET /api/containers/web/logs").await.json();
    assert_eq!(logs["logs"]["logs"], json!(["bare\n"]));
}

#[tokio::test]
async fn commands() {
    let scene = Scene::start().await;
    let script = &scene.script;
    script.answer("POST /containers/web/exec", 201, JSON, r#"{"Id":"e1"}"#);
    let written = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x03err";
    // Docker calls it so, whatever it is.
    let kind = "application/vnd.docker.raw-stream";
    script.answer("POST /exec/e1/start", 200, kind, written.as_slice());
    script.answer("GET /exec/e1/json", 200, JSON, r#"{"ExitCode":3}"#);
    let ask = async |body| {
        scene
            .ask(
                "POST /api/containers/web/exec",
                &basic(NODE, PASSWORD),
                Some(body),
            )
            .await
    };
    let done = ask(json!({ "command": ["ls", "-l"] })).await.json();
    assert_eq!(done["exit_code"], 3);
    assert_eq!(done["stdout"], "out");
    assert_eq!(done["stderr"], "err");
    assert_eq!(done["is_cut"], false);
    let asked = script.asked();
    assert!(asked[0].contains(r#""Cmd":["ls","-l"]"#), "{asked:?}");
    assert_eq!(ask(json!({ "command": [] })).await.status, 400);
    assert_eq!(ask(json!({ "command": "ls" })).await.status, 400);
    assert_eq!(ask(json!({ "command": ["l\0s"] })).await.status, 400);
    assert_eq!(ask(json!({ "command": ["ls"], "user": "\0" })).await.status, 400);
    assert_eq!(ask(json!({ "command": ["ls"], "tty": true })).await.status, 400);
    assert_eq!(
        ask(json!({ "command": ["ls"], "timeout_seconds": 0 }))
            .await
            .status,
        400
    );
    let long = "x".repeat(crate::limits::API_BODY_MAX);
    assert_eq!(ask(json!({ "command": [long] })).await.status, 413);
    assert_eq!(scene.owner("POST /api/containers/web/exec").await.status, 415);
    // An id that is none must not get into a path.
    script.answer("POST /containers/web/exec", 201, JSON, r#"{"Id":"../images"}"#);
    assert_eq!(ask(json!({ "command": ["ls"] })).await.status, 502);
    let operate = scene.key(Role::Operate, Some(NODE)).await;
    let seen = scene
        .ask(
            "POST /api/containers/web/exec",
            &format!("Bearer {operate}"),
            Some(json!({ "command": ["ls"] })),
        )
        .await;
    assert_eq!(seen.status, 403);
}

#[tokio::test]
async fn usage() {
    let scene = Scene::start().await;
    let target = "GET /containers/web/stats?stream=false";
    scene
        .script
        .answer(target, 200, JSON, r#"{"pids_stats":{"current":4}}"#);
    let seen = scene.owner("GET /api/containers/web/stats").await.json();
    assert_eq!(seen["stats"]["pids"], 4);
    scene.script.answer(target, 200, JSON, "nonsense");
    assert_eq!(scene.owner("GET /api/containers/web/stats").await.status, 502);
}
