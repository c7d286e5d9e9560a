//! Attachments: taken-over connections, input, keys that let go, websockets.

use std::io::Read;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, channel};

use axum::http::StatusCode;
use wire::files::Input;
use wire::log::Stream::{Error, Output};
use wire::spec::Process;
use wire::{Opcode, RefusalCode, Request, Response};

use crate::client::{Served, ask, ask_bytes, entry, frames};
use crate::logs::with_log;
use crate::stand_in::{FakeLog, SOON, StandIn, Verdict, refuse};

pub(crate) fn attach(query: &str) -> String {
    // As some clients write it by hand, with a host that is empty.
    format!(
        "POST /containers/c/attach?{query} HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
}

/// A container that reads: what it read to its end arrives here.
pub(crate) fn with_input(stand_in: &StandIn, log: &std::sync::Arc<FakeLog>, tty: bool) -> Receiver<Vec<u8>> {
    let process = Process {
        open_stdin: true,
        tty,
        ..Process::default()
    };
    stand_in.world(|world| world.process = process);
    if tty {
        log.set_tty();
    }
    let (told, heard) = channel();
    let log = std::sync::Arc::clone(log);
    stand_in.script(move |request, peer| {
        if !matches!(request, Request::OpenInput(_)) {
            return log.answer(request, peer);
        }
        if !log.is_running() {
            peer.answer(&refuse(RefusalCode::NotRunning, "c"));
            return Verdict::Answered;
        }
        let (end, way) = nix::unistd::pipe().unwrap();
        peer.answer_with(&Response::Input(Input { terminal: false }), &[way.as_fd()]);
        drop(way);
        let told = told.clone();
        std::thread::spawn(move || {
            let mut all = Vec::new();
            std::fs::File::from(end).read_to_end(&mut all).unwrap();
            let _ = told.send(all);
        });
        Verdict::Answered
    });
    heard
}

pub(crate) async fn heard(input: Receiver<Vec<u8>>) -> Vec<u8> {
    tokio::task::spawn_blocking(move || input.recv_timeout(SOON).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_head_is_exact_and_the_stream_follows_it() {
    let (stand_in, log) = with_log();
    log.write(Output, b"before\n");
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdout=1&stderr=1")).await;
    let head = raw.expect("\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 upgraded\r\n"), "{head}");
    for line in [
        "connection: upgrade\r\n",
        "upgrade: tcp\r\n",
        "content-type: application/vnd.docker.multiplexed-stream\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    log.say("now\n");
    log.write(Error, b"oops\n");
    log.end();
    let rest = raw.end().await;
    assert_eq!(
        frames(rest.as_bytes()),
        [(1, b"now\n".to_vec()), (2, b"oops\n".to_vec())]
    );
}

#[tokio::test]
async fn what_was_written_before_comes_first_where_it_is_asked() {
    let (stand_in, log) = with_log();
    log.write(Output, b"before\n");
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&logs=1&stdout=1")).await;
    raw.expect("before\n").await;
    log.say("now\n");
    raw.expect("now\n").await;
    // Several at once.
    let mut other = served.connect().await;
    other.write(&attach("logs=1&stdout=1")).await;
    other.expect("now\n").await;
    assert_eq!(other.end().await, "");
    assert_eq!(stand_in.count(Opcode::Attach), 1);
}

#[tokio::test]
async fn a_client_that_does_not_upgrade_can_only_read() {
    let (stand_in, log) = with_log();
    log.write(Output, b"one\n");
    let (entry, _teller) = entry(&stand_in);
    let caller = crate::client::trusted();
    let path = "/containers/c/attach?logs=1&stdout=1";
    let reply = entry.answer(
        &caller,
        crate::client::request("POST", path, axum::body::Body::empty()),
    );
    let reply = reply.await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(
        reply.headers()["content-type"],
        "application/vnd.docker.raw-stream"
    );
    for (path, status, message) in [
        ("/containers/nosuch/attach", 404, "No such container: nosuch"),
        (
            "/containers/c/attach?detachKeys=zz",
            400,
            "Invalid detach keys (zz) provided",
        ),
        (
            "/containers/nosuch/resize?h=1&w=1",
            404,
            "No such container: nosuch",
        ),
        (
            "/containers/c/resize?h=1&w=x",
            400,
            "strconv.Atoi: parsing \"x\": invalid syntax",
        ),
    ] {
        stand_in.script(move |request, peer| match request {
            Request::Resize(_) => {
                peer.answer(&refuse(RefusalCode::NoSuchContainer, "nosuch"));
                Verdict::Answered
            }
            _ => Verdict::Pass,
        });
        let reply = ask(&entry, "POST", path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.message().as_str()),
            (status, message)
        );
    }
}

#[tokio::test]
async fn an_attachment_before_the_start_sees_and_writes_everything() {
    let (stand_in, log) = with_log();
    log.set_running(false);
    let input = with_input(&stand_in, &log, false);
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdin=1&stdout=1&stderr=1")).await;
    raw.expect("\r\n\r\n").await;
    raw.write("early\n").await;
    stand_in
        .until(|world| {
            world
                .asked
                .iter()
                .any(|asked| asked.opcode() == Opcode::OpenInput)
        })
        .await;
    log.set_running(true);
    log.ring();
    log.say("started\n");
    raw.expect("started\n").await;
    raw.write("late\n").await;
    raw.end_writing().await;
    assert_eq!(heard(input).await, b"early\nlate\n");
    // Its output goes on after its input has ended.
    log.say("on\n");
    raw.expect("on\n").await;
    log.end();
    assert_eq!(raw.end().await, "");
}

#[tokio::test]
async fn keys_let_go_of_a_terminal_and_nothing_more_is_shown() {
    let (stand_in, log) = with_log();
    let input = with_input(&stand_in, &log, true);
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdin=1&stdout=1")).await;
    let head = raw.expect("\r\n\r\n").await.to_lowercase();
    assert!(
        head.contains("content-type: application/vnd.docker.raw-stream\r\n"),
        "{head}"
    );
    log.say("prompt> ");
    raw.expect("prompt> ").await;
    raw.write("ls\x10x").await;
    raw.write("\x10\x11never").await;
    assert_eq!(raw.end().await, "");
    assert_eq!(heard(input).await, b"ls\x10x");
}

#[tokio::test]
async fn a_terminal_s_client_that_leaves_ends_its_attachment() {
    let (stand_in, log) = with_log();
    let input = with_input(&stand_in, &log, true);
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdin=1&stdout=1&detachKeys=ctrl-a"))
        .await;
    raw.expect("\r\n\r\n").await;
    raw.write("a\x10\x11").await;
    raw.end_writing().await;
    assert_eq!(raw.end().await, "");
    assert_eq!(heard(input).await, b"a\x10\x11");
}

#[tokio::test]
async fn a_websocket_carries_both_directions_without_frames() {
    let (stand_in, log) = with_log();
    let input = with_input(&stand_in, &log, false);
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(
        "GET /containers/c/attach/ws?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    let head = raw.expect("\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head}"
    );
    log.write(Error, b"oops\n");
    log.say("hello\n");
    raw.expect("\u{fffd}\u{b}oops\nhello\n").await;
    // A masked binary message, its mask zero.
    raw.write_bytes(b"\x82\x83\0\0\0\0in\n").await;
    raw.write_bytes(b"\x88\x80\0\0\0\0").await;
    assert_eq!(heard(input).await, b"in\n");
}

#[tokio::test]
async fn a_websocket_without_its_handshake_is_refused() {
    let (stand_in, _log) = with_log();
    let (entry, _teller) = entry(&stand_in);
    let (status, ..) = ask_bytes(&entry, "/containers/c/attach/ws?stream=1").await;
    assert!(status.is_client_error(), "{status}");
}
