//! Many connections, slow ones, and many requests on one.

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use harness::http::Connection;
use harness::{Address, Docker, Pair};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use super::{CLOSE_LIMIT, is_well, rest};

/// Connections that send their head a byte at a time: more than are served at once.
const SLOW: usize = 2_100;
/// Requests sent on one connection before an answer is read.
const PIPELINED: usize = 10_000;

/// A connection from an address of the machine's own that nobody else here uses.
fn from_elsewhere(place: &str) -> nix::Result<TcpStream> {
    let descriptor: OwnedFd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    bind(descriptor.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 2, 0))?;
    let port = place.rsplit(':').next().unwrap().parse().unwrap();
    connect(descriptor.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port))?;
    Ok(TcpStream::from(descriptor))
}

#[test]
fn slow_heads_hold_nobody_up() {
    let mut pair = Pair::start_empty();
    let Address::Tcp(place) = pair.tcp() else {
        panic!("a TCP address was asked for")
    };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192).max(soft), hard).unwrap();
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        // Beyond what one address may have, it is closed or waits; both are right.
        let Ok(mut stream) = from_elsewhere(&place) else {
            break;
        };
        let _ = stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nX: ");
        slow.push(stream);
    }
    assert_eq!(slow.len(), SLOW);
    let begin = Instant::now();
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        for address in [pair.unix(), pair.tcp()] {
            let asked = Instant::now();
            assert_eq!(Docker::new(address).get("/_ping").status, 200);
            longest = longest.max(asked.elapsed());
        }
        for stream in &mut slow {
            let _ = stream.write_all(b"y");
        }
    }
    super::say(&format!(
        "{SLOW} slow heads; an honest request took at most {longest:?}, {:?} for all",
        begin.elapsed()
    ));
    assert!(longest < CLOSE_LIMIT, "{longest:?}");
    drop(slow);
    is_well(&mut pair);
}

#[test]
fn ten_thousand_requests_at_once() {
    let mut pair = Pair::start_empty();
    for address in [pair.unix(), pair.tcp()] {
        let mut connection = Connection::open(&address).unwrap();
        let mut sending = connection.sender().unwrap();
        let sender = thread::spawn(move || {
            let request = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
            for _ in 0..PIPELINED / 100 {
                sending.write_all(&request).unwrap();
            }
        });
        for number in 0..PIPELINED {
            let answer = connection
                .answer(false)
                .unwrap_or_else(|error| panic!("answer {number}: {error}"));
            assert_eq!(
                (answer.status, answer.body.as_slice()),
                (200, &b"OK"[..]),
                "answer {number}"
            );
        }
        sender.join().unwrap();
    }
    is_well(&mut pair);
}

#[test]
fn a_body_that_is_asked_for_first() {
    let mut pair = Pair::start();
    let mut connection = Connection::open(&pair.unix()).unwrap();
    connection
        .send_raw(
            b"POST /containers/create?name=web HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
              Content-Type: application/json\r\nContent-Length: 36\r\n\r\n",
        )
        .unwrap();
    assert_eq!(connection.head(true).unwrap().status, 100);
    connection
        .send_raw(b"{\"Image\":\"bb:latest\",\"Cmd\":[\"true\"]}")
        .unwrap();
    assert_eq!(connection.answer(false).unwrap().status, 201);
    // One that is refused anyway need not be sent.
    let mut connection = Connection::open(&pair.unix()).unwrap();
    connection
        .send_raw(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 999999\r\n\r\n")
        .unwrap();
    assert_eq!(connection.answer(false).unwrap().status, 404);
    is_well(&mut pair);
}

#[test]
fn a_websocket_that_keeps_to_no_rule() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.run("web", "exec sleep 600");
    let handshake = "GET /containers/web/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: localhost\r\n\
                     Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";
    for frame in [
        // Not masked; reserved bits; a length of all bits; a control frame that is long, and one in parts.
        &b"\x81\x05hello"[..],
        b"\xf1\x80\0\0\0\0",
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        b"\x89\xfe\x01\x00\0\0\0\0",
        b"\x09\x80\0\0\0\0",
        b"\x8f\x80\0\0\0\0",
        b"\x81\x82\0\0\0\0\xff\xfe",
        b"\x80\x80\0\0\0\0",
    ] {
        let mut connection = Connection::open(&docker.address()).unwrap();
        connection.send_raw(handshake.as_bytes()).unwrap();
        assert_eq!(connection.head(false).unwrap().status, 101, "{frame:02x?}");
        // It may close before it has all.
        let _ = connection.send_raw(frame);
        connection.finish();
        let begin = Instant::now();
        rest(&mut connection);
        assert!(begin.elapsed() < CLOSE_LIMIT, "{frame:02x?}");
    }
    assert_eq!(docker.inspect("web")["State"]["Running"], true);
    is_well(&mut pair);
}
