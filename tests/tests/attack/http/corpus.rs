//! Requests that are none, or nearly none, each with what may come of it.

use harness::{Address, Pair};

use super::{CLOSE_LIMIT, GLANCE, exchange, is_well, statuses};

/// What may come of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// It is answered with this, once.
    Is(u16),
    /// It is refused: with a status from 400 on, or by closing.
    Refused,
}

use Outcome::{Is, Refused};

const CORPUS: &[(&str, Outcome)] = &[
    // As they should be, so that the others mean something.
    ("GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n", Is(200)),
    ("GET /_ping HTTP/1.0\r\n\r\n", Is(200)),
    (
        "GET http://localhost/_ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Is(200),
    ),
    ("HEAD /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n", Is(200)),
    // Other protocols.
    ("GET /_ping\r\n", Refused),
    ("GET /_ping\r\n\r\n", Refused),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused),
    ("GET /_ping HTTP/3.0\r\n\r\n", Refused),
    ("\x16\x03\x01\x02\0\x01\0\x01\u{7c}\x03\x03", Refused),
    ("SSH-2.0-OpenSSH_9.2\r\n", Refused),
    ("*1\r\n$4\r\nPING\r\n", Refused),
    (
        "CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        Refused,
    ),
    ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    // First lines.
    (" GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("GET  /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("GET /_ping  HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("GET _ping HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("G\0T /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("GET /_p\0ing HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("GET /_p\u{1b}[2Jing HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("GET /_ping HTTP/1.1 \r\nHost: localhost\r\n\r\n", Refused),
    ("GET /_ping http/1.1\r\nHost: localhost\r\n\r\n", Refused),
    ("GET /_ping HTTP/01.1\r\nHost: localhost\r\n\r\n", Refused),
    // Header lines.
    ("GET /_ping HTTP/1.1\r\nHost : localhost\r\n\r\n", Refused),
    ("GET /_ping HTTP/1.1\r\n Host: localhost\r\n\r\n", Refused),
    ("GET /_ping HTTP/1.1\r\nHost: localhost\r\nX\r\n\r\n", Refused),
    ("GET /_ping HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n", Refused),
    (
        "GET /_ping HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        Refused,
    ),
    (
        "GET /_ping HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n",
        Refused,
    ),
    (
        "GET /_ping HTTP/1.1\r\nHost: localhost\r\nX\u{e9}: a\r\n\r\n",
        Refused,
    ),
    (
        "GET /_ping HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b\r\n\r\n",
        Refused,
    ),
    // Lengths.
    (
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        Refused,
    ),
    (
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}",
        Refused,
    ),
    (
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x2\r\n\r\n{}",
        Refused,
    ),
    (
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        Refused,
    ),
    (
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2, 3\r\n\r\n{}",
        Refused,
    ),
    (
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        Refused,
    ),
    (
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        Refused,
    ),
    (
        "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        Refused,
    ),
    // Whose path is another's.
    (
        "GET /containers/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/..%2f..%2fetc/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/%2e%2e/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/a%00b/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/a%0d%0aX-Evil:%201/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/%1b%5b2J/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/%ff%fe/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/%/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /images/..%2f..%2fetc/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /v1.44/v1.44/containers/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET //containers/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/json/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers//json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /exec/..%2f..%2fcontainers/json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "DELETE /containers/%2e HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    // Upgrades of what has none, and to what there is not.
    (
        "GET /containers/web/attach/ws HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Refused,
    ),
    (
        "GET /containers/web/attach/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: x\r\n\r\n",
        Refused,
    ),
    (
        "POST /exec/none/start HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        Refused,
    ),
    (
        "GET /info HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        Is(200),
    ),
    (
        "GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        Is(200),
    ),
];

fn check(address: &Address, request: &str, outcome: Outcome) {
    // `é` above stands for a byte that is no ASCII, whichever its encoding.
    let patience = match outcome {
        Is(_) => CLOSE_LIMIT,
        Refused => GLANCE,
    };
    let answers = exchange(address, request.as_bytes(), patience);
    let statuses = statuses(&answers);
    let right = match outcome {
        Is(status) => statuses == [status],
        Refused => statuses.iter().all(|status| *status >= 400) && statuses.len() <= 1,
    };
    assert!(
        right,
        "{request:?} at {address}: {outcome:?}, and not {statuses:?}: {answers}"
    );
    assert!(
        !answers.to_lowercase().contains("\nx-evil"),
        "{request:?}: {answers}"
    );
}

#[test]
fn requests_that_are_none() {
    let mut pair = Pair::start();
    pair.docker().create("web", "exit 0");
    for address in [pair.unix(), pair.tcp()] {
        for (request, outcome) in CORPUS {
            check(&address, request, *outcome);
        }
        // Heads without end: of one line, of many, of a target.
        let long = "x".repeat(1 << 20);
        for request in [
            format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            format!("GET /_ping HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
            format!(
                "GET /_ping HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
                "X: y\r\n".repeat(5000)
            ),
            format!("{long} /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ] {
            let statuses = statuses(&exchange(&address, request.as_bytes(), GLANCE));
            assert!(statuses.iter().all(|status| *status >= 400), "{statuses:?}");
        }
    }
    is_well(&mut pair);
    super::say_count("malformed requests", 2 * (CORPUS.len() + 4));
}
