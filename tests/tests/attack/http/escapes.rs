//! What names and labels say to whoever reads headers, logs and lists.

use harness::Pair;
use serde_json::json;

use super::{GLANCE, exchange, is_well};

/// Ends a line, begins another header, and clears a terminal.
const EVIL: &str = "a\r\nX-Evil: 1\r\n\r\n\u{1b}[2J\u{1b}]0;evil\u{7}\u{9b}2J";

#[test]
fn what_a_terminal_would_obey() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    let body = json!({
        "Image": "bb:latest",
        "Cmd": ["/bin/echo", EVIL],
        "Env": [format!("A={EVIL}")],
        "Labels": { EVIL: EVIL, "team": EVIL },
    });
    docker.create_from("web", &body);
    docker.start("web");
    docker.wait("web");
    // As it was given, in JSON; nowhere else.
    assert_eq!(docker.inspect("web")["Config"]["Labels"][EVIL], EVIL);
    for path in [
        "/containers/json?all=1",
        "/containers/web/json",
        "/containers/web/logs?stdout=1",
        "/events?since=0&until=0s",
    ] {
        let answer = docker.get(path).expect(200);
        assert_eq!(answer.head.header("x-evil"), None, "{path}");
    }
    let events = docker.events("since=0&until=0s");
    assert!(
        events
            .iter()
            .any(|event| event["Actor"]["Attributes"]["team"] == EVIL),
        "{events:?}"
    );

    // Refused, and logged as what it is.
    let escaped = "a%0d%0aX-Evil:%201%0d%0a%1b%5b2J%1b%5d0;evil%07%c2%9b2J";
    for request in [
        format!("POST /containers/{escaped}/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
        format!(
            "POST /containers/web/rename?name={escaped} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        ),
        format!(
            "POST /images/bb/tag?repo={escaped}&tag={escaped} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        ),
        format!(
            "POST /images/create?fromSrc=-&repo={escaped} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        ),
        format!("GET /containers/web/archive?path={escaped} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /containers/json?filters={escaped} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /{escaped} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\u{9b}2J\r\n\r\n"),
        "GET /_ping HTTP/1.1\r\nHost: \u{9b}2J\r\nOrigin: \u{9b}2J\r\nUser-Agent: \u{9b}2J\r\n\r\n"
            .to_owned(),
        format!("DELETE /images/{escaped} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ] {
        for address in [pair.unix(), pair.tcp()] {
            let answers = exchange(&address, request.as_bytes(), GLANCE);
            let head = answers.split("\r\n\r\n").next().unwrap_or_default();
            assert!(
                !head.to_lowercase().contains("\nx-evil"),
                "{request:?}: {answers:?}"
            );
            let obeyed = answers
                .chars()
                .find(|char| char.is_ascii_control() && !matches!(char, '\r' | '\n'));
            assert_eq!(obeyed, None, "{request:?}: {answers:?}");
        }
    }
    is_well(&mut pair);
}
