//! Logs of a runtime that keeps what was written and nothing else, and attachments to it.

use std::sync::Arc;

use axum::http::StatusCode;
use wire::Opcode;
use wire::spec::Process;

use crate::client::{Served, ask_bytes, entry};
use crate::stand_in::{FakeConsole, StandIn, summary};

const FOLLOW: &str = "GET /containers/c/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n";
const NEVER: &str = "0001-01-01T00:00:00.000000000Z";

/// A stand-in with one container, `c`, and its console.
fn with_console() -> (StandIn, Arc<FakeConsole>) {
    let stand_in = StandIn::running();
    stand_in.world(|world| {
        world.containers = vec![summary(1, "c")];
        world.process = Process {
            tty: true,
            open_stdin: true,
            ..Process::default()
        };
    });
    let console = FakeConsole::new(stand_in.dir());
    let answers = Arc::clone(&console);
    stand_in.script(move |request, peer| answers.answer(request, peer));
    (stand_in, console)
}

async fn read(stand_in: &StandIn, query: &str) -> String {
    let (entry, _teller) = entry(stand_in);
    let (status, headers, body) = ask_bytes(&entry, &format!("/containers/c/logs?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{query}");
    assert_eq!(headers["content-type"], "application/vnd.docker.raw-stream");
    String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn every_form_of_the_question() {
    let (stand_in, console) = with_console();
    console.write("one\r\ntwo\r\n");
    console.start();
    console.write("three\r\nfo");
    for (query, expected) in [
        ("stdout=1", "one\r\ntwo\r\nthree\r\nfo"),
        ("stdout=1&stderr=1&tail=all", "one\r\ntwo\r\nthree\r\nfo"),
        // A terminal has no second stream.
        ("stderr=1", ""),
        ("stdout=1&tail=0", ""),
        ("stdout=1&tail=1", "fo"),
        ("stdout=1&tail=3", "two\r\nthree\r\nfo"),
        ("stdout=1&tail=100", "one\r\ntwo\r\nthree\r\nfo"),
        ("stdout=1&since=4000000000", ""),
        ("stdout=1&since=1000000000", "one\r\ntwo\r\nthree\r\nfo"),
        // Nobody knows that it is too late.
        ("stdout=1&until=1000000000", "one\r\ntwo\r\nthree\r\nfo"),
    ] {
        assert_eq!(read(&stand_in, query).await, expected, "{query}");
    }
    assert_eq!(
        read(&stand_in, "stdout=1&tail=2&timestamps=1").await,
        format!("{NEVER} three\r\n{NEVER} fo")
    );
}

#[tokio::test]
async fn a_follower_sees_what_comes_though_the_file_is_cut() {
    let (stand_in, console) = with_console();
    console.write("before\n");
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(FOLLOW).await;
    raw.expect("before\n").await;
    console.say("first\n");
    raw.expect("first\n").await;
    for round in 0..5 {
        console.cut();
        console.say(&format!("begun {round}\n"));
        raw.expect(&format!("begun {round}\n")).await;
        // Longer than the place by the time somebody looks.
        console.cut();
        console.say(&format!("again {round}, and longer than what was there\n"));
        raw.expect(&format!("again {round}, and longer than what was there\n"))
            .await;
    }
    console.write("quiet\n");
    console.end();
    let seen = raw.expect("0\r\n\r\n").await;
    assert_eq!(seen.matches("quiet\n").count(), 1);
    assert!(!seen.contains("again"), "{seen}");
    // A run keeps to its file: nobody asks again.
    assert_eq!(stand_in.count(Opcode::OpenLog), 1);
}

#[tokio::test]
async fn nothing_of_before_is_shown_to_a_follower_without_a_tail() {
    let (stand_in, console) = with_console();
    console.write("before\n");
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    let follow = FOLLOW.replace("follow=1", "follow=1&tail=0&timestamps=1");
    raw.write(&follow).await;
    raw.expect("\r\n\r\n").await;
    console.say("now\n");
    let seen = raw.expect("now\n").await;
    assert!(!seen.contains("before") && !seen.contains(NEVER), "{seen}");
}

#[tokio::test]
async fn a_follower_stays_with_its_run() {
    let (stand_in, console) = with_console();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(FOLLOW).await;
    raw.expect("\r\n\r\n").await;
    console.say("this run\n");
    raw.expect("this run\n").await;
    console.write("its last\n");
    console.end();
    console.start();
    console.write("the next run\n");
    let seen = raw.expect("0\r\n\r\n").await;
    assert!(seen.contains("its last\n"), "{seen}");
    assert!(!seen.contains("next"), "{seen}");
}

fn attach(query: &str) -> String {
    format!(
        "POST /containers/c/attach?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
}

#[tokio::test]
async fn an_attachment_shows_the_console_and_drops_what_has_no_way_in() {
    let (stand_in, console) = with_console();
    console.write("before\n");
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdin=1&stdout=1&stderr=1")).await;
    raw.expect("\r\n\r\n").await;
    raw.write("typed\n").await;
    console.say("now\n");
    assert!(!raw.expect("now\n").await.contains("before"));
    raw.write("more\n").await;
    console.say("still\n");
    raw.expect("still\n").await;
    // The keys that let go are heard all the same.
    raw.write("\x10\x11").await;
    assert_eq!(raw.end().await, "");
}

#[tokio::test]
async fn an_attachment_without_input_asks_for_no_way_in() {
    let (stand_in, console) = with_console();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdout=1")).await;
    raw.expect("\r\n\r\n").await;
    // These are nobody's keys.
    raw.write("\x10\x11").await;
    console.say("now\n");
    raw.expect("now\n").await;
    console.end();
    assert_eq!(raw.end().await, "");
    assert_eq!(stand_in.count(Opcode::OpenInput), 0);
}

#[tokio::test]
async fn an_attachment_before_the_start_sees_the_file_of_the_run() {
    let (stand_in, console) = with_console();
    console.write("of the run before\n");
    console.end();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdout=1")).await;
    raw.expect("\r\n\r\n").await;
    console.start();
    console.ring();
    console.say("hello\n");
    assert_eq!(raw.expect("hello\n").await, "hello\n");
    console.write("bye\n");
    console.end();
    console.start();
    console.write("of the run after\n");
    assert_eq!(raw.end().await, "bye\n");
}

#[tokio::test]
async fn an_attachment_before_the_start_of_a_short_run_sees_it() {
    let (stand_in, console) = with_console();
    console.write("of the run before\n");
    console.end();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(&attach("stream=1&stdout=1")).await;
    raw.expect("\r\n\r\n").await;
    console.start();
    console.write("all of it\n");
    console.end();
    assert_eq!(raw.end().await, "all of it\n");
}
