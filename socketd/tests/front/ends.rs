//! How what runs looks to clients when socketd is asked to end: an end in order, never a reset.

use std::net::SocketAddr;

use nix::unistd::getegid;
use socketd::config::Place;
use socketd::front::Planned;
use socketd::policy::browser::Allowed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use wire::exec::ExecSpec;
use wire::{Action, Status};

use crate::attach::attach;
use crate::client::Served;
use crate::exec::{start_request, with_exec};
use crate::keys::{Caller, Files, set};
use crate::logs::with_log;
use crate::stand_in::StandIn;
use crate::stats::using;

/// Everything until the end; an error such as a reset fails.
async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut all = Vec::new();
    let whole = stream.read_to_end(&mut all);
    tokio::time::timeout(crate::stand_in::SOON, whole)
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn endless_answers_end_with_their_last_chunk() {
    let (stand_in, log) = with_log();
    log.say("a line\n");
    let served = Served::tcp(&stand_in, Allowed::default()).await;
    let mut open = Vec::new();
    for path in ["/events", "/containers/c/logs?stdout=1&follow=1"] {
        let mut stream = TcpStream::connect(served.address()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        open.push((path, stream));
    }
    served.end().await;
    for (path, mut stream) in open {
        let rest = read(&mut stream).await;
        assert!(rest.ends_with("0\r\n\r\n"), "{path}: {rest:?}");
    }
}

#[tokio::test]
async fn statistics_end_with_their_last_chunk() {
    let stand_in = using(Status::Running, u64::MAX);
    let served = Served::tcp(&stand_in, Allowed::default()).await;
    let mut stream = TcpStream::connect(served.address()).await.unwrap();
    let request = "GET /containers/c/stats HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    served.tell();
    let rest = read(&mut stream).await;
    assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
    served.end().await;
}

#[tokio::test]
async fn a_further_process_lets_its_client_go_in_order() {
    let spec = ExecSpec {
        attach_stdout: true,
        ..ExecSpec::default()
    };
    let (stand_in, ends, end) = with_exec(spec);
    let served = Served::tcp(&stand_in, Allowed::default()).await;
    let mut stream = TcpStream::connect(served.address()).await.unwrap();
    stream.write_all(start_request().as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let ends = tokio::task::spawn_blocking(move || ends.recv().unwrap())
        .await
        .unwrap();
    served.tell();
    assert_eq!(read(&mut stream).await, "");
    drop((stream, ends));
    end.send(0).unwrap();
    served.end().await;
}

#[tokio::test]
async fn streams_end_in_order_even_while_their_client_speaks() {
    let (stand_in, log) = with_log();
    let served = Served::tcp(&stand_in, Allowed::default()).await;
    let mut stream = TcpStream::connect(served.address()).await.unwrap();
    stream
        .write_all(attach("stream=1&stdout=1&stdin=1").as_bytes())
        .await
        .unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    log.say("shown\n");
    let mut shown = [0; 14];
    stream.read_exact(&mut shown).await.unwrap();
    assert_eq!(&shown[8..], b"shown\n");
    served.tell();
    let (mut reader, mut writer) = stream.split();
    // A reset would be seen by the reader.
    let speaking = async {
        for _ in 0..64 {
            if writer.write_all(&[b'x'; 4096]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let ((), rest) = tokio::join!(speaking, read(&mut reader));
    assert_eq!(rest, "");
    drop(stream);
    served.end().await;
}

#[tokio::test]
async fn tls_ends_with_its_own_word() {
    let (stand_in, log) = with_log();
    let set = set();
    let files = Files::of(&set);
    let listen = Place::Tls(SocketAddr::from(([127, 0, 0, 1], 0)), files.verify());
    let planned = Planned::of(&listen, getegid()).unwrap();
    let served = Served::planned(&planned, &stand_in, Allowed::default()).await;
    let events = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
    let mut open = Vec::new();
    for request in [events, attach("stream=1&stdout=1")] {
        let tcp = TcpStream::connect(served.address()).await.unwrap();
        let mut stream = Caller::of(&set).call(tcp).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_head(&mut stream).await;
        open.push(stream);
    }
    served.tell();
    for mut stream in open {
        // An end without it is an error of the library's: "peer closed connection without sending TLS close_notify".
        read(&mut stream).await;
    }
    served.end().await;
    log.end();
}

#[tokio::test]
async fn a_websocket_is_told() {
    let (stand_in, _log) = with_log();
    let served = Served::new(&stand_in).await;
    let mut stream = UnixStream::connect(served.path()).await.unwrap();
    let request = "GET /containers/c/attach/ws?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    served.tell();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, [0x88, 0x00], "a frame that closes, and the end");
    served.end().await;
}

#[tokio::test]
async fn who_has_asked_nothing_holds_nobody_up() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut silent = served.connect().await;
    let mut half = served.connect().await;
    half.write("GET /_ping HTT").await;
    let mut idle = served.connect().await;
    idle.write("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.expect("\r\n\r\nOK").await;
    // Every connection was accepted by now: they are in the order in which they came.
    let begun = std::time::Instant::now();
    let path = served.path().to_owned();
    served.end().await;
    assert!(
        begun.elapsed() < socketd::limits::SHUTDOWN_MAX / 2,
        "{:?}",
        begun.elapsed()
    );
    assert!(!path.exists());
    for raw in [&mut silent, &mut half, &mut idle] {
        assert_eq!(raw.part().await, "");
    }
}

#[tokio::test]
async fn a_request_that_runs_is_answered_first() {
    let stand_in = StandIn::running();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    stand_in.script(move |request, _| {
        if matches!(request, wire::Request::Info(_)) {
            wait.lock().unwrap().recv().unwrap();
        }
        crate::stand_in::Verdict::Pass
    });
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write("GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stand_in.until(|world| !world.asked.is_empty()).await;
    let path = served.path().to_owned();
    served.tell();
    while path.exists() {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    let head = raw.expect("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("connection: close"), "{head}");
    raw.expect("ApiVersion").await;
    raw.end().await;
    served.end().await;
    stand_in.happen(Action::Start, "c");
}
