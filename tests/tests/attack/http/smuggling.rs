//! Two requests that look like one to whoever stands before us: what a proxy took for a body must not be
//! carried out.

use harness::Pair;

use super::{CLOSE_LIMIT, GLANCE, exchange, is_well, statuses};

/// What is smuggled.
const HIDDEN: &str = "POST /containers/web/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";

/// Heads whose body's end is not the same for everybody. The hidden request comes after the empty line and, where
/// `chunked`, after the end of a body in chunks.
const HEADS: &[(&str, &str)] = &[
    (
        "both, length first",
        "Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "both, chunks first",
        "Transfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\n",
    ),
    (
        "two lengths",
        "Content-Length: 0\r\nContent-Length: LENGTH\r\n\r\n",
    ),
    (
        "two lengths, the other way",
        "Content-Length: LENGTH\r\nContent-Length: 0\r\n\r\n",
    ),
    ("a list of lengths", "Content-Length: 0, LENGTH\r\n\r\n"),
    ("a folded length", "Content-Length:\r\n LENGTH\r\n\r\n"),
    ("a length after a space", "Content-Length : LENGTH\r\n\r\n"),
    ("a length with a sign", "Content-Length: +LENGTH\r\n\r\n"),
    (
        "identity",
        "Transfer-Encoding: identity\r\nContent-Length: LENGTH\r\n\r\n",
    ),
    (
        "chunked, then identity",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "two encodings",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\n",
    ),
    (
        "xchunked",
        "Transfer-Encoding: xchunked\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\n",
    ),
    (
        "a tab",
        "Transfer-Encoding:\tchunked\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\n",
    ),
    (
        "a vertical tab",
        "Transfer-Encoding: \x0bchunked\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\n",
    ),
    (
        "an extension",
        "Transfer-Encoding: chunked\r\n\r\n0;a=\"\r\n\r\n\"\r\n\r\n",
    ),
    (
        "an extension that ends early",
        "Transfer-Encoding: chunked\r\n\r\n0;a\n\r\n",
    ),
    ("bare line feeds", "Content-Length: 0\n\n"),
    (
        "a bare line feed between chunks",
        "Transfer-Encoding: chunked\r\n\r\n0\n\n",
    ),
    (
        "a bare return",
        "Content-Length: 0\rTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "a length of chunks that wraps",
        "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
    ),
    (
        "a size with a sign",
        "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    ),
    (
        "a trailer that is a length",
        "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: LENGTH\r\n\r\n",
    ),
];

#[test]
fn a_request_within_a_request() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    docker.create("web", "exec sleep 600");
    let length = HIDDEN.len() + 5;
    for address in [pair.unix(), pair.tcp()] {
        for (name, head) in HEADS {
            for first in [
                "POST /containers/none/stop",
                "GET /_ping",
                "POST /containers/create",
            ] {
                let head = head.replace("LENGTH", &length.to_string());
                let request = format!("{first} HTTP/1.1\r\nHost: localhost\r\n{head}{HIDDEN}");
                let answers = exchange(&address, request.as_bytes(), GLANCE);
                let statuses = statuses(&answers);
                // A length alone, whole and once, is no trick: what comes behind is another request.
                let plain = *name == "bare line feeds";
                assert!(plain || statuses.len() <= 1, "{name}, {first}: {answers}");
                let state = docker.inspect("web")["State"]["Status"].clone();
                assert!(
                    plain || state == "created",
                    "{name}, {first}: the hidden request was carried out"
                );
                if plain {
                    docker.delete("/containers/web?force=1").expect(204);
                    docker.create("web", "exec sleep 600");
                }
            }
        }
        // It would have been: as a request of its own, it is.
        let answers = exchange(&address, HIDDEN.as_bytes(), CLOSE_LIMIT);
        assert_eq!(statuses(&answers), [204], "{answers}");
        docker.delete("/containers/web?force=1").expect(204);
        docker.create("web", "exec sleep 600");
    }
    is_well(&mut pair);
    super::say_count("smuggled requests", 2 * 3 * HEADS.len());
}
