//! What is answered without the bridge, and what every answer carries.

use axum::body::Body;
use axum::http::StatusCode;
use socketd::limits::{CONNECTIONS_MAX, HEAD_TIME_MAX, IDLE_MAX};

use crate::client::{Served, ask, entry, request, send};
use crate::stand_in::StandIn;

#[tokio::test]
async fn every_answer_names_version_system_and_server() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    for path in [
        "/_ping",
        "/v1.24/_ping",
        "/nothing",
        "/v1.99/_ping",
        "/containers/x/json",
    ] {
        let reply = ask(&entry, "GET", path).await;
        assert_eq!(reply.headers["api-version"], "1.51", "{path}");
        assert_eq!(reply.headers["docker-experimental"], "false", "{path}");
        assert_eq!(reply.headers["ostype"], "linux", "{path}");
        let server = reply.headers["server"].to_str().unwrap();
        assert!(
            server.starts_with("socketd/") && server.ends_with(" (linux)"),
            "{server}"
        );
        assert!(!reply.headers.contains_key("content-encoding"), "{path}");
    }
}

#[tokio::test]
async fn ping_answers_without_the_bridge() {
    let stand_in = StandIn::new();
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/_ping").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "OK"));
    assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(
        reply.headers["cache-control"],
        "no-cache, no-store, must-revalidate"
    );
    assert_eq!(reply.headers["pragma"], "no-cache");
    assert_eq!(reply.headers["swarm"], "inactive");
    assert!(reply.headers.contains_key("builder-version"));
    let head = ask(&entry, "HEAD", "/v1.41/_ping").await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn versions_outside_the_range_are_refused_in_dockers_words() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let check = async |path: &str, status: u16, message: &str| {
        let reply = ask(&entry, "GET", path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.message().as_str()),
            (status, message),
            "{path}"
        );
    };
    let new = "client version 1.99 is too new. Maximum supported API version is 1.51";
    check("/v1.99/info", 400, new).await;
    let old = "client version 1.9 is too old. Minimum supported API version is 1.24, please upgrade your \
               client to a newer version";
    check("/v1.9/info", 400, old).await;
    check("/vx/info", 404, "page not found").await;
    for version in ["/v1.24", "/v1.41", "/v1.51", ""] {
        let reply = ask(&entry, "GET", &format!("{version}/info")).await;
        assert_eq!(reply.status, StatusCode::OK, "{version}");
    }
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let check = async |method: &str, path: &str, status: u16| {
        let reply = ask(&entry, method, path).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.body);
        reply.message()
    };
    for (method, path) in [
        ("GET", "/nothing/here"),
        ("PUT", "/containers/json"),
        ("POST", "/info"),
        ("GET", "/images/a/b/nonsense"),
    ] {
        assert_eq!(
            check(method, path, 404).await,
            "page not found",
            "{method} {path}"
        );
    }
    for (method, path) in [
        ("POST", "/build"),
        ("POST", "/images/ghcr.io/a/b:tag/push"),
        ("GET", "/images/get?names=a"),
        ("GET", "/images/search?term=a"),
        ("POST", "/volumes/create"),
        ("POST", "/networks/create"),
        ("POST", "/images/create?fromImage=alpine:latest"),
    ] {
        assert!(!check(method, path, 501).await.is_empty(), "{method} {path}");
    }
    for path in ["/swarm", "/services", "/nodes", "/tasks"] {
        let message = check("GET", path, 503).await;
        assert!(
            message.starts_with("This node is not a swarm manager."),
            "{path}: {message}"
        );
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let body = Body::from(vec![b' '; socketd::limits::JSON_BODY_BYTES_MAX + 1]);
    let reply = send(&entry, request("POST", "/containers/create", body)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(reply.message().contains("longer than"), "{}", reply.body);
}

#[tokio::test]
async fn http_itself() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;

    let mut pipelined = served.connect().await;
    // An empty Host, as Portainer's hijacking code sends it, and two requests in one packet.
    pipelined
        .write(
            "GET /_ping HTTP/1.1\r\nHost:\r\n\r\nGET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .await;
    let both = pipelined.end().await;
    assert_eq!(both.matches("HTTP/1.1 200 OK").count(), 2, "{both}");

    for garbage in [
        "NONSENSE\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let mut raw = served.connect().await;
        raw.write(garbage).await;
        let reply = raw.end().await;
        assert!(reply.starts_with("HTTP/1.1 400"), "{garbage:?}: {reply:?}");
    }
    let mut raw = served.connect().await;
    raw.write("GET /_ping HTTP/1.1\r\nX: ").await;
    raw.write(&"y".repeat(socketd::limits::CONNECTION_BUFFER_BYTES_MAX + 1))
        .await;
    let reply = raw.end().await;
    assert!(reply.starts_with("HTTP/1.1 431"), "{reply:?}");

    // A client that left is no trouble for the next.
    drop(served.connect().await);
    let mut raw = served.connect().await;
    raw.write("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.expect("OK").await;

    let path = served.path().to_owned();
    assert!(path.exists());
    // An idle connection does not hold the end up.
    served.end().await;
    assert!(!path.exists(), "the socket's file went with the listener");
}

#[tokio::test]
async fn a_silent_connection_ends_after_its_time_and_not_before() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    for (half, time) in [("", IDLE_MAX), ("GET /_ping HTTP/1.1\r\nHos", HEAD_TIME_MAX)] {
        let mut raw = served.connect().await;
        raw.write(half).await;
        // Every task has had its turn before the clock stands still and jumps.
        tokio::task::yield_now().await;
        tokio::time::pause();
        assert!(!raw.comes_within(time / 2).await, "{half:?}");
        assert!(raw.comes_within(time).await, "{half:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let stand_in = StandIn::running();
    let served = Served::unix_limited(&stand_in, &["connections_per_user_max=2048"]).await;
    let mut inside = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut raw = served.connect().await;
        raw.write("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
        raw.expect("OK").await;
        inside.push(raw);
    }
    let mut outside = served.connect().await;
    outside.write("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::pause();
    assert!(!outside.comes_within(IDLE_MAX / 2).await);
    tokio::time::resume();
    drop(inside.pop());
    outside.expect("OK").await;
}
