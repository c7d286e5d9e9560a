//! Logs: what is asked of them, and what comes while they grow, turn over and break.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::http::StatusCode;
use proptest::prelude::*;
use wire::Opcode;
use wire::log::Stream::{self, Error, Output};

use crate::client::{Served, ask, ask_bytes, entry, frames};
use crate::stand_in::{FakeLog, StandIn, summary};

const FOLLOW: &str = "GET /containers/c/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n";

/// A stand-in with one container, `c`, and its log.
pub(crate) fn with_log() -> (StandIn, Arc<FakeLog>) {
    let stand_in = StandIn::running();
    stand_in.world(|world| world.containers = vec![summary(1, "c")]);
    let log = FakeLog::new(stand_in.dir());
    let answers = Arc::clone(&log);
    stand_in.script(move |request, peer| answers.answer(request, peer));
    (stand_in, log)
}

async fn read(stand_in: &StandIn, query: &str) -> Vec<u8> {
    let (entry, _teller) = entry(stand_in);
    let (status, headers, body) = ask_bytes(&entry, &format!("/containers/c/logs?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{query}");
    assert!(headers.contains_key("content-type"));
    body
}

async fn lines(stand_in: &StandIn, query: &str) -> Vec<(u8, String)> {
    let body = read(stand_in, query).await;
    let text = |text| String::from_utf8(text).unwrap();
    frames(&body)
        .into_iter()
        .map(|(stream, line)| (stream, text(line)))
        .collect()
}

fn of(stream: u8, line: &str) -> (u8, String) {
    (stream, line.to_owned())
}

#[tokio::test]
async fn every_form_of_the_question() {
    let (stand_in, log) = with_log();
    for (stream, text) in [
        (Output, "one\n"),
        (Error, "two\n"),
        (Output, "th"),
        (Output, "ree\n"),
    ] {
        log.write(stream, text.as_bytes());
    }
    log.rotate();
    log.write(Output, b"four\n");
    log.write(Error, b"five");
    let (one, two, three) = (of(1, "one\n"), of(2, "two\n"), of(1, "three\n"));
    let (four, five) = (of(1, "four\n"), of(2, "five"));
    let all = [
        one.clone(),
        two.clone(),
        three.clone(),
        four.clone(),
        five.clone(),
    ];
    #[track_caller]
    fn check(found: Vec<(u8, String)>, expected: &[(u8, String)]) {
        assert_eq!(found, expected);
    }
    check(lines(&stand_in, "stdout=1&stderr=true&details=1").await, &all);
    check(
        lines(&stand_in, "stdout=1").await,
        &[one, three.clone(), four.clone()],
    );
    check(lines(&stand_in, "stderr=1&tail=all").await, &[two, five.clone()]);
    check(lines(&stand_in, "stdout=1&stderr=1&tail=x").await, &all);
    check(lines(&stand_in, "stdout=1&stderr=1&tail=0").await, &[]);
    check(
        lines(&stand_in, "stdout=1&stderr=1&tail=1").await,
        std::slice::from_ref(&five),
    );
    check(lines(&stand_in, "stdout=1&stderr=1&tail=3").await, &all[2..]);
    check(lines(&stand_in, "stdout=1&stderr=1&tail=100").await, &all);
    check(
        lines(&stand_in, "stdout=1&stderr=1&since=1700000004").await,
        &all[3..],
    );
    check(
        lines(&stand_in, "stdout=1&stderr=1&until=1700000001").await,
        &all[..2],
    );
    check(
        lines(
            &stand_in,
            "stdout=1&stderr=1&tail=2&timestamps=1&since=1700000005.0",
        )
        .await,
        &[of(2, "2023-11-14T22:13:25.000000000Z five")],
    );
    check(
        lines(&stand_in, "stdout=1&timestamps=1&until=1700000003").await,
        &[
            of(1, "2023-11-14T22:13:20.000000000Z one\n"),
            of(1, "2023-11-14T22:13:22.000000000Z three\n"),
        ],
    );
}

#[tokio::test]
async fn a_wrong_question_is_refused_and_an_unknown_container_too() {
    let (stand_in, _log) = with_log();
    let (entry, _teller) = entry(&stand_in);
    for (path, status, message) in [
        (
            "/containers/c/logs",
            400,
            "Bad parameters: you must choose at least one stream",
        ),
        (
            "/containers/c/logs?stdout=1&since=x",
            400,
            "strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            "/containers/nosuch/logs?stdout=1",
            404,
            "No such container: nosuch",
        ),
    ] {
        let reply = ask(&entry, "GET", path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.message().as_str()),
            (status, message)
        );
    }
}

