//! What a page in a browser can make that browser send, over TCP and over a unix socket.

use socketd::policy::browser::Allowed;

use crate::client::{Reply, Served};
use crate::stand_in::StandIn;

fn allowed() -> Allowed {
    Allowed {
        hosts: vec!["phone.lan".parse().unwrap()],
        origins: vec!["http://portainer.lan:9000".parse().unwrap()],
    }
}

/// Sends a head, and gives status, headers and message.
async fn ask(served: &Served, first: &str, headers: &str) -> (u16, String) {
    let mut raw = served.connect().await;
    raw.write(&format!("{first} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"))
        .await;
    let answer = raw.end().await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

fn message(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut headers = axum::http::HeaderMap::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        let name: axum::http::HeaderName = name.parse().unwrap();
        headers.insert(name, value.parse().unwrap());
    }
    let reply = Reply {
        status: axum::http::StatusCode::FORBIDDEN,
        headers,
        body: body.to_owned(),
    };
    reply.message()
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_is_refused() {
    let stand_in = StandIn::running();
    let served = Served::tcp(&stand_in, allowed()).await;
    let own = format!("Host: {}\r\n", served.place.to_string().replace("tcp://", ""));
    for host in [
        own.as_str(),
        "",
        "Host:\r\n",
        "Host: localhost:2375\r\n",
        "Host: phone.lan\r\n",
    ] {
        let (status, answer) = ask(&served, "GET /_ping", host).await;
        assert_eq!(status, 200, "{host:?}: {answer}");
    }
    let (status, answer) = ask(&served, "GET /containers/json", "Host: evil.example:2375\r\n").await;
    assert_eq!(status, 403, "{answer}");
    assert!(message(&answer).contains("--host-name"), "{answer}");
    assert!(answer.contains("api-version: 1.51"), "{answer}");
    // Nobody was asked: the bridge's stand-in would have recorded it.
    assert!(stand_in.world(|world| world.asked.is_empty()));
}

#[tokio::test]
async fn a_page_elsewhere_can_neither_ask_nor_act() {
    let stand_in = StandIn::running();
    let served = Served::tcp(&stand_in, allowed()).await;
    let host = "Host: localhost:2375\r\n";
    let act = "POST /containers/c/kill";
    for page in [
        // A form, and a script that needs no leave to send plain text.
        "Origin: http://evil.example\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n",
        "Origin: null\r\nContent-Length: 0\r\n",
        // An image or a link.
        "Sec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n",
        "Sec-Fetch-Site: same-site\r\nContent-Length: 0\r\n",
    ] {
        let (status, answer) = ask(&served, act, &format!("{host}{page}")).await;
        assert_eq!(status, 403, "{page}: {answer}");
        assert!(
            !answer.to_ascii_lowercase().contains("access-control"),
            "{answer}"
        );
        message(&answer);
    }
    // The question that browsers ask before anything else is answered the same.
    let preflight = format!("{host}Origin: http://evil.example\r\nAccess-Control-Request-Method: DELETE\r\n");
    let (status, answer) = ask(&served, "OPTIONS /containers/c", &preflight).await;
    assert_eq!(status, 403, "{answer}");
    assert!(
        !answer.to_ascii_lowercase().contains("access-control"),
        "{answer}"
    );
    // A websocket needs no leave either.
    let websocket = format!(
        "{host}Origin: http://evil.example\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    let (status, answer) = ask(&served, "GET /containers/c/attach/ws?stream=1", &websocket).await;
    assert_eq!(status, 403, "{answer}");
    assert!(stand_in.world(|world| world.asked.is_empty()));
}

#[tokio::test]
async fn pages_of_our_own_and_those_that_were_allowed_may_ask() {
    let stand_in = StandIn::running();
    let served = Served::tcp(&stand_in, allowed()).await;
    for page in [
        "Host: phone.lan:1\r\nOrigin: http://phone.lan:1\r\nSec-Fetch-Site: same-origin\r\n",
        "Host: phone.lan:1\r\nSec-Fetch-Site: none\r\n",
        "Host: phone.lan:1\r\nOrigin: http://portainer.lan:9000\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        let (status, answer) = ask(&served, "GET /_ping", page).await;
        assert_eq!(status, 200, "{page}: {answer}");
        assert!(
            !answer.to_ascii_lowercase().contains("access-control"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_refusal_does_not_end_the_connection_and_the_next_request_is_judged_anew() {
    let stand_in = StandIn::running();
    let served = Served::tcp(&stand_in, Allowed::default()).await;
    let mut raw = served.connect().await;
    raw.write("GET /_ping HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .await;
    raw.expect("403 Forbidden").await;
    raw.expect("\"}\n").await;
    raw.write("GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    raw.expect("200 OK").await;
    raw.expect("\r\n\r\nOK").await;
    raw.write("GET /_ping HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .await;
    raw.expect("403 Forbidden").await;
}

#[tokio::test]
async fn no_browser_comes_over_a_unix_socket() {
    let stand_in = StandIn::running();
    let served = Served::new(&stand_in).await;
    let (status, answer) = ask(&served, "GET /_ping", "Host: any.thing\r\nOrigin: http://x\r\n").await;
    assert_eq!(status, 200, "{answer}");
}
