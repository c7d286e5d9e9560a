//! A real browser that visits a page which means no good: it must not be able to do anything here, though it
//! runs on this machine and reaches the listener.

mod chromium;
mod site;

use std::process::Command;
use std::time::Duration;

use harness::{Address, Pair};
use serde_json::Value;

use chromium::Chromium;
use site::Site;

/// Time for the browser to start, and for the page to have tried everything.
const PAGE_LIMIT: Duration = Duration::from_secs(120);

/// A pair with a container that waits to be started, and nothing else.
fn prepared() -> (Pair, String) {
    let pair = Pair::start();
    pair.docker().create("web", "exec sleep 600");
    let Address::Tcp(place) = pair.tcp() else {
        panic!("a TCP address was asked for")
    };
    (pair, place)
}

/// What the page says came of each attempt, visited under this address.
fn visit(site: &Site, address: &str) -> Value {
    let mut browser = Chromium::open(address);
    let came = site.came(PAGE_LIMIT);
    came.unwrap_or_else(|| {
        panic!(
            "the page does not get to its end; the browser said:\n{}",
            browser.end()
        )
    })
}

/// Nothing has happened, and the very requests that the page made do something when they come from a program.
#[track_caller]
fn nothing_happened(pair: &Pair, place: &str, came: &Value) {
    let docker = pair.docker();
    assert_eq!(docker.inspect("web")["State"]["Status"], "created", "{came}");
    let list = docker.get("/containers/json?all=1").json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{came}: {list}");
    let events = docker.events("since=0&until=0s&filters=%7B%22type%22%3A%5B%22container%22%5D%7D");
    assert_eq!(events.len(), 1, "{came}: {events:?}");

    let url = format!("http://{place}/containers/web/start");
    let output = Command::new("curl")
        .args([
            "-sS",
            "--noproxy",
            "*",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-X",
            "POST",
            &url,
        ])
        .output()
        .unwrap_or_else(|error| panic!("There is no curl ({error}): install it (apt-get install curl)."));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "204", "{output:?}");
    assert_eq!(docker.inspect("web")["State"]["Running"], true);
}

/// The attempts reached the server, as far as a browser lets a page know.
#[track_caller]
fn attempts_were_made(came: &Value, expected: &[(&str, &str)]) {
    for (attempt, outcome) in expected {
        assert_eq!(came[attempt], *outcome, "{attempt}: {came}");
    }
}

#[test]
fn a_page_of_another_origin() {
    let (pair, place) = prepared();
    let site = Site::open(&place, &format!("http://{place}"));
    for host in ["127.0.0.1", "evil.example"] {
        let came = visit(&site, &format!("http://{host}:{}/", site.port()));
        attempts_were_made(
            &came,
            &[
                ("start", "opaque 0"),
                ("create", "opaque 0"),
                ("create as text", "opaque 0"),
                ("start with credentials", "opaque 0"),
                ("with a preflight", "failed: TypeError"),
                ("form", "loaded"),
                ("form that creates", "loaded"),
                ("beacon", "true"),
                ("websocket", "closed"),
                ("image", "error"),
            ],
        );
    }
    nothing_happened(&pair, &place, &Value::Null);
}

#[test]
fn a_name_that_was_made_to_lead_here() {
    let (pair, place) = prepared();
    // Its own origin is what it attacks: the site hands on to socketd whatever is not its own, as after the
    // name's address was changed.
    let site = Site::open(&place, "");
    let came = visit(&site, &format!("http://evil.example:{}/", site.port()));
    attempts_were_made(
        &came,
        &[
            ("start", "basic 403"),
            ("create", "basic 403"),
            ("create as text", "basic 403"),
            ("start with credentials", "basic 403"),
            ("with a preflight", "basic 403"),
            ("form", "loaded"),
            ("form that creates", "loaded"),
            ("beacon", "true"),
            ("websocket", "closed"),
            ("image", "error"),
        ],
    );
    nothing_happened(&pair, &place, &came);
}
