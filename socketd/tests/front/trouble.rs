//! A bridge that is down, breaks, stalls, lies or refuses.

use axum::http::StatusCode;
use wire::{Flow, HEADER_BYTES, Header, Opcode, RefusalCode, Request};

use crate::client::{ask, entry};
use crate::stand_in::{StandIn, Verdict, refuse, summary};

#[tokio::test]
async fn down_is_503_at_once_and_back_as_soon_as_it_returns() {
    let mut stand_in = StandIn::new();
    let (entry, _teller) = entry(&stand_in);
    let paths = [
        ("GET", "/info"),
        ("GET", "/version"),
        ("GET", "/containers/json?all=1"),
        ("GET", "/containers/c/json"),
        ("POST", "/containers/c/start"),
        ("POST", "/containers/c/stop"),
        ("POST", "/containers/c/wait"),
        ("DELETE", "/containers/c"),
        ("GET", "/images/json"),
        ("GET", "/networks"),
        ("GET", "/system/df"),
        ("POST", "/images/create?fromSrc=-&repo=a"),
    ];
    for round in 0..2 {
        for (method, path) in paths {
            let reply = ask(&entry, method, path).await;
            assert_eq!(
                reply.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "{round} {method} {path}"
            );
            assert!(reply.message().contains("socketd-bridge"), "{}", reply.body);
        }
        stand_in.up();
        stand_in.world(|world| {
            world.containers = vec![summary(1, "c")];
            world.exited = true;
        });
        for (method, path) in paths {
            let reply = ask(&entry, method, path).await;
            assert!(
                reply.status.is_success(),
                "{round} {method} {path}: {}",
                reply.body
            );
        }
        stand_in.down();
    }
}

#[tokio::test]
async fn a_connection_that_broke_while_idle_costs_nobody_a_request() {
    let mut stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    for _ in 0..3 {
        assert_eq!(ask(&entry, "GET", "/version").await.status, StatusCode::OK);
        assert_eq!(
            ask(&entry, "POST", "/containers/c/start").await.status,
            StatusCode::NO_CONTENT
        );
        stand_in.down();
        stand_in.up();
    }
    assert_eq!(stand_in.count(Opcode::Start), 3, "no order went twice");
}

/// A connection is used once, so that the next call finds an idle one; that one then breaks in
/// the call.
async fn break_in_second_call(broken: Opcode, method: &str, path: &str) -> (StatusCode, usize) {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.containers = vec![summary(1, "c")]);
    let (entry, _teller) = entry(&stand_in);
    assert!(ask(&entry, method, path).await.status.is_success());
    let once = std::sync::atomic::AtomicBool::new(true);
    stand_in.script(move |request, _| {
        if request.opcode() == broken && once.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return Verdict::Close;
        }
        Verdict::Pass
    });
    let reply = ask(&entry, method, path).await;
    (reply.status, stand_in.count(broken))
}

#[tokio::test]
async fn a_question_is_asked_again_an_order_never() {
    let asked = break_in_second_call(Opcode::InspectContainer, "GET", "/containers/c/json").await;
    assert_eq!(asked, (StatusCode::OK, 3));
    let asked = break_in_second_call(Opcode::ListContainers, "GET", "/containers/json?all=1").await;
    assert_eq!(asked, (StatusCode::OK, 3));
    let ordered = break_in_second_call(Opcode::Start, "POST", "/containers/c/start").await;
    assert_eq!(ordered, (StatusCode::SERVICE_UNAVAILABLE, 2));
    let ordered = break_in_second_call(Opcode::Remove, "DELETE", "/containers/c").await;
    assert_eq!(ordered, (StatusCode::SERVICE_UNAVAILABLE, 2));
}

