//! What happened, by REST.

use serde_json::Value;

use super::scene::{NODE, Scene};

fn actions(list: &Value) -> Vec<&str> {
    let events = list["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["event"]["action"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn pages() {
    let scene = Scene::start().await;
    scene.happens(1, "die", "exited").await;
    scene.happens(2, "start", "running").await;
    let all = scene.owner("GET /api/events").await.json();
    assert_eq!(
        actions(&all),
        ["enrolled", "connected", "changed", "die", "start"]
    );
    assert_eq!(all["has_more"], false);
    assert_eq!(all["events"][3]["container"]["state"], "exited");
    let two = scene.owner("GET /api/events?after=1&limit=2").await.json();
    assert_eq!(actions(&two), ["connected", "changed"]);
    assert_eq!(two["has_more"], true);
    let rest = format!("GET /api/events?after={}", two["next_after"]);
    assert_eq!(actions(&scene.owner(&rest).await.json()), ["die", "start"]);
    let check = async |query: &str, expected: usize| {
        let seen = scene
            .admin(&format!("GET /api/events?{query}"), None)
            .await
            .json();
        assert_eq!(actions(&seen).len(), expected, "{query}");
    };
    check("since=1h", 5).await;
    check("until=1h", 0).await;
    check("since=2100-01-01T00:00:00Z", 0).await;
    check("since=0&until=99999999999", 5).await;
    check("after=99999", 0).await;
    check(&format!("node_id={NODE}"), 5).await;
    let bad = async |query: &str, expected: u16| {
        let seen = scene.admin(&format!("GET /api/events?{query}"), None).await;
        assert_eq!(seen.status, expected, "{query}");
    };
    bad("since=x", 400).await;
    bad("limit=0", 400).await;
    bad("after=-1", 400).await;
    bad("node_id=none", 404).await;
}

#[tokio::test]
async fn following_ends_where_it_is_to() {
    let scene = Scene::start().await;
    let seen = scene.owner("GET /api/events?follow=true&after=0&until=1h").await;
    assert_eq!(seen.headers["content-type"], "application/x-ndjson");
    assert_eq!(seen.body, "");
    let seen = scene
        .owner("GET /api/events?follow=true&after=0&until=0.000001s")
        .await;
    let lines = String::from_utf8(seen.body.to_vec()).unwrap();
    assert_eq!(lines.lines().count(), 3, "{lines}");
}
