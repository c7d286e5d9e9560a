//! What takes too long, and what is too long.

use bytes::Bytes;
use futures_util::stream::pending;
use tokio::time::{Duration, Instant, timeout};

use super::piping::{echo, node};
use super::{Bench, SOON, reason, until};
use crate::coordinator::tunnels::TunnelError;
use crate::limits::{ENTRY, FLEET_MESSAGE_MAX, HELLO, LAST_WORD, TUNNEL_OPENS};
use crate::node::session::Failure;
use crate::proto::from_node::Kind as Said;
use crate::proto::to_node::Kind as Told;
use crate::proto::{Change, Event, FromNode, Piece, Reason, Welcome};

#[tokio::test]
async fn a_node_that_opens_no_stream_is_late() {
    let bench = Bench::new().await;
    let mut raw = bench.node("phone").await;
    let line = bench.line(&raw).await;
    tokio::time::pause();
    let began = Instant::now();
    assert_eq!(line.dial(Bytes::new()).await.unwrap_err(), TunnelError::Late);
    let lasted = began.elapsed();
    assert!((TUNNEL_OPENS..TUNNEL_OPENS * 2).contains(&lasted), "{lasted:?}");
    assert_eq!((bench.lines.pending(), bench.lines.tunnels()), (0, 0));
    // What it opens afterwards is for nobody.
    let Some(Told::Open(open)) = raw.hear().await else {
        panic!("nothing to open");
    };
    let mut request = tonic::Request::new(pending::<Piece>());
    let id = crate::node::tunnel::hex(&open.tunnel_id);
    request.metadata_mut().insert("tunnel-id", id.parse().unwrap());
    let status = raw.client.tunnel(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn who_does_not_come_in_is_cut_off() {
    let bench = Bench::new().await;
    tokio::time::pause();
    let check = async |calls: bool, expected: Duration| {
        let (mut client, mut moving) = bench.dial().await;
        let began = Instant::now();
        let called = async {
            if calls {
                let call = client.attend(pending::<FromNode>()).await;
                // Until its end.
                let _ = call.unwrap().into_inner().message().await;
            }
        };
        tokio::join!(called, moving.join_next());
        let lasted = began.elapsed();
        // The last word is not waited for longer than that, and timers are not that fine.
        let range = expected..expected + LAST_WORD + Duration::from_secs(1);
        assert!(range.contains(&lasted), "{calls}: {lasted:?}");
        drop(client);
    };
    // HTTP/2, and nothing more; a call, and no hello.
    check(false, ENTRY).await;
    check(true, HELLO).await;
}

fn change(action: usize) -> Said {
    Said::Change(Change {
        number: 1,
        event: Some(Event {
            r#type: "network".to_owned(),
            action: "x".repeat(action),
            ..Event::default()
        }),
        ..Change::default()
    })
}

#[tokio::test]
async fn a_message_that_is_too_long_is_told_so() {
    let bench = Bench::new().await;
    let mut node = bench.node("phone").await;
    node.say(change(FLEET_MESSAGE_MAX - 100)).await;
    assert!(matches!(node.hear().await, Some(Told::Recorded(_))));
    node.say(change(FLEET_MESSAGE_MAX)).await;
    let Some(Told::Refusal(refusal)) = node.hear().await else {
        panic!("not refused");
    };
    assert_eq!(refusal.reason(), Reason::Malformed);
    assert!(refusal.message.contains("262144"), "{refusal:?}");
    assert_eq!(node.hear().await, None);
    // Before the door as well.
    let mut raw = bench.raw("tablet").await;
    raw.hello.name = "x".repeat(FLEET_MESSAGE_MAX);
    raw.say(Said::Hello(raw.hello.clone())).await;
    assert_eq!(reason(raw.hear().await), Some(Reason::Malformed));
}

#[tokio::test]
async fn so_is_one_of_the_coordinators() {
    let bench = Bench::new().await;
    let (line, attending) = node(&bench, bench.docker(echo)).await;
    let long = Welcome {
        name: "x".repeat(FLEET_MESSAGE_MAX),
        ..Welcome::default()
    };
    line.welcome(Told::Welcome(long)).await;
    let ended = timeout(SOON, attending).await.unwrap().unwrap();
    assert!(matches!(ended.failure, Failure::Broken(_)), "{ended:?}");
    until(|| bench.lines.get(line.node_id()).is_none()).await;
}