/// The stand-in answers INFO with these bytes and hangs up or not.
async fn check_bytes(bytes: Vec<u8>, close: bool, expected: StatusCode) {
    let stand_in = StandIn::running();
    let shown = format!("{bytes:?}");
    stand_in.script(move |request, peer| match request {
        Request::Info(_) => {
            peer.raw(&bytes);
            if close { Verdict::Close } else { Verdict::Answered }
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    let reply = ask(&entry, "GET", "/version").await;
    assert_eq!(reply.status, expected, "{shown}: {}", reply.body);
    assert!(!reply.message().is_empty());
    stand_in.unscript();
    assert_eq!(
        ask(&entry, "GET", "/version").await.status,
        StatusCode::OK,
        "{shown}"
    );
}

fn header(kind: u16, length: u32) -> Vec<u8> {
    let flow = Flow::Last;
    Header { kind, flow, length }.to_bytes().to_vec()
}

#[tokio::test]
async fn bytes_that_are_no_answer() {
    const INFO: u16 = 0x8003;
    let bad = StatusCode::BAD_GATEWAY;
    check_bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), false, bad).await;
    let mut version = header(INFO, 0);
    version[4] = 9;
    check_bytes(version, false, bad).await;
    let mut flags = header(INFO, 0);
    flags[5] = 0xff;
    check_bytes(flags, false, bad).await;
    check_bytes(header(INFO, u32::MAX), false, bad).await;
    check_bytes(header(0x1234, 0), false, bad).await;
    check_bytes(header(INFO, 0), false, bad).await;
    let mut trailing = header(INFO, 3);
    trailing.extend_from_slice(&[0, 0, 0]);
    check_bytes(trailing, false, bad).await;
    // A valid answer to another question.
    let mut pong = header(0x8001, 2);
    pong.extend_from_slice(&[0, 0]);
    check_bytes(pong, false, bad).await;
    // Broken off at every length of the header and inside the payload.
    for length in 0..HEADER_BYTES {
        check_bytes(
            header(INFO, 100)[..length].to_vec(),
            true,
            StatusCode::SERVICE_UNAVAILABLE,
        )
        .await;
    }
    let mut half = header(INFO, 100);
    half.extend_from_slice(&[0; 50]);
    check_bytes(half, true, StatusCode::SERVICE_UNAVAILABLE).await;
}

#[tokio::test]
async fn a_bridge_that_stalls_is_not_waited_for_for_ever() {
    let stand_in = StandIn::running();
    stand_in.script(|_, peer| {
        peer.wait_for_end();
        Verdict::Close
    });
    let (entry, _teller) = entry(&stand_in);
    let caller = crate::client::trusted();
    for (method, path) in [
        ("GET", "/version"),
        ("GET", "/containers/json?all=1"),
        ("POST", "/containers/c/start"),
        ("POST", "/containers/c/stop?t=1"),
        ("POST", "/containers/c/wait"),
        ("GET", "/events"),
    ] {
        let before = stand_in.world(|world| world.asked.len());
        let answered = entry.answer(&caller, crate::client::request(method, path, ""));
        tokio::pin!(answered);
        tokio::select! {
            reply = &mut answered => panic!("{path}: {reply:?}"),
            () = stand_in.until(|world| world.asked.len() > before) => {}
        }
        // Nothing but the deadline is left to happen, so the clock jumps to it.
        tokio::time::pause();
        let reply = answered.await;
        tokio::time::resume();
        assert_eq!(reply.status(), StatusCode::GATEWAY_TIMEOUT, "{path}");
    }
}

#[tokio::test]
async fn refusals_keep_the_connection() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    for _ in 0..3 {
        let reply = ask(&entry, "GET", "/containers/nosuch/json").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert_eq!(reply.message(), "No such container: nosuch");
    }
    let reply = ask(&entry, "GET", "/containers/a%2Fb/json").await;
    assert_eq!(reply.message(), "No such container: a/b");
}

#[tokio::test]
async fn nothing_to_do_is_304_without_a_body() {
    let stand_in = StandIn::running();
    stand_in.script(|request, peer| match request {
        Request::Start(_) => {
            peer.answer(&refuse(RefusalCode::AlreadyRunning, "x"));
            Verdict::Answered
        }
        Request::Stop(_) => {
            peer.answer(&refuse(RefusalCode::NotRunning, "x"));
            Verdict::Answered
        }
        _ => Verdict::Pass,
    });
    let (entry, _teller) = entry(&stand_in);
    for path in ["/containers/c/start", "/containers/c/stop"] {
        let reply = ask(&entry, "POST", path).await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (StatusCode::NOT_MODIFIED, ""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_name_of_any_length_is_the_bridges_affair() {
    let stand_in = StandIn::running();
    let (entry, _teller) = entry(&stand_in);
    let path = format!("/containers/{}/json", "x".repeat(60_000));
    assert_eq!(ask(&entry, "GET", &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stand_in.count(Opcode::InspectContainer), 1);
}
