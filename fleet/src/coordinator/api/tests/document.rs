//! The document that tells of the routes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::scene::Scene;

#[tokio::test]
async fn it_is_whole() {
    let scene = Scene::start().await;
    let seen = scene.ask("GET /api/openapi.json", "", None).await;
    assert_eq!(seen.headers["content-type"], "application/json");
    let document = seen.json();
    let paths: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for path in [
        "/api/containers",
        "/api/containers/{id}/logs",
        "/api/events",
        "/api/nodes/{node_id}",
        "/observe-containers",
    ] {
        assert!(paths.contains(path), "{path}");
    }
    let mut named = Vec::new();
    references(&document, &mut named);
    assert!(!named.is_empty());
    for name in named {
        let pointer = name.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{name}");
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            let statuses = route["responses"].as_object().unwrap();
            assert!(
                path == "/healthz" || statuses.contains_key("401"),
                "{method} {path}"
            );
            assert!(route["summary"].is_string(), "{method} {path}");
        }
    }
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_str() {
                    Some(text) if name == "$ref" => found.push(text),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
