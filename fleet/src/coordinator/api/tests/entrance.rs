//! Who is let in.

use hyper::header::{HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};

use super::scene::{NODE, PASSWORD, Scene, Seen, basic, request};
use crate::access::Role;
use crate::coordinator::api::Settings;
use crate::limits::FAILURES_MAX;

#[tokio::test]
async fn what_is_shown() {
    let scene = Scene::start().await;
    let key = scene.key(Role::Read, None).await;
    let check = async |authorization: &str, expected: u16| {
        let seen = scene.ask("GET /api/nodes", authorization, None).await;
        assert_eq!(seen.status, expected, "{authorization}");
        assert_eq!(seen.headers.contains_key(WWW_AUTHENTICATE), expected == 401);
        if expected == 401 {
            assert!(!seen.message().is_empty());
        }
    };
    check(&basic(NODE, PASSWORD), 200).await;
    check(&format!("bearer {NODE}:{PASSWORD}"), 200).await;
    check(&format!("Bearer {key}"), 200).await;
    check("", 401).await;
    check(&basic(NODE, "wrong"), 401).await;
    check(&basic("nobody", PASSWORD), 401).await;
    check(&basic(NODE, ""), 401).await;
    check("Basic %%%", 401).await;
    check("Bearer", 401).await;
    check("Bearer sfk_wrong", 401).await;
    check("Digest x", 401).await;
}

#[tokio::test]
async fn what_anybody_may_ask() {
    let scene = Scene::start().await;
    assert_eq!(scene.ask("GET /healthz", "", None).await.json()["status"], "ok");
    assert_eq!(scene.ask("HEAD /healthz", "", None).await.status, 200);
    assert_eq!(scene.ask("GET /healthz/../api/nodes", "", None).await.status, 401);
    assert_eq!(scene.ask("GET /anything", "", None).await.status, 401);
}

#[tokio::test]
async fn guessing_is_barred() {
    let scene = Scene::start().await;
    for _ in 0..FAILURES_MAX {
        assert_eq!(
            scene
                .ask("GET /api/nodes", &basic(NODE, "guess"), None)
                .await
                .status,
            401
        );
    }
    let seen = scene.owner("GET /api/nodes").await;
    assert_eq!(seen.status, 429);
    assert!(seen.headers.contains_key(RETRY_AFTER));
    // Whoever has the machine is not kept out by it.
    assert_eq!(scene.admin("GET /api/nodes", None).await.status, 200);
}

#[tokio::test]
async fn nodes_that_were_shut_out_open_nothing() {
    let scene = Scene::start().await;
    assert_eq!(scene.owner("GET /api/containers").await.status, 200);
    assert!(scene.state.revoke(NODE).await.unwrap());
    assert_eq!(scene.owner("GET /api/containers").await.status, 401);
}

#[tokio::test]
async fn credentials_in_a_query() {
    let target = format!(
        "GET /api/containers?node_id={NODE}&password={}",
        PASSWORD.replace(' ', "+")
    );
    let scene = Scene::start().await;
    let seen = scene.ask(&target, "", None).await;
    assert_eq!(seen.status, 401);
    assert!(seen.message().contains("--allow-query-credentials"), "{seen:?}");
    let settings = Settings {
        takes_query_credentials: true,
    };
    let scene = Scene::with(settings).await;
    assert_eq!(scene.ask(&target, "", None).await.status, 200);
    let wrong = format!("GET /api/containers?node_id={NODE}&password=x");
    assert_eq!(scene.ask(&wrong, "", None).await.status, 401);
}

#[tokio::test]
async fn pages_of_others_may_not_use_what_a_browser_knows() {
    let scene = Scene::start().await;
    let check = async |authorization: String, origin: &str, expected: u16| {
        let mut asked = request("GET /api/containers", None);
        let headers = asked.headers_mut();
        headers.insert("authorization", authorization.parse().unwrap());
        headers.insert(HOST, "fleet.example".parse().unwrap());
        headers.insert(ORIGIN, origin.parse().unwrap());
        let seen = Seen::of(scene.send(asked).await).await;
        assert_eq!(seen.status, expected, "{origin}");
    };
    check(basic(NODE, PASSWORD), "https://fleet.example", 200).await;
    check(basic(NODE, PASSWORD), "https://evil.example", 403).await;
    check(basic(NODE, PASSWORD), "null", 403).await;
    check(format!("Bearer {NODE}:{PASSWORD}"), "https://evil.example", 200).await;
}

#[tokio::test]
async fn a_key_is_for_its_node_and_its_access() {
    let scene = Scene::start().await;
    let read = scene.key(Role::Read, None).await;
    let other = scene.key(Role::Full, Some("another1another1")).await;
    let full = scene.key(Role::Full, None).await;
    let check = async |key: &str, asked: &str, expected: u16| {
        let asked = asked.replace("NODE", NODE);
        let seen = scene.by_key(&asked, key).await;
        assert_eq!(seen.status, expected, "{asked} {seen:?}");
    };
    check(&read, "GET /api/containers?node_id=NODE", 200).await;
    check(&read, "GET /api/containers", 200).await;
    check(&read, "GET /api/containers?node_id=none", 404).await;
    check(&read, "GET /api/containers/web/logs?node_id=NODE", 403).await;
    check(&read, "POST /api/containers/web/stop?node_id=NODE", 403).await;
    check(&read, "DELETE /api/containers/web?node_id=NODE", 403).await;
    check(&read, "DELETE /api/nodes/NODE", 403).await;
    check(&read, "GET /api/keys", 403).await;
    check(&read, "POST /nodes/NODE/docker/containers/web/stop", 403).await;
    check(&other, "GET /api/containers?node_id=NODE", 404).await;
    check(&other, "GET /api/nodes/NODE", 404).await;
    check(&other, "GET /nodes/NODE/docker/_ping", 404).await;
    check(&other, "GET /api/keys", 403).await;
    check(&full, "GET /api/keys", 200).await;
    assert_eq!(scene.script.asked(), Vec::<String>::new());
    let list = scene.by_key("GET /api/nodes", &other).await.json();
    assert_eq!(list, serde_json::json!({ "nodes": [] }));
}
