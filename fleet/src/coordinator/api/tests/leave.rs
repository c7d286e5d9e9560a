//! What somebody has open when they may no longer come in.

use http_body_util::BodyExt as _;
use hyper::header::AUTHORIZATION;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::scene::{NODE, PASSWORD, PATIENCE, Scene, basic, request};
use super::sockets::Socket;
use crate::access::Role;
use crate::docker::{self, Answer, Upgraded};

/// One of everything that stays open.
struct Open {
    observer: Socket,
    terminal: Socket,
    events: Answer,
    attached: Upgraded,
}

impl Open {
    async fn with(scene: &Scene, authorization: &str) -> Self {
        let ask = async |asked: &str, is_upgrade: bool| {
            let mut request = request(asked, None);
            if is_upgrade {
                request = docker::wanting_upgrade(request);
            }
            let value = authorization.parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
            scene.send(request).await
        };
        scene.script.answer(
            "POST /containers/web/exec",
            201,
            "application/json",
            r#"{"Id":"e1"}"#,
        );
        let observed = format!("/observe-containers?node_id={NODE}");
        let typed = format!("/api/nodes/{NODE}/exec?container=web");
        let [observer, terminal] =
            [observed, typed].map(async |target| Socket::open(scene, &target, authorization).await.unwrap());
        let followed = format!("GET /api/events?follow=true&node_id={NODE}");
        let attached = format!("POST /nodes/{NODE}/docker/containers/web/attach?stream=1");
        let mut open = Self {
            observer: observer.await,
            terminal: terminal.await,
            events: ask(&followed, false).await,
            attached: docker::upgraded(ask(&attached, true).await).await.unwrap(),
        };
        open.goes_on().await;
        open
    }

    /// All of it works.
    async fn goes_on(&mut self) {
        self.terminal.send(2, b"ls").await;
        assert_eq!(self.terminal.next().await, (2, b"LS".to_vec()));
        self.attached.write_all(b"ls").await.unwrap();
        let mut seen = [0; 2];
        timeout(PATIENCE, self.attached.read_exact(&mut seen))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(seen, *b"LS");
    }

    /// All of it ends, and nothing of it as if it were whole.
    async fn ends(mut self) {
        for mut socket in [self.observer, self.terminal] {
            let close = loop {
                if let (8, payload) = socket.next().await {
                    break payload;
                }
            };
            assert_eq!(close[..2], 1008_u16.to_be_bytes());
        }
        let events = timeout(PATIENCE, self.events.body_mut().collect()).await;
        assert!(events.unwrap().is_err());
        let read = timeout(PATIENCE, self.attached.read(&mut [0; 8])).await;
        assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn of_a_key_that_is_removed() {
    let scene = Scene::start().await;
    let key = scene.key(Role::Full, None).await;
    let other = scene.key(Role::Full, Some(NODE)).await;
    let opened = Open::with(&scene, &format!("Bearer {key}")).await;
    let mut others = Open::with(&scene, &format!("Bearer {other}")).await;
    let mut owners = Open::with(&scene, &basic(NODE, PASSWORD)).await;
    let removed = scene.admin(&format!("DELETE /api/keys/{key}"), None).await;
    assert_eq!(removed.status, 204);
    opened.ends().await;
    others.goes_on().await;
    owners.goes_on().await;
    assert_eq!(scene.by_key("GET /api/nodes", &key).await.status, 401);
}

#[tokio::test]
async fn of_a_node_that_is_shut_out() {
    let scene = Scene::start().await;
    let bound = scene.key(Role::Full, Some(NODE)).await;
    let asked = json!({ "node_id": NODE, "address": "127.0.0.1:0" });
    assert_eq!(scene.admin("POST /api/ports", Some(asked)).await.status, 201);
    let bounds = Open::with(&scene, &format!("Bearer {bound}")).await;
    let owners = Open::with(&scene, &basic(NODE, PASSWORD)).await;
    let revoked = scene.admin(&format!("DELETE /api/nodes/{NODE}"), None).await;
    assert_eq!(revoked.status, 204);
    bounds.ends().await;
    owners.ends().await;
    let ports = scene.admin("GET /api/ports", None).await.json();
    assert_eq!(ports, json!({ "ports": [] }));
}

#[tokio::test]
async fn a_key_that_removes_itself_is_told_so() {
    let scene = Scene::start().await;
    let key = scene.key(Role::Full, None).await;
    let removed = scene.by_key(&format!("DELETE /api/keys/{key}"), &key).await;
    assert_eq!(removed.status, 204);
}