#[tokio::test]
async fn types_are_told_as_the_version_knows_them_and_a_terminal_is_raw() {
    let (stand_in, log) = with_log();
    log.write(Output, b"\x1b[1mbold\r\n");
    let (entry, _teller) = entry(&stand_in);
    let of = |path: &'static str| {
        let entry = Arc::clone(&entry);
        async move {
            let (_, headers, body) = ask_bytes(&entry, path).await;
            (headers["content-type"].to_str().unwrap().to_owned(), body)
        }
    };
    let multiplexed = "application/vnd.docker.multiplexed-stream";
    let raw = "application/vnd.docker.raw-stream";
    assert_eq!(of("/containers/c/logs?stdout=1").await.0, multiplexed);
    assert_eq!(of("/v1.42/containers/c/logs?stdout=1").await.0, multiplexed);
    assert_eq!(of("/v1.41/containers/c/logs?stdout=1").await.0, raw);
    log.set_tty();
    let found = of("/containers/c/logs?stdout=1&stderr=1").await;
    assert_eq!(found, (raw.to_owned(), b"\x1b[1mbold\r\n".to_vec()));
}

#[tokio::test]
async fn a_follower_sees_lines_as_they_come_across_files_and_to_the_end() {
    let (stand_in, log) = with_log();
    log.say("before\n");
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(FOLLOW).await;
    raw.expect("before\n").await;
    log.say("first\n");
    raw.expect("first\n").await;
    for round in 0..5 {
        // Both rings may be heard as one.
        log.write(Output, format!("last {round}\n").as_bytes());
        log.rotate();
        log.say(&format!("next {round}\n"));
        raw.expect(&format!("last {round}\n")).await;
        raw.expect(&format!("next {round}\n")).await;
    }
    log.write(Output, b"quiet\n");
    log.rotate();
    log.write(Output, b"at the end\n");
    log.end();
    raw.expect("quiet\n").await;
    raw.expect("at the end\n").await;
    raw.expect("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_file_removed_by_hand_ends_nothing() {
    let (stand_in, log) = with_log();
    let served = Served::new(&stand_in).await;
    let mut raw = served.connect().await;
    raw.write(FOLLOW).await;
    raw.expect("\r\n\r\n").await;
    log.say("there\n");
    raw.expect("there\n").await;
    fs::remove_file(log.path()).unwrap();
    log.say("still\n");
    raw.expect("still\n").await;
    log.rotate();
    log.say("anew\n");
    raw.expect("anew\n").await;
    log.say("and on\n");
    raw.expect("and on\n").await;
    log.end();
    raw.expect("0\r\n\r\n").await;
}

#[tokio::test]
async fn nothing_is_followed_where_nothing_runs() {
    let (stand_in, log) = with_log();
    log.write(Output, b"done\n");
    log.set_running(false);
    assert_eq!(lines(&stand_in, "stdout=1&follow=1").await, [of(1, "done\n")]);
}

#[tokio::test]
async fn many_followers_cost_nothing_while_nothing_is_written() {
    let (stand_in, log) = with_log();
    let served = Served::new(&stand_in).await;
    let mut all = Vec::new();
    for _ in 0..100 {
        let mut raw = served.connect().await;
        raw.write(FOLLOW).await;
        raw.expect("\r\n\r\n").await;
        all.push(raw);
    }
    assert_eq!(log.bells(), 100);
    for round in 0..3 {
        log.say(&format!("round {round}\n"));
        for raw in &mut all {
            raw.expect(&format!("round {round}\n")).await;
        }
    }
    // Each asked once which file is the newest, and never again.
    stand_in
        .until(|world| {
            let opened = world
                .asked
                .iter()
                .filter(|asked| asked.opcode() == Opcode::OpenLog);
            opened.count() == 200
        })
        .await;
    log.say("on\n");
    for raw in &mut all {
        raw.expect("on\n").await;
    }
    assert_eq!(stand_in.count(Opcode::OpenLog), 200);
    drop(all);
    // The bells of those who left are dropped at some next ring.
    while log.bells() > 0 {
        log.ring();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_line_longer_than_everything_comes_whole() {
    let (stand_in, log) = with_log();
    let part = [b'x'; 16 * 1024];
    for _ in 0..512 {
        log.write(Output, &part);
    }
    log.write(Output, b"\n");
    let body = read(&stand_in, "stdout=1&timestamps=1").await;
    let found = frames(&body);
    assert!(found.iter().all(|(_, text)| text.len() <= 64 * 1024));
    let text: Vec<u8> = found.into_iter().flat_map(|(_, text)| text).collect();
    let stamp = "2023-11-14T22:13:20.000000000Z ";
    assert!(text.starts_with(stamp.as_bytes()));
    assert_eq!(text.len(), stamp.len() + 512 * part.len() + 1);
    assert!(text[stamp.len()..text.len() - 1].iter().all(|byte| *byte == b'x'));
    assert_eq!(
        read(&stand_in, "stdout=1&tail=1").await.len(),
        body_without_stamp(&body)
    );
}

fn body_without_stamp(body: &[u8]) -> usize {
    let text: usize = frames(body).iter().map(|(_, text)| text.len()).sum();
    let plain = text - 31;
    // Three parts and a bit fit into a frame, whatever its stamp.
    let mut all = plain;
    all += 8 * plain.div_ceil(3 * 16 * 1024);
    all
}

#[tokio::test]
async fn damage_hides_the_rest_of_its_file_and_no_more() {
    let (stand_in, log) = with_log();
    for line in ["one\n", "two\n", "three\n"] {
        log.write(Output, line.as_bytes());
    }
    log.rotate();
    log.write(Output, b"four\n");
    let aside = OpenOptions::new()
        .write(true)
        .open(log.path().with_extension("1"))
        .unwrap();
    // Somewhere in the second entry.
    let second = 16 + 16 + 4 + 4;
    for (at, byte) in [(8, 9), (12, 200), (13, 0xff), (20, 7)] {
        let mut old = [0];
        let file = fs::File::open(log.path().with_extension("1")).unwrap();
        file.read_exact_at(&mut old, second + at).unwrap();
        aside.write_all_at(&[byte], second + at).unwrap();
        let found = lines(&stand_in, "stdout=1").await;
        assert_eq!(found.first(), Some(&of(1, "one\n")), "{at}");
        assert_eq!(found.last(), Some(&of(1, "four\n")), "{at}");
        assert_eq!(
            lines(&stand_in, "stdout=1&tail=1").await,
            [of(1, "four\n")],
            "{at}"
        );
        let found = lines(&stand_in, "stdout=1&tail=9").await;
        assert_eq!(found.last(), Some(&of(1, "four\n")), "{at}");
        aside.write_all_at(&old, second + at).unwrap();
    }
    // An entry that its writer did not finish.
    let newest = OpenOptions::new().append(true).open(log.path()).unwrap();
    std::io::Write::write_all(&mut &newest, &[1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 0, 0, 5]).unwrap();
    assert_eq!(lines(&stand_in, "stdout=1").await.last(), Some(&of(1, "four\n")));
    assert_eq!(lines(&stand_in, "stdout=1&tail=1").await, [of(1, "four\n")]);
    // No log at all: the last lines are those of the file before it.
    fs::write(log.path(), b"this is something else entirely").unwrap();
    let found = lines(&stand_in, "stdout=1&tail=2").await;
    assert_eq!(found, [of(1, "two\n"), of(1, "three\n")]);
}

/// Lines, each with its stream and cut into parts, and where files end.
fn written() -> impl Strategy<Value = Vec<(bool, Vec<Vec<u8>>, bool)>> {
    let part = prop::collection::vec(
        any::<u8>().prop_map(|byte| if byte == b'\n' { b' ' } else { byte }),
        1..40,
    );
    let line = (
        any::<bool>(),
        prop::collection::vec(part, 1..4),
        prop::bool::weighted(0.1),
    );
    prop::collection::vec(line, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_one_frame(lines in written(), tail in 0_usize..70) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (stand_in, log) = with_log();
            let mut expected = Vec::new();
            for (is_error, parts, rotated) in &lines {
                let stream: Stream = if *is_error { Error } else { Output };
                let mut whole = Vec::new();
                for (at, part) in parts.iter().enumerate() {
                    let mut part = part.clone();
                    if at + 1 == parts.len() {
                        part.push(b'\n');
                    }
                    log.write(stream, &part);
                    whole.extend(part);
                }
                expected.push((if *is_error { 2 } else { 1 }, whole));
                if *rotated {
                    log.rotate();
                }
            }
            let body = read(&stand_in, "stdout=1&stderr=1").await;
            assert_eq!(frames(&body), expected);
            let body = read(&stand_in, &format!("stdout=1&stderr=1&tail={tail}")).await;
            let from = expected.len().saturating_sub(tail);
            assert_eq!(frames(&body), expected[from..]);
        });
    }
}
