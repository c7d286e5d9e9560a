//! WebSockets.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scene::{CONTAINER, NODE, PASSWORD, PATIENCE, Scene, basic, container};
use crate::limits::{MAP_BYTES, SOCKET_WRITE};
use crate::proto;

/// A WebSocket of the smallest kind.
pub(super) struct Socket(TcpStream);

impl Socket {
    pub(super) async fn open(scene: &Scene, target: &str, authorization: &str) -> Result<Self, u16> {
        let mut stream = TcpStream::connect(scene.address).await.unwrap();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        let text = String::from_utf8(seen).unwrap();
        match text.split(' ').nth(1).unwrap().parse().unwrap() {
            101 => Ok(Self(stream)),
            status => Err(status),
        }
    }

    /// Sends a short message: 1 is text, 2 binary, 8 the end.
    pub(super) async fn send(&mut self, kind: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | kind, 0x80 | u8::try_from(payload.len()).unwrap()];
        // A mask of zeros changes nothing.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next message that is no ping.
    pub(super) async fn next(&mut self) -> (u8, Vec<u8>) {
        timeout(PATIENCE, async {
            loop {
                let kind = self.0.read_u8().await.unwrap() & 0x0f;
                let length = match self.0.read_u8().await.unwrap() {
                    126 => self.0.read_u16().await.unwrap().into(),
                    127 => self.0.read_u64().await.unwrap(),
                    short => short.into(),
                };
                let mut payload = vec![0; usize::try_from(length).unwrap()];
                self.0.read_exact(&mut payload).await.unwrap();
                if kind != 9 {
                    return (kind, payload);
                }
            }
        })
        .await
        .unwrap()
    }

    pub(super) async fn json(&mut self) -> Value {
        let (kind, payload) = self.next().await;
        assert_eq!(kind, 1);
        serde_json::from_slice(&payload).unwrap()
    }
}

#[tokio::test]
async fn every_container_first_then_every_change() {
    let scene = Scene::start().await;
    let owner = basic(NODE, PASSWORD);
    let mut socket = Socket::open(&scene, "/observe-containers", &owner).await.unwrap();
    let whole = socket.json().await;
    assert_eq!(whole["node_id"], NODE);
    assert_eq!(whole["containers"][0]["id"], CONTAINER);
    assert_eq!(whole["containers"][0]["state"], "running");
    scene.happens(1, "die", "exited").await;
    let change = socket.json().await;
    assert_eq!(change["event"]["action"], "die");
    assert_eq!(change["container"]["state"], "exited");
    assert!(change["sequence"].as_u64() > whole["sequence"].as_u64());
    drop(socket);
    scene.happens(2, "start", "running").await;
    let resumed = format!("/observe-containers?after={}", change["sequence"]);
    let mut socket = Socket::open(&scene, &resumed, &owner).await.unwrap();
    assert_eq!(socket.json().await["event"]["action"], "start");
    // Numbers that are not this log's: the list comes again.
    let mut socket = Socket::open(&scene, "/observe-containers?after=99999", &owner)
        .await
        .unwrap();
    assert_eq!(socket.json().await["containers"][0]["id"], CONTAINER);
}

#[tokio::test]
async fn who_may_not_gets_no_socket() {
    let scene = Scene::start().await;
    let check = async |target: &str, authorization: &str, expected: u16| {
        let seen = Socket::open(&scene, target, authorization).await.err();
        assert_eq!(seen, Some(expected), "{target}");
    };
    let owner = basic(NODE, PASSWORD);
    check("/observe-containers", "", 401).await;
    check("/observe-containers", &basic(NODE, "wrong"), 401).await;
    check("/observe-containers?after=x", &owner, 400).await;
    check("/observe-containers?node_id=other", &owner, 404).await;
    check(&format!("/api/nodes/{NODE}/exec"), &owner, 400).await;
    check("/api/nodes/other/exec?container=web", &owner, 404).await;
    check(&format!("/api/nodes/{NODE}/exec?container=none"), &owner, 404).await;
    assert_eq!(scene.owner("GET /observe-containers").await.status, 426);
}

#[tokio::test]
async fn a_terminal() {
    let scene = Scene::start().await;
    let json = "application/json";
    scene
        .script
        .answer("POST /containers/web/exec", 201, json, r#"{"Id":"e1"}"#);
    scene
        .script
        .answer("POST /exec/e1/resize?h=50&w=120", 200, json, "");
    scene
        .script
        .answer("GET /exec/e1/json", 200, json, r#"{"ExitCode":7}"#);
    let target = format!("/api/nodes/{NODE}/exec?container=web&cmd=sh&cmd=-l");
    let mut socket = Socket::open(&scene, &target, &basic(NODE, PASSWORD))
        .await
        .unwrap();
    socket.send(2, b"ls").await;
    assert_eq!(socket.next().await, (2, b"LS".to_vec()));
    socket.send(1, br#"{"resize":{"cols":120,"rows":50}}"#).await;
    socket.send(2, b"exit").await;
    let mut shown = Vec::new();
    let close = loop {
        match socket.next().await {
            (2, bytes) => shown.extend(bytes),
            (kind, payload) => break (kind, payload),
        }
    };
    assert_eq!(shown, b"EXITbye");
    assert_eq!(
        close,
        (8, [&1000_u16.to_be_bytes()[..], br#"{"exit_code":7}"#].concat())
    );
    let asked = scene.script.asked();
    assert!(
        asked[0].contains(r#""Cmd":["sh","-l"]"#) && asked[0].contains(r#""Tty":true"#),
        "{asked:?}"
    );
    assert_eq!(asked[2], "POST /exec/e1/resize?h=50&w=120");
    let mut socket = Socket::open(&scene, &target, &basic(NODE, PASSWORD))
        .await
        .unwrap();
    socket.send(1, b"nonsense").await;
    let (kind, payload) = socket.next().await;
    assert_eq!((kind, &payload[..2]), (8, &1007_u16.to_be_bytes()[..]));
}

/// Changes that a reader who does not read is told of, which no buffer on the way has room for.
const MANY: usize = 1000;

#[tokio::test]
async fn an_observer_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let scene = Scene::start().await;
    let owner = basic(NODE, PASSWORD);
    let open = || Socket::open(&scene, "/observe-containers", &owner);
    let (mut idle, mut reader) = (open().await.unwrap(), open().await.unwrap());
    let reading = tokio::spawn(async move {
        reader.json().await;
        for _ in 0..MANY {
            reader.json().await;
        }
        reader
    });
    for first in (0..MANY).step_by(100) {
        let changes = (first..first + 100).map(|number| {
            let mut found = container("running");
            found.labels = [("a".to_owned(), "x".repeat(MAP_BYTES - 1))].into();
            proto::Change {
                number: number as u64,
                event: Some(proto::Event {
                    time_nano: number as i64,
                    r#type: "container".to_owned(),
                    actor_id: CONTAINER.to_owned(),
                    ..proto::Event::default()
                }),
                container: Some(found),
                is_gone: false,
            }
        });
        scene.state.ingest(NODE, changes.collect()).await.unwrap();
    }
    // Whoever reads has all of them, whoever else does not.
    let _reader = timeout(PATIENCE, reading).await.unwrap().unwrap();
    tokio::time::pause();
    // Time passes at once where nobody has anything to do.
    let passed = timeout(SOCKET_WRITE * 2, std::future::pending::<()>()).await;
    assert!(passed.is_err());
    let mut rest = Vec::new();
    // To its end, or where it breaks off.
    let _ = idle.0.read_to_end(&mut rest).await;
    assert!(rest.len() < MANY * MAP_BYTES, "{}", rest.len());
}
