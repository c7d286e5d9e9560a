//! A node's Docker, as it is.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::scene::{NODE, PASSWORD, Scene, basic};
use crate::access::Role;

#[tokio::test]
async fn answers_pass_as_they_are() {
    let scene = Scene::start().await;
    scene
        .script
        .answer("GET /v1.51/containers/json?all=1", 200, "application/json", "[]");
    scene.script.answer("HEAD /_ping", 200, "text/plain", "");
    let check = async |asked: &str, expected: u16, body: &str| {
        let (method, rest) = asked.split_once(' ').unwrap_or((asked, ""));
        let seen = scene.owner(&format!("{method} /nodes/{NODE}/docker{rest}")).await;
        assert_eq!(seen.status, expected, "{asked}");
        assert_eq!(seen.body, body, "{asked}");
    };
    check("GET /v1.51/containers/json?all=1", 200, "[]").await;
    check("HEAD /_ping", 200, "").await;
    check("GET /nothing", 404, "{\"message\":\"No such container\"}").await;
    check("GET", 404, "{\"message\":\"No such container\"}").await;
    check(
        "GET /images/a%2Fb/json",
        404,
        "{\"message\":\"No such container\"}",
    )
    .await;
    assert_eq!(
        scene.script.asked(),
        [
            "GET /v1.51/containers/json?all=1",
            "HEAD /_ping",
            "GET /nothing",
            "GET /",
            "GET /images/a%2Fb/json",
        ]
    );
}

#[tokio::test]
async fn errors_are_told_as_docker_tells_them() {
    let scene = Scene::start().await;
    let read = scene.key(Role::Read, None).await;
    let target = format!("POST /nodes/{NODE}/docker/containers/x/start");
    let check = |seen: super::scene::Seen, expected: u16| {
        assert_eq!(seen.status, expected);
        assert!(seen.json()["message"].is_string(), "{seen:?}");
    };
    check(scene.by_key(&target, &read).await, 403);
    check(scene.ask(&target, "", None).await, 401);
    check(scene.ask(&target, &basic(NODE, "wrong"), None).await, 401);
    check(scene.by_key("GET /nodes/none/docker/_ping", &read).await, 404);
}

#[tokio::test]
async fn streams_pass_both_ways() {
    let scene = Scene::start().await;
    let mut stream = TcpStream::connect(scene.address).await.unwrap();
    let head = format!(
        "POST /nodes/{NODE}/docker/v1.51/exec/x/start HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
        basic(NODE, PASSWORD)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    assert!(
        seen.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&seen)
    );
    stream.write_all(b"hello").await.unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"HELLO");
    // An end of one way is passed on, and the other goes on.
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "bye");
    assert_eq!(scene.script.asked(), ["POST /v1.51/exec/x/start {}"]);
}
