//! Nodes, keys, enrolments and ports, for who may ask every node.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::scene::{NODE, Scene};
use crate::access::Role;
use crate::coordinator::api::digest;
use crate::coordinator::store::Registry as _;

#[tokio::test]
async fn keys() {
    let scene = Scene::start().await;
    let new = json!({ "name": "portainer", "access": "operate", "node_id": NODE });
    let made = scene.admin("POST /api/keys", Some(new.clone())).await;
    assert_eq!(made.status, 201);
    let key = made.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(scene.by_key("GET /api/containers", &key).await.status, 200);
    let again = scene.admin("POST /api/keys", Some(new)).await;
    assert_eq!(again.status, 409);
    let list = scene.admin("GET /api/keys", None).await;
    assert!(!String::from_utf8_lossy(&list.body).contains(&key));
    assert_eq!(list.json()["keys"][0]["access"], "operate");
    assert_eq!(scene.admin("DELETE /api/keys/portainer", None).await.status, 204);
    assert_eq!(scene.admin("DELETE /api/keys/portainer", None).await.status, 404);
    assert_eq!(scene.by_key("GET /api/containers", &key).await.status, 401);
    let check = async |body, expected: u16| {
        let seen = scene.admin("POST /api/keys", Some(body)).await;
        assert_eq!(seen.status, expected, "{seen:?}");
    };
    check(json!({ "name": "", "access": "read" }), 400).await;
    check(json!({ "name": "a\nb", "access": "read" }), 400).await;
    check(json!({ "name": "a", "access": "all" }), 400).await;
    check(json!({ "name": "a", "access": "read", "x": 1 }), 400).await;
    check(json!({ "name": "a", "access": "read", "node_id": "none" }), 404).await;
}

#[tokio::test]
async fn enrolments() {
    let scene = Scene::start().await;
    let new = json!({ "name": "phone 2", "ttl_seconds": 60 });
    let made = scene.admin("POST /api/enrolments", Some(new)).await;
    assert_eq!(made.status, 201);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let kept = scene.store.enrolments().await.unwrap();
    assert!(kept.iter().any(|one| one.token_hash == digest(&token)));
    let list = scene.admin("GET /api/enrolments", None).await;
    assert!(!String::from_utf8_lossy(&list.body).contains(&token));
    assert_eq!(list.json()["enrolments"][0]["name"], "phone 2");
    let whole = scene
        .admin("POST /api/enrolments", Some(json!({ "ttl_seconds": 60.0 })))
        .await;
    assert_eq!(whole.status, 201);
    for wrong in [
        json!({ "ttl_seconds": 60.5 }),
        json!({ "ttl_seconds": "60" }),
        json!([null, 60]),
    ] {
        let seen = scene.admin("POST /api/enrolments", Some(wrong)).await;
        assert_eq!(seen.status, 400, "{seen:?}");
    }
    let late = scene
        .admin("POST /api/enrolments", Some(json!({ "ttl_seconds": 0 })))
        .await;
    assert_eq!(late.status, 400);
    assert_eq!(scene.owner("GET /api/enrolments").await.status, 403);
}

#[tokio::test]
async fn nodes() {
    let scene = Scene::start().await;
    let list = scene.admin("GET /api/nodes", None).await.json();
    assert_eq!(list["nodes"][0]["node_id"], NODE);
    assert_eq!(list["nodes"][0]["containers_count"], 1);
    assert!(list["nodes"][0].get("containers").is_none());
    let list = scene.admin("GET /api/nodes?containers=true", None).await.json();
    assert_eq!(list["nodes"][0]["containers"][0]["labels"], json!({ "a": "b" }));
    let one = scene.owner(&format!("GET /api/nodes/{NODE}")).await.json();
    assert_eq!(one["containers"][0]["ports"][0]["public_port"], 8080);
    assert_eq!(one["hostname"], "phone-1");
    assert_eq!(
        scene.owner(&format!("DELETE /api/nodes/{NODE}")).await.status,
        403
    );
    assert_eq!(
        scene
            .admin(&format!("DELETE /api/nodes/{NODE}"), None)
            .await
            .status,
        204
    );
    assert_eq!(scene.script.shut_out(), [NODE]);
    assert_eq!(
        scene
            .admin(&format!("DELETE /api/nodes/{NODE}"), None)
            .await
            .status,
        404
    );
    assert_eq!(
        scene.admin(&format!("GET /api/nodes/{NODE}"), None).await.status,
        404
    );
}

#[tokio::test]
async fn what_prometheus_reads() {
    let scene = Scene::start().await;
    let check = async |asked: &str, expected: &str| {
        let seen = scene.owner(&asked.replace("NODE", NODE)).await;
        let body = String::from_utf8_lossy(&seen.body);
        assert!(body.contains(expected), "{asked}: {body}");
    };
    check("GET /metrics", "fleet_node_up").await;
    check("GET /metrics/nodes/NODE", "fleet_node_up").await;
    check("GET /metrics/nodes/other", "no such node").await;
    check("GET /api/prometheus/targets", &format!("/metrics/nodes/{NODE}")).await;
    let other = scene.key(Role::Read, Some("another1another1")).await;
    assert_eq!(
        scene.by_key("GET /api/prometheus/targets", &other).await.json(),
        json!([])
    );
    assert_eq!(scene.by_key("GET /metrics", &other).await.body, "# EOF\n");
}

#[tokio::test]
async fn a_port_is_a_nodes_docker() {
    let scene = Scene::start().await;
    scene.script.answer("GET /_ping", 200, "text/plain", "OK");
    let new = |address: &str, tls: bool| Some(json!({ "node_id": NODE, "address": address, "tls": tls }));
    let made = scene.admin("POST /api/ports", new("127.0.0.1:0", false)).await;
    assert_eq!(made.status, 201);
    let address = made.json()["address"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream
        .write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut seen = String::new();
    stream.read_to_string(&mut seen).await.unwrap();
    assert!(seen.starts_with("HTTP/1.1 200") && seen.ends_with("OK"), "{seen}");
    assert_eq!(
        scene.admin("POST /api/ports", new(&address, false)).await.status,
        409
    );
    assert_eq!(
        scene
            .admin("POST /api/ports", new("0.0.0.0:0", false))
            .await
            .status,
        403
    );
    assert_eq!(
        scene
            .admin("POST /api/ports", new("127.0.0.1:0", true))
            .await
            .status,
        409
    );
    assert_eq!(
        scene
            .admin("POST /api/ports", new("localhost", false))
            .await
            .status,
        400
    );
    let list = scene.admin("GET /api/ports", None).await.json();
    assert_eq!(list["ports"][0]["is_open"], true);
    let gone = format!("DELETE /api/ports/{address}");
    assert_eq!(scene.admin(&gone, None).await.status, 204);
    assert_eq!(scene.admin(&gone, None).await.status, 404);
}
