//! Answers that take their time: waits and stops.

use axum::http::StatusCode;
use wire::request::{Nothing, WaitCondition};
use wire::{Opcode, RefusalCode, Request, Response};

use crate::client::{Served, ask, entry};
use crate::stand_in::{StandIn, Verdict, refuse};

const WAIT: &str =
    "POST /containers/c/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn a_wait_sends_its_head_at_once_and_its_body_at_the_end() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(WAIT).await;
    let head = raw.expect("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(raw.seen.is_empty(), "{}", raw.seen);
    stand_in.world(|world| world.exited = true);
    raw.expect("\"StatusCode\":7").await;
    // The connection is good for more.
    raw.expect("0\r\n\r\n").await;
    raw.write("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.expect("OK").await;
    let conditions = stand_in.world(|world| match world.asked.as_slice() {
        [Request::Wait(wait)] => wait.condition,
        other => panic!("{other:?}"),
    });
    assert_eq!(conditions, WaitCondition::NextExit);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_wait_at_the_bridge() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(WAIT).await;
    raw.expect("\r\n\r\n").await;
    drop(raw);
    stand_in.until(|world| world.waits_abandoned == 1).await;
}

#[tokio::test]
async fn a_wait_breaks_off_with_the_bridge_or_with_us() {
    let mut stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(WAIT).await;
    raw.expect("\r\n\r\n").await;
    stand_in.down();
    assert_eq!(raw.end().await, "", "neither a body nor an orderly end");
    stand_in.up();
    let mut raw = served.connect().await;
    raw.write(WAIT).await;
    raw.expect("\r\n\r\n").await;
    served.end().await;
    assert_eq!(raw.end().await, "");
}

#[tokio::test]
async fn a_wait_that_is_refused_is_an_error_with_its_status() {
    let stand_in = StandIn::running();
    stand_in.script(|request, peer| match request {
        Request::Wait(wait) => {
            peer.answer(&refuse(RefusalCode::NoSuchContainer, &wait.reference));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "POST", "/containers/nosuch/wait").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.message(), "No such container: nosuch");
}

#[tokio::test]
async fn a_stop_may_take_as_long_as_it_was_given() {
    let stand_in = StandIn::running();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    stand_in.script(move |request, peer| match request {
        Request::Stop(_) => {
            gate.lock().unwrap().recv().unwrap();
            peer.answer(&Response::Done(Nothing {}));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let mut stopping = Box::pin(ask(&entry, "POST", "/containers/c/stop?t=300&signal=SIGINT"));
    tokio::select! {
        reply = &mut stopping => panic!("{reply:?}"),
        () = stand_in.until(|world| !world.asked.is_empty()) => {}
    }
    // Other orders are not held up by it.
    assert_eq!(
        ask(&entry, "POST", "/containers/d/start").await.status,
        StatusCode::NO_CONTENT
    );
    go.send(()).unwrap();
    assert_eq!(stopping.await.status, StatusCode::NO_CONTENT);
    stand_in.world(|world| match &world.asked[0] {
        Request::Stop(stop) => assert_eq!((stop.timeout_s, stop.signal), (Some(300), 2)),
        other => panic!("{other:?}"),
    });
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_stop_at_the_bridge() {
    let stand_in = StandIn::running();
    let (left, heard) = std::sync::mpsc::channel::<()>();
    stand_in.script(move |request, peer| match request {
        Request::Stop(_) => {
            peer.wait_for_end();
            left.send(()).unwrap();
            Verdict::Close
        }
        _ => Verdict::Pass,
    });
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write("POST /containers/c/stop HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    stand_in
        .until(|world| world.asked.iter().any(|asked| asked.opcode() == Opcode::Stop))
        .await;
    drop(raw);
    tokio::task::spawn_blocking(move || heard.recv_timeout(crate::stand_in::SOON).unwrap())
        .await
        .unwrap();
}
