//! What one client may have and how long it may take, so that the others are served.

use std::net::SocketAddr;
use std::time::Duration;

use nix::unistd::getegid;
use socketd::config::Place;
use socketd::front::Planned;
use socketd::limits::{
    CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, HEAD_LINES_MAX, HEAD_TIME_MAX, IDLE_MAX,
};
use socketd::policy::browser::Allowed;
use tokio::net::{TcpSocket, TcpStream};

use crate::attach::attach;
use crate::client::{Raw, Served};
use crate::keys::{Caller, Files, set};
use crate::logs::with_log;
use crate::stand_in::{SOON, StandIn};

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// From this address of the loopback network.
async fn from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

async fn ping(raw: &mut Raw) {
    raw.write(PING).await;
    raw.expect("\r\n\r\nOK").await;
}

/// Whether anything comes within so much of a clock that stands still and jumps.
async fn comes_within(raw: &mut Raw, time: Duration) -> bool {
    // The front has read what was written before.
    tokio::task::yield_now().await;
    tokio::time::pause();
    let comes = raw.comes_within(time).await;
    tokio::time::resume();
    comes
}

/// What a connection hears that is one too many.
async fn refused(raw: Raw) -> String {
    let answer = raw.end().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    value["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_slowloris_takes_nothing_from_others_and_goes_when_its_time_is_over() {
    let stand_in = StandIn::running();
    let served = Served::tcp_limited(&stand_in, &[]).await;
    let address = served.address();
    let mut inside = Vec::new();
    for number in 0..2000 {
        let mut raw = Raw::over(from("127.0.0.1", address).await);
        if number >= CONNECTIONS_PER_ADDRESS_MAX {
            let sentence = refused(raw).await;
            assert!(sentence.starts_with("too many connections"), "{sentence}");
            continue;
        }
        raw.write("GET /_ping HTTP/1.1\r\nHos").await;
        inside.push(raw);
    }
    let mut honest = Raw::over(from("127.0.0.2", address).await);
    ping(&mut honest).await;
    // Each says a little more from time to time, as the attack goes; that gains it nothing.
    tokio::time::pause();
    let one = inside.pop().unwrap();
    tokio::time::advance(HEAD_TIME_MAX / 2).await;
    for raw in &mut inside {
        raw.write("t").await;
    }
    for mut raw in inside {
        assert!(raw.comes_within(HEAD_TIME_MAX).await);
    }
    assert_eq!(one.end().await, "", "cut, without an answer");
    tokio::time::resume();
    let mut same = Raw::over(from("127.0.0.1", address).await);
    ping(&mut same).await;
    // The honest one was not asked to hurry.
    ping(&mut honest).await;
}

#[tokio::test]
async fn a_later_head_has_its_time_too_and_a_body_has_not() {
    let stand_in = StandIn::running();
    let served = Served::tcp_limited(&stand_in, &["head_seconds_max=5"]).await;
    let time = Duration::from_secs(5);
    let mut raw = served.connect().await;
    ping(&mut raw).await;
    // Between two requests there is no head.
    assert!(!comes_within(&mut raw, IDLE_MAX - time).await);
    let body = "{\"Names\":[]}";
    let head = format!(
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    raw.write(&head).await;
    raw.write("{").await;
    assert!(!comes_within(&mut raw, time * 2).await, "a body may take longer");
    raw.write(&body[1..]).await;
    raw.expect("HTTP/1.1 4").await;
    raw.expect("}\n").await;
    raw.write("GET /_ping").await;
    assert!(!comes_within(&mut raw, time / 2).await);
    raw.write(" HTTP/1.1\r\n").await;
    assert!(comes_within(&mut raw, time).await, "half a head does not stay");
    assert_eq!(raw.end().await, "");
}

#[tokio::test]
async fn a_handshake_is_no_head_and_half_a_head_under_tls_is_one() {
    let stand_in = StandIn::running();
    let set = set();
    let files = Files::of(&set);
    let place = Place::Tls(SocketAddr::from(([127, 0, 0, 1], 0)), files.verify());
    let planned = Planned::of(&place, getegid()).unwrap();
    let served = Served::planned(&planned, &stand_in, Allowed::default()).await;
    let tcp = TcpStream::connect(served.address()).await.unwrap();
    let mut raw = Raw::over(Caller::of(&set).call(tcp).await.unwrap());
    // The front has the client's last word of the handshake before it can answer.
    ping(&mut raw).await;
    let tcp = TcpStream::connect(served.address()).await.unwrap();
    let mut silent = Raw::over(Caller::of(&set).call(tcp).await.unwrap());
    assert!(!comes_within(&mut silent, HEAD_TIME_MAX * 2).await);
    ping(&mut silent).await;
    raw.write("GET /_ping").await;
    assert!(comes_within(&mut raw, HEAD_TIME_MAX * 2).await);
}

#[tokio::test]
async fn a_stream_that_took_its_connection_over_has_no_heads() {
    let (stand_in, log) = with_log();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdin=1&stdout=1")).await;
    raw.expect("\r\n\r\n").await;
    raw.write("GET /").await;
    tokio::time::pause();
    assert!(!raw.comes_within(IDLE_MAX * 2).await);
    tokio::time::resume();
    log.say("still here\n");
    raw.expect("still here\n").await;
    log.end();
}

#[tokio::test]
async fn heads_are_bounded_in_lines_and_bytes() {
    let stand_in = StandIn::running();
    let served = Served::unix_limited(&stand_in, &["head_bytes_max=8192"]).await;
    let check = async |lines: usize, bytes: usize, expected: &str| {
        let mut raw = served.connect().await;
        let filler = "x".repeat(bytes);
        let mut head = "GET /_ping HTTP/1.1\r\nHost: x\r\n".to_owned();
        for number in 1..lines {
            head.push_str(&format!("X-{number}: {filler}\r\n"));
        }
        raw.write(&format!("{head}Connection: close\r\n\r\n")).await;
        let answer = raw.end().await;
        assert!(answer.starts_with(expected), "{lines} {bytes}: {answer:?}");
    };
    check(HEAD_LINES_MAX - 1, 1, "HTTP/1.1 200").await;
    check(HEAD_LINES_MAX, 1, "HTTP/1.1 431").await;
    check(3, 4000, "HTTP/1.1 200").await;
    check(4, 4000, "HTTP/1.1 431").await;
}

#[tokio::test]
async fn another_number_of_lines_may_be_asked_for() {
    let stand_in = StandIn::running();
    let served = Served::unix_limited(&stand_in, &["head_lines_max=16"]).await;
    for (lines, expected) in [(14, "HTTP/1.1 200"), (16, "HTTP/1.1 431")] {
        let mut raw = served.connect().await;
        let head = "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".to_owned();
        raw.write(&(head + &"A: b\r\n".repeat(lines - 1) + "\r\n")).await;
        let answer = raw.end().await;
        assert!(answer.starts_with(expected), "{lines}: {answer:?}");
    }
}

#[tokio::test]
async fn a_user_of_this_machine_is_bounded_too() {
    let stand_in = StandIn::running();
    let served = Served::unix_limited(&stand_in, &["connections_per_user_max=2"]).await;
    let mut first = served.connect().await;
    ping(&mut first).await;
    let mut second = served.connect().await;
    ping(&mut second).await;
    refused(served.connect().await).await;
    // Portainer's idle connections go after a while, or when it closes them.
    drop(first);
    let again = async {
        loop {
            let mut raw = served.connect().await;
            raw.write(PING).await;
            // Written to, or closed: whichever the front has come to by now.
            let answer = raw.part().await;
            if answer.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, again).await.unwrap();
    ping(&mut second).await;
}

#[tokio::test]
async fn streams_of_one_caller_are_bounded() {
    let (stand_in, log) = with_log();
    let served = Served::tcp_limited(&stand_in, &["streams_per_caller_max=2", "streams_max=3"]).await;
    let address = served.address();
    let follow = attach("stream=1&stdout=1");
    let check = async |whence: &str, expected: &str| {
        let mut raw = Raw::over(from(whence, address).await);
        raw.write(&follow).await;
        let head = raw.expect("\r\n\r\n").await;
        assert!(head.starts_with(expected), "{whence}: {head}");
        raw
    };
    let open = (
        check("127.0.0.1", "HTTP/1.1 101").await,
        check("127.0.0.1", "HTTP/1.1 101").await,
    );
    check("127.0.0.1", "HTTP/1.1 503")
        .await
        .expect("too many streams are open from where this request comes from")
        .await;
    let other = check("127.0.0.2", "HTTP/1.1 101").await;
    check("127.0.0.3", "HTTP/1.1 503")
        .await
        .expect("too many streams are open already")
        .await;
    log.end();
    for raw in [open.0, open.1, other] {
        raw.end().await;
    }
    stand_in.unscript();
}

#[tokio::test]
async fn an_upload_has_a_length_of_its_own() {
    let stand_in = StandIn::running();
    let served = Served::unix_limited(&stand_in, &["upload_bytes_max=1000"]).await;
    let mut raw = served.connect().await;
    let body = "x".repeat(1001);
    raw.write(&format!(
        "POST /images/create?fromSrc=-&repo=a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    raw.expect("HTTP/1.1 413").await;
    raw.expect("the upload is longer than 1000 bytes").await;
}

#[test]
fn one_address_is_less_than_all() {
    const { assert!(CONNECTIONS_PER_ADDRESS_MAX * 2 < CONNECTIONS_MAX) };
}
