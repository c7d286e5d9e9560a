//! Streams of bytes to Docker's socket.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Bench, SOON, until};
use crate::coordinator::tunnels::{Line, TunnelError, TunnelStream};
use crate::docker::{Address, Docker};
use crate::limits::{FIRST_MAX, PIECE_MAX, PIPE_MAX, STREAM_WINDOW, TUNNELS_PER_NODE};
use crate::node::session::{Ended, Visitor};
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{Piece, TunnelFailed};

/// What a real node does, with a Docker socket at this path.
pub(super) async fn node(bench: &Bench, path: std::path::PathBuf) -> (Line, JoinHandle<Ended>) {
    let token = bench.token("phone").await;
    let identity = bench.identity("phone");
    let hello = crate::node::hello(&identity, None).unwrap();
    let id = hello.node_id.clone();
    let visitor = Visitor {
        identity: identity.into(),
        docker: Docker::new(Address::Unix(path)),
        hello,
        token: Some(token.parse().unwrap()),
    };
    let (client, moving) = bench.dial().await;
    let attending = tokio::spawn(async move {
        let _moving = moving;
        visitor.attend(client).await
    });
    until(|| bench.lines.get(&id).is_some()).await;
    (bench.lines.get(&id).unwrap(), attending)
}

/// Says what it hears, and ends when that ends. What speaks HTTP is none of a tunnel's here, and is let go.
pub(super) async fn echo(mut stream: UnixStream) {
    let mut first = [0];
    if stream.read_exact(&mut first).await.is_err() || first == *b"G" {
        return;
    }
    let (mut from, mut to) = stream.split();
    let _ = to.write_all(&first).await;
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// Hears nothing.
async fn stall(stream: UnixStream) {
    let mut first = [0];
    let _ = stream.peek_byte(&mut first).await;
    if first == *b"e" {
        echo(stream).await;
    } else {
        std::future::pending::<()>().await;
    }
}

/// Looks at what comes without taking it.
trait PeekByte {
    async fn peek_byte(&self, byte: &mut [u8; 1]) -> std::io::Result<()>;
}

impl PeekByte for UnixStream {
    async fn peek_byte(&self, byte: &mut [u8; 1]) -> std::io::Result<()> {
        use rustix::net::{RecvFlags, recv};
        self.readable().await?;
        recv(self, &mut byte[..], RecvFlags::PEEK)
            .map(drop)
            .map_err(Into::into)
    }
}

async fn whole(mut stream: TunnelStream) -> Vec<u8> {
    let mut all = Vec::new();
    timeout(SOON, stream.read_to_end(&mut all))
        .await
        .unwrap()
        .unwrap();
    all
}

#[tokio::test]
async fn bytes_and_half_closes() {
    let bench = Bench::new().await;
    let (line, _node) = node(&bench, bench.docker(echo)).await;
    let check = async |first: usize, then: usize| {
        let all: Vec<u8> = (0..first + then).map(|at| (at % 251) as u8).collect();
        let first = Bytes::copy_from_slice(&all[..first]);
        let mut stream = line.dial(first.clone()).await.unwrap();
        let (rest, length) = (all[first.len()..].to_vec(), first.len());
        let (mut from, mut to) = tokio::io::split(stream);
        let writing = tokio::spawn(async move {
            to.write_all(&rest).await.unwrap();
            to.shutdown().await.unwrap();
            to
        });
        let mut heard = Vec::new();
        timeout(SOON, from.read_to_end(&mut heard))
            .await
            .unwrap()
            .unwrap();
        assert!(heard == all, "{length} and {then}");
        stream = from.unsplit(writing.await.unwrap());
        // After an end there is nothing.
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(stream.write_all(b"x").await.is_err());
    };
    check(1, 0).await;
    check(FIRST_MAX, 1).await;
    check(FIRST_MAX + 1, 0).await;
    check(0, PIECE_MAX * 3 + 1).await;
    check(5, 4 << 20).await;
    until(|| bench.lines.tunnels() == 0 && bench.lines.pending() == 0).await;
}

#[tokio::test]
async fn docker_that_is_not_there() {
    let bench = Bench::new().await;
    let (line, _node) = node(&bench, "/nowhere/docker.sock".into()).await;
    match line.dial(Bytes::new()).await.unwrap_err() {
        TunnelError::Refused(text) => assert!(text.contains("/nowhere/docker.sock"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert_eq!((bench.lines.pending(), bench.lines.tunnels()), (0, 0));
}

#[tokio::test]
async fn letting_go_lets_go_at_the_other_end() {
    let bench = Bench::new().await;
    let (ends, mut ended) = tokio::sync::mpsc::channel(8);
    let path = bench.docker(move |mut stream| {
        let ends = ends.clone();
        async move {
            let mut first = [0];
            if stream.read_exact(&mut first).await.is_ok() && first == *b"x" {
                let _ = stream.write_all(b"y").await;
                let rest = stream.read(&mut first).await;
                let _ = ends.send(matches!(rest, Ok(0) | Err(_))).await;
            }
        }
    });
    let (line, _node) = node(&bench, path).await;
    let check = async |is_half_closed: bool| {
        let mut stream = line.dial(Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'y');
        if is_half_closed {
            stream.shutdown().await.unwrap();
        }
        drop(stream);
    };
    for is_half_closed in [false, true] {
        check(is_half_closed).await;
        let is_gone = timeout(SOON, ended.recv()).await.unwrap();
        assert_eq!(is_gone, Some(true), "{is_half_closed}");
    }
    until(|| bench.lines.tunnels() == 0).await;
}

#[tokio::test]
async fn a_stalled_one_stops_itself_alone() {
    let bench = Bench::new().await;
    let (line, _node) = node(&bench, bench.docker(stall)).await;
    let mut stalled = Vec::new();
    let piece = vec![b's'; PIECE_MAX];
    for _ in 0..TUNNELS_PER_NODE - 1 {
        let mut stream = line.dial(Bytes::from_static(b"s")).await.unwrap();
        let mut sent = 0;
        while let Ok(written) = timeout(Duration::from_millis(20), stream.write(&piece)).await {
            sent += written.unwrap();
            tokio::task::yield_now().await;
        }
        // Two pipes, HTTP/2's window, its buffer, a node's piece, and what a unix socket has.
        let bound = 3 * PIPE_MAX + usize::try_from(STREAM_WINDOW).unwrap() + PIECE_MAX + (512 << 10);
        assert!((PIPE_MAX..bound).contains(&sent), "{sent} bytes went nowhere");
        stalled.push(stream);
    }
    let mut stream = line.dial(Bytes::from_static(b"e")).await.unwrap();
    assert_eq!(line.dial(Bytes::new()).await.unwrap_err(), TunnelError::Full);
    let all = vec![b'e'; 1 << 20];
    let (mut from, mut to) = tokio::io::split(stream);
    let sending = all.clone();
    let writing = tokio::spawn(async move {
        to.write_all(&sending).await.unwrap();
        to.shutdown().await.unwrap();
        to
    });
    let mut heard = Vec::new();
    timeout(SOON, from.read_to_end(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(heard.len(), all.len() + 1);
    stream = from.unsplit(writing.await.unwrap());
    drop((stream, stalled));
    until(|| bench.lines.tunnels() == 0).await;
    let mut again = line.dial(Bytes::from_static(b"e")).await.unwrap();
    again.shutdown().await.unwrap();
    assert_eq!(whole(again).await, b"e");
}

#[tokio::test]
async fn a_node_that_vanishes_fails_everybody_at_once() {
    let bench = Bench::new().await;
    let (line, attending) = node(&bench, bench.docker(echo)).await;
    let mut stream = line.dial(Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    attending.abort();
    assert!(timeout(SOON, stream.read(&mut [0; 8])).await.unwrap().is_err());
    timeout(SOON, line.closed()).await.unwrap();
    assert_eq!(
        line.dial(Bytes::new()).await.unwrap_err(),
        TunnelError::NotConnected
    );
    assert!(line.sample(SOON).await.is_none());
    drop(stream);
    until(|| bench.lines.tunnels() == 0).await;
    assert_eq!(bench.lines.pending(), 0);
}

#[tokio::test]
async fn nobody_is_left_waiting() {
    let bench = Bench::new().await;
    let mut raw = bench.node("phone").await;
    let line = bench.line(&raw).await;
    let mut open = async || match raw.hear().await {
        Some(Told::Open(open)) => open,
        other => panic!("{other:?}"),
    };
    // Whoever asked lets go before there is an answer; the answer comes nevertheless.
    let mut asking = Box::pin(line.dial(Bytes::from_static(b"hello")));
    assert!(asking.as_mut().now_or_never().is_none());
    assert_eq!((bench.lines.pending(), bench.lines.tunnels()), (1, 1));
    let opened = open().await;
    assert_eq!(&*opened.first, b"hello");
    drop(asking);
    assert_eq!((bench.lines.pending(), bench.lines.tunnels()), (0, 0));
    // As many as there may be wait; one more is told so.
    let mut waiting: Vec<_> = (0..TUNNELS_PER_NODE)
        .map(|_| Box::pin(line.dial(Bytes::new())))
        .collect();
    for asking in &mut waiting {
        assert!(asking.as_mut().now_or_never().is_none());
    }
    assert_eq!(line.dial(Bytes::new()).await.unwrap_err(), TunnelError::Full);
    assert_eq!(bench.lines.pending(), TUNNELS_PER_NODE);
    let failed = TunnelFailed {
        tunnel_id: open().await.tunnel_id,
        message: "no".repeat(5000),
    };
    raw.say(Said::TunnelFailed(failed)).await;
    match waiting.remove(0).await.unwrap_err() {
        TunnelError::Refused(text) => assert_eq!(text.len(), 1024),
        other => panic!("{other:?}"),
    }
    // The node goes while everybody waits.
    drop(raw);
    for asking in waiting {
        assert_eq!(
            timeout(SOON, asking).await.unwrap().unwrap_err(),
            TunnelError::NotConnected
        );
    }
    assert_eq!((bench.lines.pending(), bench.lines.tunnels()), (0, 0));
}

#[tokio::test]
async fn streams_that_nobody_asked_for() {
    let bench = Bench::new().await;
    let mut raw = bench.node("phone").await;
    let mut thief = bench.node("thief").await;
    let line = bench.line(&raw).await;
    let call = async |client: &mut crate::proto::fleet_client::FleetClient<_>, id: &str| {
        let mut request = tonic::Request::new(futures_util::stream::pending::<Piece>());
        if !id.is_empty() {
            request.metadata_mut().insert("tunnel-id", id.parse().unwrap());
        }
        let called = timeout(SOON, client.tunnel(request)).await.unwrap();
        called.map(drop).map_err(|status| status.code())
    };
    let invalid = Err(tonic::Code::InvalidArgument);
    assert_eq!(call(&mut raw.client, "").await, invalid);
    assert_eq!(call(&mut raw.client, "xyz").await, invalid);
    assert_eq!(call(&mut raw.client, &"g".repeat(32)).await, invalid);
    assert_eq!(
        call(&mut raw.client, &"ab".repeat(16)).await,
        Err(tonic::Code::NotFound)
    );
    // Before it says who it is, nobody gets a stream.
    let (mut stranger, _moving) = bench.dial().await;
    assert_eq!(
        call(&mut stranger, &"ab".repeat(16)).await,
        Err(tonic::Code::Unauthenticated)
    );
    let mut asking = Box::pin(line.dial(Bytes::new()));
    assert!(asking.as_mut().now_or_never().is_none());
    let Some(Told::Open(open)) = raw.hear().await else {
        panic!("nothing to open");
    };
    let id = crate::node::tunnel::hex(&open.tunnel_id);
    // Another node's, even where it knows the number.
    assert_eq!(call(&mut thief.client, &id).await, Err(tonic::Code::NotFound));
    assert!(asking.as_mut().now_or_never().is_none());
    assert_eq!(call(&mut raw.client, &id).await, Ok(()));
    let stream = asking.await.unwrap();
    assert_eq!(call(&mut raw.client, &id).await, Err(tonic::Code::NotFound));
    drop(stream);
}
